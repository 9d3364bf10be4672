"""Limits of one key, shared by several services through Redis, and local to each without Redis."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import anyio
import pytest
from limits.aio.storage import memory
from support.keys import early_in_a_window
from support.processes import RedisServer

from lindyn_service.access import rate_limits
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.errors import RateLimitedError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


async def served(rates: RateLimits, name: str, most: int = 50) -> int:
    """Count the requests of a name that are accepted before one is refused."""
    for count in range(most):
        try:
            await rates.hit(name)
        except RateLimitedError as error:
            refused = error
        else:
            continue
        assert 1 <= refused.retry_after_seconds <= 60
        assert name in refused.detail
        return count
    return most


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that stands still, for limits by minutes and hours."""
    clock = SimpleNamespace(now=1_000_000_000.0)
    for module in (memory, rate_limits):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.now, monotonic=time.monotonic))
    return clock


@pytest.mark.usefixtures("clock")
async def test_each_name_has_its_own_limit():
    rates = RateLimits(5, 0, None, 0.5)
    assert await served(rates, "ada") == 5
    assert await served(rates, "bob") == 5
    assert await served(rates, "ada") == 0


async def test_limits_may_be_disabled():
    assert await served(RateLimits(0, 0, None, 0.5), "ada") == 50


@pytest.mark.usefixtures("clock")
async def test_work_is_limited_per_hour():
    rates = RateLimits(0, 0, None, 0.5, flops_per_hour=1e15)
    for _ in range(3):
        await rates.spend("ada", 3e14)
        await rates.spend("bob", 1e14)
    with pytest.raises(RateLimitedError, match=r"take 3e\+14 .* ada has used 9e\+14 .* of 1e\+15, the limit") as caught:
        await rates.spend("ada", 3e14)
    assert 1 <= caught.value.retry_after_seconds <= 3600
    await rates.spend("ada", 9e13)
    await rates.spend(None, 1e18)
    with pytest.raises(RateLimitedError):
        await rates.spend("carl", 1.1e15)
    await RateLimits(0, 0, None, 0.5).spend("ada", 1e18)


@pytest.mark.usefixtures("clock")
async def test_measured_time_is_charged_beyond_the_estimate():
    """Two seconds of a worker are 4e10 flops, of which 1e10 were counted before."""
    rates = RateLimits(0, 0, None, 0.5, flops_per_hour=1e11)
    await rates.spend("ada", 1e10)
    await rates.charge("ada", 2.0, 1e10)
    with pytest.raises(RateLimitedError, match=r"used 4e\+10"):
        await rates.spend("ada", 6.1e10)
    await rates.charge("ada", 0.1, 1e10)  # it was estimated to take longer
    await rates.spend("ada", 6e10)
    await rates.charge(None, 1e6)
    await RateLimits(0, 0, None, 0.5).charge("ada", 1e6)


@pytest.mark.usefixtures("clock")
async def test_refused_requests_cost_their_time_and_not_their_estimate():
    rates = RateLimits(0, 0, None, 0.5, flops_per_hour=1e11)
    for _ in range(15):
        await rates.reserve("ada", 9e10)
        with pytest.raises(RateLimitedError, match=r"used 9(\.\d+)?e\+10"):  # it is kept while the work goes on
            await rates.reserve("ada", 2e10)
        await rates.settle("ada", 0.01, 9e10, done=False)
    with pytest.raises(RateLimitedError, match=r"used 3e\+09"):
        await rates.reserve("ada", 9.8e10)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("seconds", "used"), [(0.1, r"5e\+10"), (4.0, r"8e\+10")])
async def test_completed_requests_cost_the_larger_of_estimate_and_time(seconds, used):
    rates = RateLimits(0, 0, None, 0.5, flops_per_hour=1e11)
    await rates.reserve("ada", 5e10)
    await rates.settle("ada", seconds, 5e10, done=True)
    with pytest.raises(RateLimitedError, match=f"used {used}"):
        await rates.reserve("ada", 9e10)


async def test_measured_time_is_counted_beyond_the_limit(clock):
    """Underestimated work is charged in full; the owner waits until the sum is below the limit again."""
    rates = RateLimits(0, 0, None, 0.5, flops_per_hour=1e11)
    assert await rates.seconds_until_room("ada") == 0
    await rates.charge("ada", 50.0)
    wait = await rates.seconds_until_room("ada")
    assert 0 < wait <= 3600
    with pytest.raises(RateLimitedError, match=r"used 1e\+12 in the last hour, of 1e\+11"):
        await rates.spend("ada", 1e6)
    assert await rates.seconds_until_room("bob") == 0
    assert await rates.seconds_until_room(None) == 0
    clock.now += 2 * 3600
    assert await rates.seconds_until_room("ada") == 0
    await rates.spend("ada", 1e10)


