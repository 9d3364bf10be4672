from types import SimpleNamespace

import pytest

from lindyn_service.cache import circuit_breaker
from lindyn_service.cache.circuit_breaker import CircuitBreaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_it_is_closed_while_calls_succeed(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    assert all(one.acquire_permission() for _ in range(3))
    one.succeed(clock.now)
    assert one.state == "ok"
    assert one.acquire_permission()


def test_it_opens_after_a_failure_and_then_allows_one_call(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    one.fail(OSError())
    clock.now += 0.99
    assert (one.state, one.acquire_permission()) == ("degraded", False)
    clock.now += 0.02
    assert [one.acquire_permission() for _ in range(3)] == [True, False, False]
    clock.now += 60
    assert not one.acquire_permission()


def test_it_opens_again_if_this_call_fails(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    one.fail(OSError())
    clock.now += 1.5
    assert one.acquire_permission()
    one.fail(OSError())
    clock.now += 0.5
    assert not one.acquire_permission()
    clock.now += 0.6
    assert one.acquire_permission()


def test_it_closes_if_this_call_succeeds(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    one.fail(OSError())
    clock.now += 1.5
    assert one.acquire_permission()
    one.succeed(clock.now)
    assert (one.state, one.acquire_permission(), one.acquire_permission()) == ("ok", True, True)


def test_the_success_of_an_earlier_call_does_not_close_it(clock: SimpleNamespace) -> None:
    one = CircuitBreaker(1)
    started = clock.now
    clock.now += 0.1
    one.fail(OSError())
    one.succeed(started)
    assert (one.state, one.acquire_permission()) == ("degraded", False)


def test_only_changes_are_logged(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    one = CircuitBreaker(1)
    for _ in range(3):
        one.fail(OSError("it burns"))
    clock.now += 1
    for _ in range(3):
        one.succeed(clock.now)
    down, up = caplog.messages
    assert "OSError: it burns" in down
    assert "again" in up
