"""Charges of jobs: the measured time of workers is charged to the quota of the owner, as that of requests is."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from lindyn_service.access.rate_limits import RateLimits

T = TypeVar("T")


class Charges:
    """Access to the rate limits of the service from the event loop of the scheduler, which runs in another thread.

    Construct it in the event loop of the service.
    """

    def __init__(self, rates: RateLimits) -> None:
        self._rates = rates
        self._loop = asyncio.get_running_loop()

    async def charge(self, owner: str | None, seconds: float, spent: float) -> None:
        """Charge the time of a worker that exceeds the flops that were charged when the job was posted."""
        await self._in_service_loop(self._rates.charge(owner, seconds, spent))

    async def seconds_until_room(self, owner: str | None) -> int:
        """Return the seconds until the quota of an owner has room again; 0 if it has room now."""
        return await self._in_service_loop(self._rates.seconds_until_room(owner))

    async def _in_service_loop(self, call: Coroutine[object, object, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))
