"""A time limit that is set when something is waited for."""

import asyncio

import pytest

from lindyn_service.http.lazy_timeout import lazy_timeout

pytestmark = pytest.mark.anyio


async def test_what_is_there_comes_at_once():
    async def there():
        return 1

    assert await lazy_timeout(0, there()) == 1


async def test_what_comes_in_time():
    async def soon():
        return await asyncio.sleep(0.01, 1) + await asyncio.sleep(0, 1)

    assert await lazy_timeout(60, soon()) == 2


async def test_what_comes_too_late_is_cancelled():
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
async def test_errors_pass(seconds):
    async def broken():
        await asyncio.sleep(seconds)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lazy_timeout(60, broken())


async def test_it_may_catch_and_go_on():
    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return 1

    assert await lazy_timeout(0.01, stubborn()) == 1  # as `asyncio.timeout` has it
