"""Sweeps with large requests and large results: the service neither parses the former nor holds the latter."""

import io
import time

import numpy as np
import orjson
import pytest
from support.jobs import finished, submit, sweep
from support.lag import all_processor_seconds, loop_hold
from support.processes import RedisServer, Service

from lindyn.wire.sweep import SweepRequest

pytestmark = pytest.mark.live

FLAT_BYTES = 6e7  # less than a result, and far less than the points that it is made of


def one_large_value(samples: int) -> bytes:
    """A sweep of two points whose first axis has one large value of small numbers."""
    rng = np.random.default_rng(0)
    inputs, targets = (rng.integers(0, 10, (samples, n)).tolist() for n in (200, 2))
    task = {"kind": "data", "inputs": inputs, "targets": targets, "whiten": True}
    base = {"network": {"kind": "balanced", "dims": [200, 2, 2], "lambda": 0.0}, "times": [0.0, 1.0]}
    axes = [{"path": "task", "values": [task]}, {"path": "network.seed", "values": [1, 2]}]
    return orjson.dumps({"base": base, "axes": axes, "collect": ["final_loss"]})


def reading_seconds(content: bytes) -> float:
    """Processor time to parse a sweep once."""
    started = time.process_time()
    SweepRequest.model_validate(orjson.loads(content))
    return time.process_time() - started


def test_no_request_waits_while_a_large_sweep_is_read() -> None:
    """Parsing in the service itself would delay a request by a fifth of its time; a worker by a fiftieth at most."""
    content = one_large_value(30_000)
    assert len(content) > 1.2e7
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        finished(client, submit(client, sweep(seeds=1)))  # starts the workers
        with loop_hold(service, all_processor_seconds) as hold:
            posted = client.post("/v1/sweeps", content=content, headers={"Content-Type": "application/json"})
            ended = finished(client, posted.json()["id"])
        assert (ended["state"], ended["completed"]) == ("done", 2)
    assert hold.longest_seconds < reading_seconds(content) / 10


def test_the_memory_of_a_service_does_not_grow_with_results() -> None:
    """Results of 38 MB, from points of 90 MB; the peak counts."""
    body = sweep(lams=(0.5,), seeds=25, n=20, num=470, collect=("output",))
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        finished(client, submit(client, sweep(seeds=1)))
        before = service.process.memory_info().rss
        job = submit(client, body)
        assert finished(client, job)["state"] == "done"
        after = service.process.memory_info().rss
        assert after - before < FLAT_BYTES
        assert peak_bytes(service) - before < FLAT_BYTES
        archive = client.get(f"/v1/jobs/{job}/result", headers={"Accept": "application/x-npz"}).content
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            assert arrays["data.output"].nbytes > 3.7e7
            assert np.isfinite(arrays["data.output"]).all()


def peak_bytes(service: Service) -> float:
    """Peak resident memory of a service."""
    with open(f"/proc/{service.process.pid}/status") as file:
        return 1024 * int(next(line for line in file if line.startswith("VmHWM")).split()[1])
