from types import SimpleNamespace

import pytest

from lindyn_service.cache import circuit_breaker
from lindyn_service.cache.circuit_breaker import CircuitBreaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_lets_all_through_while_calls_work(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    assert all(one.acquire_permission() for _ in range(3))
    one.succeed(clock.now)
    assert one.state == "ok"
    assert one.acquire_permission()


def test_rests_after_a_failure_and_then_lets_one_through(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    one.fail(OSError())
    clock.now += 0.99
    assert (one.state, one.acquire_permission()) == ("degraded", False)
    clock.now += 0.02
    assert [one.acquire_permission() for _ in range(3)] == [True, False, False]
    clock.now += 60
    assert not one.acquire_permission()


def test_rests_again_when_that_one_fails(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    one.fail(OSError())
    clock.now += 1.5
    assert one.acquire_permission()
    one.fail(OSError())
    clock.now += 0.5
    assert not one.acquire_permission()
    clock.now += 0.6
    assert one.acquire_permission()


def test_is_ok_again_when_that_one_succeeds(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    one.fail(OSError())
    clock.now += 1.5
    assert one.acquire_permission()
    one.succeed(clock.now)
    assert (one.state, one.acquire_permission(), one.acquire_permission()) == ("ok", True, True)


def test_a_call_from_before_the_failure_proves_nothing(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    started = clock.now
    clock.now += 0.1
    one.fail(OSError())
    one.succeed(started)
    assert (one.state, one.acquire_permission()) == ("degraded", False)


def test_logs_changes_only(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    one = CircuitBreaker(1)
    for _ in range(3):
        one.fail(OSError("it burns"))
    clock.now += 1
    for _ in range(3):
        one.succeed(clock.now)
    down, up = caplog.messages
    assert "OSError: it burns" in down
    assert "again" in up
