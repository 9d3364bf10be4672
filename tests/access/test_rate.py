"""Limits of one key, counted together by several services where Redis answers, and by each where it does not."""

import time
from collections.abc import Iterator

import pytest
from support.processes import RedisServer

from lindyn_service.access.rate import Rates
from lindyn_service.errors import RateLimitedError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


async def served(rates: Rates, name: str, most: int = 50) -> int:
    """How many requests of a name are let through before one is not."""
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


async def test_each_name_has_its_own_limit():
    rates = Rates(5, 0, None, 0.5)
    assert await served(rates, "ada") == 5
    assert await served(rates, "bob") == 5
    assert await served(rates, "ada") == 0


async def test_no_limit():
    assert await served(Rates(0, 0, None, 0.5), "ada") == 50


def test_requests_at_once():
    rates = Rates(0, 2, None, 0.5)
    with rates.serve("ada"), rates.serve("bob"):
        with rates.serve("ada"), pytest.raises(RateLimitedError, match="2 requests"), rates.serve("ada"):
            pass
        with rates.serve("ada"):
            pass
    with rates.serve("ada"), rates.serve("ada"):
        pass


@pytest.mark.live
async def test_two_services_count_together(redis_server):
    one, other = (Rates(6, 0, redis_server.url, 0.5) for _ in range(2))
    for rates in (one, other, one, other, one, other):
        await rates.hit("together")
    for rates in (one, other):
        with pytest.raises(RateLimitedError) as caught:
            await rates.hit("together")
        assert 1 <= caught.value.retry_after_seconds <= 60
        await rates.aclose()


@pytest.mark.live
async def test_without_redis_each_counts_for_itself_and_waits_once():
    with RedisServer() as server:
        rates = Rates(4, 0, server.url, 0.3)
        await rates.hit("ada")
        server.freeze()
        started = time.monotonic()
        assert await served(rates, "ada") == 4
        assert time.monotonic() - started < 5
        server.thaw()
        await rates.aclose()
