"""Limits of keys, of slow clients and of memory: each has its error, and other requests are answered."""

import itertools
import json
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from support.holding import held
from support.jobs import slow_sweep, sweep
from support.keys import KeysFile, bearer, early_in_a_window
from support.processes import Service, eventually, long_trajectory, trajectory
from support.service import problem
from support.sockets import connect, is_held


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(tcp=True, head_seconds=1, body_seconds=1.5, stalled_seconds=1, memory_cache_bytes=2**28) as service:
        yield service


def is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_the_requests_per_minute_and_jobs_of_a_key_are_limited(tmp_path):
    keys = KeysFile(tmp_path / "keys")
    ada, bob = keys.add("ada"), keys.add("bob")
    limits = {"key_requests_per_minute": 12, "key_max_jobs": 2, "key_requests_at_once": 2}
    with Service(api_keys_file=keys.path, embedded_cache=True, job_workers=1, **limits) as service:
        with service.client(headers=bearer(bob)) as client:
            for _ in range(2):
                assert client.post("/v1/sweeps", json=slow_sweep()).status_code == 202
            refused = client.post("/v1/sweeps", json=slow_sweep())
            assert "2 jobs of bob" in problem(refused, 429, "rate-limited")["detail"]
            assert int(refused.headers["retry-after"]) > 0
            for job in client.get("/v1/jobs").json()["jobs"]:
                client.delete(f"/v1/jobs/{job['id']}")
        early_in_a_window(60, room_seconds=20)
        with service.client(headers=bearer(ada)) as client:
            answers = [client.get("/v1/experiments") for _ in range(14)]
        assert [answer.status_code for answer in answers] == [200] * 12 + [429] * 2
        assert "12 requests in a minute" not in problem(answers[-1], 429, "rate-limited")["title"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert service.get("/healthz").status_code == 200


def test_the_concurrent_requests_of_a_key_are_limited(tmp_path):
    keys = KeysFile(tmp_path / "keys")
    ada, bob = keys.add("ada"), keys.add("bob")
    probe = keys.add("prometheus", "metrics")
    with (
        Service(api_keys_file=keys.path, key_requests_at_once=1, probe_key=probe) as service,
        service.client() as client,
    ):
        with held(service, trajectory(seed=2), headers=bearer(ada)) as answer:
            refused = client.post("/v1/trajectories", json=trajectory(), headers=bearer(ada))
            problem(refused, 429, "rate-limited")
            assert refused.headers["retry-after"] == "1"
            assert client.get("/v1/experiments", headers=bearer(bob)).status_code == 200
        assert answer.result().status_code == 200
        assert client.post("/v1/trajectories", json=trajectory(), headers=bearer(ada)).status_code == 200


def test_the_work_per_hour_of_a_key_is_limited(tmp_path):
    """Work counts by the larger of its estimate and its time; answers from the cache are free."""
    keys = KeysFile(tmp_path / "keys")
    ada, bob = keys.add("ada"), keys.add("bob")
    with Service(api_keys_file=keys.path, embedded_cache=True, key_flops_per_hour=1.2e10, log_format="json") as service:
        early_in_a_window(3600, room_seconds=120)
        with service.client(headers=bearer(ada)) as client:
            document = long_trajectory(100)
            answers = [client.post("/v1/trajectories", json=document) for _ in range(9)]
            assert {answer.status_code for answer in answers} == {200}
            lines = [json.loads(line) for line in service.log().splitlines()]
            cost = next(line["flops"] for line in lines if line.get("cache") == "miss")
            computed = int(1.2e10 // cost)
            assert 1 < computed < 6
            answers = [client.post("/v1/trajectories", json=long_trajectory(100, seed)) for seed in range(2, 8)]
            statuses = [answer.status_code for answer in answers]
            done = statuses.count(200)  # fewer than by the estimates where they took longer
            assert done <= computed - 1
            assert statuses == [200] * done + [429] * (6 - done)
            refused = problem(answers[-1], 429, "rate-limited")
            assert "1.2e+10, the limit" in refused["detail"]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
            problem(client.post("/v1/sweeps", json=slow_sweep()), 429, "rate-limited")
            problem(client.post("/v1/experiments/figure-3.2"), 429, "rate-limited")
            assert client.get("/v1/jobs").json()["jobs"] == []
            assert client.post("/v1/trajectories", json=document).headers["X-Cache"] == "hit"
        with service.client(headers=bearer(bob)) as client:
            assert client.post("/v1/sweeps", json=sweep()).status_code == 202
            assert client.post("/v1/trajectories", json=long_trajectory(100, 22)).status_code == 200


def diverging(seed: int) -> dict[str, Any]:
    """A descent of two million steps by its estimate, which diverges in the first steps."""
    return {
        "network": {"kind": "random", "dims": [50, 50, 50], "scheme": "lecun", "seed": seed},
        "task": {"kind": "regression", "samples": 90, "seed": 1},
        "times": {"stop": 1e7, "num": 5},
        "quantities": ["loss"],
        "method": {"kind": "descent", "learning_rate": 50.0},
    }


def asked_until_refused(client: httpx.Client, path: str, documents: Iterable[dict[str, Any]]) -> int:
    """Post requests that a worker refuses until the quota is used, and count them."""
    for count, document in enumerate(documents):
        answer = client.post(path, json=document)
        if answer.status_code == 429:
            assert "the limit" in problem(answer, 429, "rate-limited")["detail"]
            return count
        assert answer.status_code == 422, answer.text
    raise AssertionError


def test_a_key_is_charged_for_the_time_of_a_worker(tmp_path):
    """A refused request is charged by its time, not by its estimate of 4.2e11, and the charge is not returned."""
    keys = KeysFile(tmp_path / "keys")
    ada, bob = keys.add("ada"), keys.add("bob")
    with Service(api_keys_file=keys.path, workers=1, key_flops_per_hour=4.5e11) as service:
        early_in_a_window(3600, room_seconds=300)
        with service.client(headers=bearer(ada)) as client:
            assert asked_until_refused(client, "/v1/trajectories", map(diverging, itertools.count())) >= 2
        with service.client(headers=bearer(bob)) as client:
            assert client.post("/v1/trajectories", json=trajectory()).status_code == 200


@pytest.mark.parametrize(("path", "wrong"), [("/v1/trajectories", "dims"), ("/v1/sweeps", "axes")])
def test_a_key_is_charged_for_parsing_large_bodies(tmp_path, path, wrong):
    keys = KeysFile(tmp_path / "keys")
    ada, bob = keys.add("ada"), keys.add("bob")
    large = {wrong: [0.5] * 300_000}
    with Service(api_keys_file=keys.path, workers=1, embedded_cache=True, key_flops_per_hour=1e9) as service:
        early_in_a_window(3600, room_seconds=300)
        with service.client(headers=bearer(ada)) as client:
            assert asked_until_refused(client, path, itertools.repeat(large)) >= 1
        with service.client(headers=bearer(bob)) as client:
            problem(client.post(path, json=large), 422, "invalid-request")


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_does_not_end_is_aborted(service, said):
    with connect(service) as connection:
        connection.sendall(said)
        assert is_over(connection)


def drips_in_vain(connection: socket.socket) -> bool:
    """Send another byte, and return whether the connection has ended."""
    try:
        connection.sendall(b"x")
        return connection.recv(1000) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_slowly_arriving_head_is_aborted(service):
    """Single bytes do not restart the timeout, nor does an earlier request that was answered."""
    with connect(service) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(65536)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        connection.settimeout(0.2)
        eventually(lambda: drips_in_vain(connection))


def test_a_body_that_does_not_end_is_aborted(service):
    with connect(service) as connection:
        head = "POST /v1/trajectories HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n{")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b"408 Request Timeout" in answer
        assert b'"code":"slow-body"' in answer


def test_a_client_that_does_not_read_is_disconnected(service):
    """Its connection ends, and the rest of its answer is released."""
    document = trajectory(60, 2000, quantities=["output"])
    length = len(service.post(document).content)
    assert length > 2**26
    body = service.client().build_request("POST", "/v1/trajectories", json=document).read()
    connections = [connect(service, SO_RCVBUF=4096) for _ in range(3)]
    for connection in connections:
        head = f"POST /v1/trajectories HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    eventually(lambda: "read nothing" in service.log())
    for connection in connections:
        eventually(lambda connection=connection: not is_held(service, connection))
        connection.close()
    assert service.get("/healthz").status_code == 200


def test_a_slow_reader_gets_the_whole_answer():
    """Reading takes longer than the timeout in total, but each pause is much shorter."""
    document = trajectory(60, 500, quantities=["output"])
    with Service(tcp=True, stalled_seconds=4) as service, service.client() as client:
        expected = service.post(document).content
        got = b""
        with client.stream("POST", "/v1/trajectories", json=document) as stream:
            for i, chunk in enumerate(stream.iter_raw(2**20)):
                got += chunk
                if i % 4 == 0:
                    time.sleep(0.5)
    assert len(expected) > 4 / 0.5 * 4 * 2**20
    assert got == expected


def test_the_memory_of_a_worker_is_limited():
    """Weights of 650 MB where a worker may have half of that; the worker survives."""
    wide = {"network": {"kind": "random", "dims": [9000, 9000, 1], "scheme": "lecun", "seed": 1}}
    bounds = {"worker_memory_bytes": 320 * 2**20, "max_answer_bytes": 2**33, "max_work_bytes": 2**33, "max_flops": 1e14}
    with Service(**bounds) as service, service.client() as client:
        (worker,) = service.workers()
        refused = client.post("/v1/initializations", json=wide, headers={"Accept": "application/x-npz"})
        assert "LINDYN_WORKER_MEMORY_BYTES" in problem(refused, 422, "too-large")["detail"]
        assert client.post("/v1/trajectories", json=trajectory()).status_code == 200
        assert service.workers() == [worker]


def test_limits_are_reported(service):
    limits = service.get("/v1/about").json()["limits"]
    assert limits["head_seconds"] == 1
    assert {"key_requests_per_minute", "key_requests_at_once", "key_max_jobs", "worker_memory_bytes"} <= set(limits)
