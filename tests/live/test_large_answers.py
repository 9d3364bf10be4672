"""Answers above LINDYN_CACHE_VALUE_BYTES are files: found again, checked, bounded, and not held in memory."""

import fcntl
import io
import json
import os
import shutil
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.holding import Posted, suspended
from support.processes import RedisServer, Service, eventually, trajectory

from lindyn_service.translate.encode import encode

NPZ = {"Accept": "application/x-npz"}
ABOVE = {"cache_value_bytes": 100_000}


def large(seed: int = 1, num: int = 2_000) -> dict[str, Any]:
    """A request whose answer has about 0.6 MB as npz, and 1.4 MB as JSON."""
    return trajectory(6, num, seed, quantities=["excess_loss", "output"])


def small_of(document: dict[str, Any]) -> dict[str, Any]:
    """The same run at its first and last time only."""
    return document | {"times": [0.0, 10.0]}


def arrays(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def service(folder: Path):
    with Service(spool_folder=folder, **ABOVE) as service:
        yield service


def test_a_large_answer_is_complete_and_found_again(service: Service, folder: Path) -> None:
    document = large(1)
    first, second = service.post(document, headers=NPZ), service.post(document, headers=NPZ)
    assert [answer.headers["X-Cache"] for answer in (first, second)] == ["miss", "hit"]
    assert second.content == first.content
    assert len(first.content) > 500_000
    found = arrays(first.content)
    ends = arrays(service.post(small_of(document), headers=NPZ).content)
    assert found["output"].shape == (2_000, 6, 6)
    np.testing.assert_allclose(found["output"][[0, -1]], ends["output"], atol=1e-11)
    key = json.loads(str(found["metadata"]))["key"]
    assert first.headers["ETag"] == f'"{key}-npz"'
    with service.client() as client:
        stored = client.get(f"/v1/trajectories/{key}", headers=NPZ)
        known = client.get(f"/v1/trajectories/{key}", headers={**NPZ, "If-None-Match": f'"{key}-npz"'})
    assert (stored.content, known.status_code) == (first.content, 304)
    assert [path.name for path in folder.glob(f"*{key}*")] == [f"trajectories-{key}.npz"]


def test_large_json_has_the_bytes_of_the_encoder(service: Service) -> None:
    document = large(2)
    answer = service.post(document)
    assert answer.headers["Content-Type"] == "application/json"
    tree = answer.json()
    found = arrays(service.post(document, headers=NPZ).content)
    for name, values in tree["quantities"].items():
        tree["quantities"][name] = np.array(values)
        np.testing.assert_array_equal(tree["quantities"][name], found[name])
    tree["times"] = np.array(tree["times"])
    assert encode(tree, "json") == answer.content


def test_a_large_answer_survives_a_restart_and_a_kill(folder: Path) -> None:
    with Service(spool_folder=folder, **ABOVE) as service:
        first = service.post(large(3), headers=NPZ)
        service.stop()
        service.start()
        service.wait_until_ready()
        second = service.post(large(3), headers=NPZ)
        service.kill()
        service.start()
        service.wait_until_ready()
        third = service.post(large(3), headers=NPZ)
    assert [answer.headers["X-Cache"] for answer in (first, second, third)] == ["miss", "hit", "hit"]
    assert first.content == second.content == third.content


def test_a_damaged_file_is_computed_again(service: Service, folder: Path) -> None:
    first = service.post(large(4), headers=NPZ)
    (path,) = folder.glob(f"*{first.headers['ETag'][1:-5]}*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    second, third = service.post(large(4), headers=NPZ), service.post(large(4), headers=NPZ)
    assert [answer.headers["X-Cache"] for answer in (second, third)] == ["miss", "hit"]
    assert first.content == second.content == third.content


def test_the_size_of_files_is_bounded(tmp_path: Path) -> None:
    bound = 2_000_000
    with Service(spool_folder=tmp_path, spool_bytes=bound, **ABOVE) as service:
        sources = []
        for seed in (1, 2, 3, 1, 4, 1, 2):  # three of them fit, and 1 is used again and again
            sources.append(service.post(large(seed), headers=NPZ).headers["X-Cache"])
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= bound
    assert sources == ["miss", "miss", "miss", "hit", "miss", "hit", "miss"]


def test_without_a_spool_answers_are_sent_by_the_worker() -> None:
    with Service(spool_bytes=0, **ABOVE) as service:
        first, second = service.post(large(1), headers=NPZ), service.post(large(1), headers=NPZ)
    assert [answer.headers["X-Cache"] for answer in (first, second)] == ["miss", "hit"]
    assert first.content == second.content


def test_two_processes_share_a_folder(redis_server: RedisServer, tmp_path: Path) -> None:
    settings = {"redis_url": redis_server.url, "spool_folder": tmp_path, **ABOVE}
    with Service(**settings) as one, Service(**settings) as other:
        document = large(5, 200_000)
        answers = [asked.post_later(document, headers=NPZ) for asked in (one, other) for _ in range(3)]
        found = [answer.result() for answer in answers]
    assert len({answer.content for answer in found}) == 1
    sources = [answer.headers["X-Cache"] for answer in found]
    assert sources.count("miss") == 1


def test_a_full_disk(tmp_path: Path) -> None:
    """The worker may not write to the folder."""
    with Service(spool_folder=tmp_path, **ABOVE) as service:
        service.post(trajectory())
        for worker in service.workers():
            worker.rlimit(psutil.RLIMIT_FSIZE, (100_000, 100_000))
        answer = service.post(large(6), headers=NPZ)
        assert (answer.status_code, answer.json()["code"]) == (507, "no-room")
        assert service.post(trajectory(seed=9)).status_code == 200
        assert list(tmp_path.iterdir()) == []


def test_a_client_that_disconnects_leaves_no_partial_file(tmp_path: Path) -> None:
    with Service(spool_folder=tmp_path, **ABOVE) as service:
        (worker,) = service.workers()
        lost = service.post_later(large(7, 400_000), headers=NPZ)
        eventually(lambda: list(tmp_path.glob("*.part")), pause_seconds=0.001)
        with suspended([worker]):
            leaving = Posted(service, large(7, 400_000), NPZ)
            eventually(leaving.is_read)
            leaving.leave()
            eventually(lambda: "status=499" in service.log())
            assert list(tmp_path.glob("*.part"))  # the other one still waits
            worker.kill()
        assert lost.result().status_code == 200  # at the second attempt
        assert len(list(tmp_path.iterdir())) == 1


def test_the_service_holds_little_of_a_large_answer_in_memory() -> None:
    """Less than a fifth of 200 MB at any time, which are computed and sent twice."""
    with Service(max_answer_bytes=10**9) as service, service.client() as client:
        service.post(large(8))
        before = service.process.memory_info().rss
        size, most = 0, 0
        for _ in range(2):
            request = client.build_request("POST", "/v1/trajectories", json=large(9, 700_000), headers=NPZ)
            answer = client.send(request, stream=True)
            size = 0
            for piece in answer.iter_bytes(2**22):
                size += len(piece)
                most = max(most, service.process.memory_info().rss)
            answer.close()
    assert size > 2 * 10**8
    assert most - before < 40 * 10**6


def weights_of(width: int, seed: int) -> dict[str, Any]:
    """Initial weights of three layers of this width."""
    return {"network": {"kind": "random", "dims": [width] * 4, "scheme": "he", "seed": seed}}


@pytest.mark.parametrize("form", ["application/json", "application/x-npz"])
def test_answers_that_are_not_read_take_no_memory(form: str) -> None:
    """Twenty answers of about 12 MB each, of another route than that of trajectories."""
    with Service() as service, ExitStack() as stack:
        client = stack.enter_context(service.client())
        client.post("/v1/initializations", json=weights_of(5, 0))
        before = service.process.memory_info().rss
        for seed in range(20):
            width = 700 if form == "application/x-npz" else 450
            request = client.build_request(
                "POST", "/v1/initializations", json=weights_of(width, seed), headers={"Accept": form}
            )
            answer = client.send(request, stream=True)
            stack.callback(answer.close)
            assert int(answer.headers["Content-Length"]) > 10**7
        assert service.process.memory_info().rss - before < 5 * 10**7


def test_a_burst_keeps_within_the_limit(tmp_path: Path) -> None:
    """Sixty different answers of 0.6 MB into a folder of 2 MB, at the same time."""
    bound, most = 2_000_000, 0
    with Service(spool_folder=tmp_path, spool_bytes=bound, workers=2, **ABOVE) as service:
        answers = [service.post_later(large(seed), headers=NPZ) for seed in range(60)]
        while not all(answer.done() for answer in answers):
            most = max(most, bytes_of(tmp_path))
            time.sleep(0.005)  # the lock is left to the workers
        outcomes = {answer.result().status_code for answer in answers}
        assert outcomes <= {200, 503}
        assert 200 in outcomes
    assert most <= bound


def bytes_of(folder: Path) -> int:
    """Size of all files at one moment, while the folder is locked."""
    sizes = {}
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # renamed or given up meanwhile
                status = path.stat()
                sizes[status.st_ino] = status.st_size
    finally:
        os.close(descriptor)
    return sum(sizes.values())


def test_a_folder_that_was_removed_is_created_again() -> None:
    with Service(**ABOVE) as service:
        assert service.post(large(1), headers=NPZ).status_code == 200
        (folder,) = Path(service.folder).glob("lindyn-spool-*")
        shutil.rmtree(folder)
        first, second = service.post(large(1), headers=NPZ), service.post(large(1), headers=NPZ)
        assert [answer.headers["X-Cache"] for answer in (first, second)] == ["miss", "hit"]
