"""Requests are answered during any failure of Redis; the service reports it and recovers."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from support.processes import Measured, RedisServer, Service, eventually, trajectory

CLIENTS = 8
OUTAGE_ANSWERS = 50  # while Redis is away


class Load:
    """Results of clients that post one distinct request after another."""

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.slowest = 0.0

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.slowest = max(self.slowest, seconds)


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[Service]:
    """A service that was started without its Redis."""
    redis_server.kill()
    with Service(redis_url=redis_server.url, workers=2, redis_timeout_seconds=0.5) as service:
        yield service


@contextmanager
def load(service: Service, first_seed: int) -> Iterator[Load]:
    result, stop, seeds = Load(), threading.Event(), itertools.count(first_seed)

    def work() -> None:
        with service.client() as client:
            while not stop.is_set():
                started = time.monotonic()
                answer = client.post("/v1/trajectories", json=trajectory(seed=next(seeds)))
                result.add(answer.status_code, time.monotonic() - started)

    with ThreadPoolExecutor(CLIENTS) as threads:
        working: list[Future[None]] = [threads.submit(work) for _ in range(CLIENTS)]
        try:
            eventually(lambda: result.answers > CLIENTS)
            yield result
        finally:
            stop.set()
    for clients in working:
        clients.result()


def cache_is(service: Service, state: str) -> bool:
    found = service.readiness()
    assert found["ready"] is True
    return found["cache"] == state


def test_redis_may_be_absent_at_the_start(service: Service, redis_server: RedisServer) -> None:
    assert service.post(trajectory()).headers["X-Cache"] == "miss"
    assert service.post(trajectory()).headers["X-Cache"] == "hit"
    assert cache_is(service, "degraded")
    redis_server.start()
    eventually(lambda: cache_is(service, "ok"))


def outage_under_load(
    service: Service, first_seed: int, begin: Callable[[], object], end: Callable[[], object], measured: Measured
) -> None:
    """Go through an outage while clients post requests, none of which may fail."""
    with load(service, first_seed) as result:
        begin()
        eventually(lambda: cache_is(service, "degraded"))
        before = result.answers
        eventually(lambda: result.answers > before + OUTAGE_ANSWERS)
        assert cache_is(service, "degraded")
        end()
        eventually(lambda: cache_is(service, "ok"))
    measured("statuses", result.statuses)
    measured("slowest_seconds", result.slowest)
    assert set(result.statuses) == {200}


def test_redis_may_be_killed_and_restarted(service: Service, redis_server: RedisServer, measured: Measured) -> None:
    outage_under_load(service, 1000, redis_server.kill, redis_server.start, measured)
    seeds = itertools.count(900_000)
    eventually(lambda: redis_server.keys(service.post(trajectory(seed=next(seeds))).json()["key"]))


def test_redis_may_be_frozen(service: Service, redis_server: RedisServer, measured: Measured) -> None:
    outage_under_load(service, 1_000_000, redis_server.freeze, redis_server.thaw, measured)
