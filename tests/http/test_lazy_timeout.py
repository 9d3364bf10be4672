"""A timeout that arms its timer only if the coroutine suspends."""

import asyncio

import pytest

from lindyn_service.http.lazy_timeout import lazy_timeout

pytestmark = pytest.mark.anyio


async def test_a_coroutine_that_does_not_suspend_returns():
    async def there():
        return 1

    assert await lazy_timeout(0, there()) == 1


async def test_a_coroutine_within_the_timeout_returns():
    async def soon():
        return await asyncio.sleep(0.01, 1) + await asyncio.sleep(0, 1)

    assert await lazy_timeout(60, soon()) == 2


async def test_a_coroutine_beyond_the_timeout_is_cancelled():
    seen = []

    async def never():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await lazy_timeout(0.01, never())
    assert seen == ["cancelled"]


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_errors_are_raised_unchanged(seconds):
    async def broken():
        await asyncio.sleep(seconds)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lazy_timeout(60, broken())


async def test_a_coroutine_may_catch_errors_and_continue():
    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return 1

    assert await lazy_timeout(0.01, stubborn()) == 1  # as `asyncio.timeout` has it