@pytest.mark.live
async def test_measured_time_is_counted_together(redis_server):
    early_in_a_window(3600, room_seconds=60)
    one, other = (RateLimits(0, 0, redis_server.url, 10, flops_per_hour=1e11) for _ in range(2))
    await one.spend("payer", 1e10)
    await one.charge("payer", 50.0, 1e10)
    with pytest.raises(RateLimitedError, match=r"used 1e\+12 in the last hour, of 1e\+11"):
        await other.spend("payer", 1e6)
    assert 0 < await other.seconds_until_room("payer") <= 3600
    for rates in (one, other):
        await rates.aclose()


@pytest.mark.parametrize("start", [1_000_000.0, 1_001_799.0])
async def test_work_is_accepted_again_after_the_retry_time(clock, start):
    clock.now = start
    rates = RateLimits(0, 0, None, 0.5, flops_per_hour=1e12)
    for flops in (4e11, 3e11):
        await rates.spend("ada", flops)
        clock.now += 1200
    with pytest.raises(RateLimitedError) as caught:
        await rates.spend("ada", 6e11)
    clock.now += caught.value.retry_after_seconds
    try:
        await rates.spend("ada", 6e11)
    except RateLimitedError as error:  # the hour that is told at most was not enough
        clock.now += error.retry_after_seconds
        await rates.spend("ada", 6e11)


@pytest.mark.parametrize("jump_seconds", [-86_400, 86_400])
async def test_a_clock_that_is_set_back_does_not_block_requests(clock, jump_seconds):
    rates = RateLimits(5, 0, None, 0.5)
    assert await served(rates, "ada") == 5
    clock.now += jump_seconds
    assert await served(rates, "ada") == 5
    clock.now += 120
    assert await served(rates, "ada") == 5


@pytest.mark.live
async def test_a_redis_clock_that_is_set_back_does_not_block_requests(redis_server):
    """Counters end at times of the clock, which lie a day ahead after the clock is set back."""
    early_in_a_window(60, room_seconds=20)
    rates = RateLimits(5, 0, redis_server.url, 10)
    assert await served(rates, "jumper") == 5
    for name in redis_server.keys("jumper"):
        redis_server.client.pexpire(name, 1000 * (86_400 + redis_server.client.ttl(name)))
    assert await served(rates, "jumper") == 5
    await rates.aclose()


def test_concurrent_requests_are_limited():
    rates = RateLimits(0, 2, None, 0.5)
    with rates.serve("ada"), rates.serve("bob"):
        with rates.serve("ada"), pytest.raises(RateLimitedError, match="2 requests"), rates.serve("ada"):
            pass
        with rates.serve("ada"):
            pass
    with rates.serve("ada"), rates.serve("ada"):
        pass


@pytest.mark.live
async def test_two_services_share_their_counters(redis_server):
    early_in_a_window(60, room_seconds=20)
    one, other = (RateLimits(6, 0, redis_server.url, 10) for _ in range(2))
    for rates in (one, other, one, other, one, other):
        await rates.hit("together")
    for rates in (one, other):
        with pytest.raises(RateLimitedError) as caught:
            await rates.hit("together")
        assert 1 <= caught.value.retry_after_seconds <= 60
        await rates.aclose()


@pytest.mark.live
@pytest.mark.usefixtures("clock")
async def test_without_redis_each_service_counts_and_waits_once(monkeypatch):
    """One call finds that Redis is frozen; no other call is made while the circuit is open."""
    monkeypatch.setattr(rate_limits, "_CIRCUIT_SECONDS", 600)
    with RedisServer() as server:
        rates = RateLimits(4, 0, server.url, 1)
        await rates.hit("ada")
        before = scripts_run(server)
        server.freeze()
        assert await served(rates, "ada") == 4
        server.thaw()
        await rates.aclose()
        assert scripts_run(server) <= before + 1


def scripts_run(server: RedisServer) -> int:
    statistics = server.client.info("commandstats")
    return sum(found["calls"] for name, found in statistics.items() if name.startswith("cmdstat_eval"))


@pytest.mark.live
async def test_a_cancelled_probe_of_redis_does_not_block_later_ones(monkeypatch):
    monkeypatch.setattr(rate_limits, "_CIRCUIT_SECONDS", 0)
    with RedisServer() as server:
        rates = RateLimits(0, 0, server.url, 1, flops_per_hour=1e12)
        server.freeze()
        await rates.reserve("ada", 1e10)
        with anyio.move_on_after(0.01):
            await rates.reserve("ada", 1e10)
        server.thaw()
        before = scripts_run(server)
        await rates.settle("ada", 0.0, 1e10, done=True)
        assert scripts_run(server) > before
        await rates.aclose()
