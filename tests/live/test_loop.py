"""No request holds the event loop for long: others are answered meanwhile, as measured by the loop's processor time."""

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from support.lag import loop_hold
from support.processes import Service

JSON, NPZ = "application/json", "application/x-npz"
TRAJECTORIES, SWEEPS = "/v1/trajectories", "/v1/sweeps"
NETWORK = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "seed": 0}
MAX_HELD = 400  # times as long as for /healthz: a tenth of a second where that takes .25 ms; 60 MB take half of it


def archive(path: str, array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    metadata = json.dumps({"network": NETWORK, "times": [0.0, 1.0]})
    np.savez_compressed(buffer, **{"metadata": np.array(metadata), path: array})
    return buffer.getvalue()


def numbers(count: int) -> bytes:
    return b'{"network": %b, "task": "identity", "times": [%b1]}' % (json.dumps(NETWORK).encode(), b"1," * count)


def fields(count: int) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % i for i in range(count)) + b"}"


BODIES = {
    "small integers that become 530 MB": (TRAJECTORIES, NPZ, archive("task", np.ones((8000, 8300), np.int8))),
    "small integers that become 60 MB": (TRAJECTORIES, NPZ, archive("task", np.ones((2700, 2700), np.int8))),
    "numbers of 60 MB": (TRAJECTORIES, NPZ, archive("task", np.random.default_rng(0).normal(size=(2700, 2700)))),
    "30 million numbers as text": (TRAJECTORIES, JSON, numbers(30_000_000)),
    "7 million numbers as text": (TRAJECTORIES, JSON, numbers(7_000_000)),
    "7 million numbers of a sweep": (SWEEPS, JSON, numbers(7_000_000)),
    "3 million unknown fields": (TRAJECTORIES, JSON, fields(3_000_000)),
    "190 thousand unknown fields": (TRAJECTORIES, JSON, fields(190_000)),
    "many fields in a small body": (TRAJECTORIES, JSON, fields(495)),
    "many fields in a body that is almost small": (TRAJECTORIES, JSON, fields(1600)),
    "many numbers in a small body": (TRAJECTORIES, JSON, numbers(8_000)),
    "one long text": (TRAJECTORIES, JSON, b'{"' + b"a" * 60_000_000 + b'": 1}'),
    "deep lists": (TRAJECTORIES, JSON, b"[" * 16_000),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(embedded_cache=True) as service:
        yield service


@pytest.mark.timed
@pytest.mark.parametrize("name", BODIES)
def test_no_body_delays_other_requests(service: Service, name: str) -> None:
    path, media_type, content = BODIES[name]
    with service.client() as client, loop_hold(service) as hold:
        answer = client.post(path, content=content, headers={"Content-Type": media_type})
    assert 400 <= answer.status_code < 500, answer.text
    assert hold.ratio < MAX_HELD, hold


def test_the_memory_of_large_bodies_is_freed(service: Service) -> None:
    before = service.process.memory_info().rss
    path, media_type, content = BODIES["numbers of 60 MB"]
    with service.client() as client:
        for _ in range(3):
            client.post(path, content=content, headers={"Content-Type": media_type})
    assert service.process.memory_info().rss - before < 1.5e8
