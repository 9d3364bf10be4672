"""Starting and stopping: running requests are finished or refused, and nothing is left behind."""

import json
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from support.holding import held
from support.processes import PATIENCE_SECONDS, Measured, Service, eventually, has_ended, trajectory

JSON = {"Content-Type": "application/json"}


def slowly(go_on: threading.Event) -> Iterator[bytes]:
    """The body of a request whose sender makes a pause."""
    body = json.dumps(trajectory()).encode()
    yield body[:10]
    go_on.wait()
    yield body[10:]


def test_requests_beyond_the_grace_period_are_refused(measured: Measured) -> None:
    go_on = threading.Event()
    with Service(grace_seconds=0.5, embedded_cache=True) as service, service.client() as slow:
        late = service.threads.submit(slow.post, "/v1/trajectories", content=slowly(go_on), headers=JSON)
        with held(service, trajectory(seed=2)) as answer:
            started = time.monotonic()
            service.signal(signal.SIGTERM)
            assert answer.result().status_code == 503
            go_on.set()
            assert answer.result().json()["code"] == "shutting-down"
            assert int(answer.result().headers["Retry-After"]) >= 1
            assert late.result().status_code == 503
            assert late.result().json()["code"] == "shutting-down"
            assert service.process.wait(PATIENCE_SECONDS) == 0
            measured("seconds_to_exit", time.monotonic() - started)
        service.assert_nothing_left()
        assert "Traceback" not in service.log()


def test_a_killed_service_leaves_no_processes(measured: Measured) -> None:
    with Service(embedded_cache=True, workers=2) as service:
        eventually(lambda: service.metric("lindyn_workers") == 2)
        assert service.valkey().is_running()
        with held(service, trajectory()) as answer:
            children = service.process.children()
            started = time.monotonic()
            service.kill()
            eventually(lambda: all(has_ended(child) for child in children))
            measured("seconds_to_the_end_of_all_children", time.monotonic() - started)
        assert answer.exception() is not None


def test_a_computation_ends_within_the_grace_period_without_its_cache(measured: Measured) -> None:
    with Service(embedded_cache=True, memory_cache_bytes=0, stop_with_stdin=False, grace_seconds=600) as service:
        assert service.readiness() == {"ready": True, "workers": "ok", "cache": "ok"}
        first, second = service.post(trajectory()), service.post(trajectory())
        assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
        service.valkey().kill()
        third = service.post(trajectory())
        assert (third.headers["X-Cache"], third.content) == ("miss", first.content)
        assert service.readiness() == {"ready": True, "workers": "ok", "cache": "degraded"}

        with held(service, trajectory(seed=2)) as answer:
            started = time.monotonic()
            service.signal(signal.SIGTERM)
            eventually(lambda: "Shutting down" in service.log())
        assert answer.result().status_code == 200
        assert service.process.wait(PATIENCE_SECONDS) == 0
        measured("seconds_to_exit", time.monotonic() - started)
        service.assert_nothing_left()
        assert "Traceback" not in service.log()


def test_a_service_may_be_interrupted_while_it_starts() -> None:
    with Service(embedded_cache=True, wait=False) as service:
        eventually(lambda: "Waiting for application startup" in service.log())
        eventually(service.process.children)
        service.signal(signal.SIGINT)
        assert service.process.wait(PATIENCE_SECONDS) == 0
        service.assert_nothing_left()
        assert "Traceback" not in service.log()


@pytest.mark.parametrize("started", [1, 2])
def test_an_interrupt_while_workers_start(started: int) -> None:
    """Ctrl-C reaches all processes: the first worker starts before the service can stop, others while it runs."""
    with Service(wait=started > 1, stop_with_stdin=False, workers=3) as service:
        eventually(lambda: len(service.workers()) >= started)
        for process in (service.process, *service.process.children()):
            process.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE_SECONDS) == 0
        assert "Traceback" not in service.log()
