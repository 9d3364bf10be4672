"""Nonsense in Redis and in the folder of large answers: the service goes on, and its answers stay right."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.corruption import corrupt, corrupt_file
from support.jobs import finished, result, sweep
from support.processes import RedisServer, Service, trajectory

pytestmark = pytest.mark.live

SEED = int(os.environ.get("FUZZ_SEED", "0" if os.environ.get("CI") else str(random.Random().randrange(10**12))))
VALUES = int(os.environ.get("FUZZ_VALUES", "5000"))
FILES = int(os.environ.get("FUZZ_FILES", "2000"))

RETRYABLE = (503, 504, 507)
NPZ = {"Accept": "application/x-npz"}


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def service(redis_server: RedisServer, tmp_path: Path) -> Iterator[Service]:
    with Service(
        redis_url=redis_server.url, spool_folder=tmp_path / "spool", cache_value_bytes=70_000, job_workers=1
    ) as service:
        yield service


def is_alive(client: httpx.Client, chance: random.Random) -> None:
    """What was never asked before is answered, and the lists of jobs are, or are honestly refused."""
    assert client.get("/healthz").status_code == 200
    answer = client.post("/v1/trajectories", json=trajectory(seed=chance.randrange(2**40)))
    assert answer.status_code == 200, answer.text
    for path in ("/v1/jobs", f"/v1/jobs/{chance.randrange(16**32):032x}"):
        answer = client.get(path)
        assert answer.status_code in (200, 404, *RETRYABLE), answer.text


def does_jobs(client: httpx.Client, redis_server: RedisServer) -> None:
    """A job is done from its first point to its result."""
    body = sweep(seeds=2)
    answer = client.post("/v1/sweeps", json=body)
    if answer.status_code in RETRYABLE:  # as long as what it needs is corrupted by the test
        for key in ("jobs", "jobs:active", "jobs:ended", "jobs:of:", "leases"):
            redis_server.client.delete(f"lindyn:{key}")
        answer = client.post("/v1/sweeps", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    assert finished(client, job)["state"] == "done"
    assert len(result(client, job)["data"]["final_loss"]["values"]) == 3


def corrupt_values(service: Service, redis_server: RedisServer, count: int) -> None:
    """Spoil so many values, and look now and then."""
    chance = random.Random(SEED)
    known = trajectory(seed=7)
    with service.client() as client:
        expected = client.post("/v1/trajectories", json=known).content
        does_jobs(client, redis_server)
        done: list[str] = []
        for i in range(count):
            done.append(corrupt(redis_server.client, chance))
            try:
                if i % 10 == 9:
                    is_alive(client, chance)
                if i % 250 == 249 or i == count - 1:
                    does_jobs(client, redis_server)
                    assert client.post("/v1/trajectories", json=known).content == expected
            except (AssertionError, httpx.HTTPError) as error:
                said = "\n".join(service.log().splitlines()[-30:])
                raise AssertionError(f"seed {SEED}, after {i + 1}: {done[-12:]}\n{said}") from error
    assert "Traceback" not in service.log(), service.log()[-3000:]


def corrupt_files(service: Service, folder: Path, outside: Path, count: int) -> None:
    """Spoil so many files, and ask for what was in them."""
    chance = random.Random(SEED)
    outside.write_bytes(b"precious")
    documents = [trajectory(3, 2000, seed, quantities=["output"]) for seed in range(4)]
    with service.client(headers=NPZ) as client:
        expected = [client.post("/v1/trajectories", json=document).content for document in documents]
        assert len(list(folder.glob("trajectories-*"))) == len(documents)
        for i in range(count):
            done = corrupt_file(folder, outside, chance)
            which = chance.randrange(len(documents))
            answer = client.post("/v1/trajectories", json=documents[which])
            if answer.status_code == 507:  # a folder is where the file belongs, and stays there
                blocking = [path for path in folder.glob("trajectories-*") if path.is_dir() and not path.is_symlink()]
                assert blocking, answer.text
                for path in blocking:
                    path.rmdir()
                continue
            assert answer.status_code == 200, f"seed {SEED}, {i}, {done}: {answer.text}"
            assert answer.content == expected[which], f"seed {SEED}, {i}, {done}"
    assert outside.read_bytes() == b"precious"
    log = service.log()
    assert "Traceback" not in log, json.dumps(log[-3000:])


def test_some_values(service: Service, redis_server: RedisServer) -> None:
    corrupt_values(service, redis_server, 60)


def test_some_files(service: Service, tmp_path: Path) -> None:
    corrupt_files(service, tmp_path / "spool", tmp_path / "outside", 40)


@pytest.mark.fuzz
def test_many_values(service: Service, redis_server: RedisServer) -> None:
    corrupt_values(service, redis_server, VALUES)


@pytest.mark.fuzz
def test_many_files(service: Service, tmp_path: Path) -> None:
    corrupt_files(service, tmp_path / "spool", tmp_path / "outside", FILES)
