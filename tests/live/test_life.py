"""Starting and stopping: what runs is finished or refused in form, and nothing is left behind."""

import signal
import time

import pytest
from support.processes import ENDLESS, Measured, Service, eventually, has_ended, long_trajectory, trajectory

pytestmark = pytest.mark.live


def test_a_computation_may_end_within_the_grace_time(measured: Measured) -> None:
    with Service(embedded_cache=True, stop_with_stdin=False, grace_seconds=30) as service:
        assert service.readiness() == {"ready": True, "workers": "ok", "cache": "ok"}
        assert service.post(trajectory()).headers["X-Cache"] == "miss"
        assert service.post(trajectory()).headers["X-Cache"] == "hit"
        answer = service.post_later(long_trajectory())
        service.worker_at_work()
        started = time.monotonic()
        service.signal(signal.SIGTERM)
        assert answer.result().status_code == 200
        assert service.process.wait(60) == 0
        measured("seconds_to_exit", time.monotonic() - started)
        service.assert_nothing_left()
        assert "Traceback" not in service.log()


def test_what_takes_longer_than_the_grace_time_is_refused(measured: Measured) -> None:
    with Service(grace_seconds=0.5) as service:
        answer = service.post_later(long_trajectory(ENDLESS))
        service.worker_at_work()
        started = time.monotonic()
        service.signal(signal.SIGTERM)
        assert answer.result().status_code == 503
        assert answer.result().json()["code"] == "shutting-down"
        assert int(answer.result().headers["Retry-After"]) >= 1
        assert service.process.wait(60) == 0
        measured("seconds_to_exit", time.monotonic() - started)
        assert time.monotonic() - started < 20
        service.assert_nothing_left()
        assert "Traceback" not in service.log()


def test_killed_with_a_computation_and_an_embedded_cache(measured: Measured) -> None:
    with Service(embedded_cache=True, workers=2) as service:
        assert len(service.workers()) == 2
        assert service.valkey().is_running()
        answer = service.post_later(long_trajectory(ENDLESS))
        service.worker_at_work()
        children = service.process.children()
        started = time.monotonic()
        service.kill()
        eventually(lambda: all(has_ended(child) for child in children), 10)
        measured("seconds_to_the_end_of_all_children", time.monotonic() - started)
        assert answer.exception() is not None


def test_the_embedded_cache_may_die_and_the_keyboard_interrupt() -> None:
    with Service(embedded_cache=True, memory_cache_bytes=0) as service:
        first = service.post(trajectory())
        assert service.post(trajectory()).headers["X-Cache"] == "hit"
        service.valkey().kill()
        again = service.post(trajectory())
        assert (again.headers["X-Cache"], again.content) == ("miss", first.content)
        assert service.readiness() == {"ready": True, "workers": "ok", "cache": "degraded"}
        service.signal(signal.SIGINT)
        assert service.process.wait(60) == 0
        assert "Traceback" not in service.log()


def test_stopping_while_it_starts() -> None:
    with Service(embedded_cache=True, wait=False) as service:
        eventually(lambda: "Waiting for application startup" in service.log())
        eventually(service.process.children)
        assert service.stop() == 0
        service.assert_nothing_left()
        assert "Traceback" not in service.log()
