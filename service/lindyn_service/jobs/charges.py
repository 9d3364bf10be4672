"""What owners pay for their jobs: the measured time of workers, counted with that of their requests."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from lindyn_service.access.rate_limits import RateLimits

T = TypeVar("T")


class Charges:
    """The rates of the service, for the event loop of jobs, which is another one; make it in that of the rates."""

    def __init__(self, rates: RateLimits) -> None:
        self._rates = rates
        self._loop = asyncio.get_running_loop()

    async def charge(self, owner: str | None, seconds: float, spent: float) -> None:
        """Count the time of a worker where it is more than the flops that were counted when the job was posted."""
        await self._there(self._rates.charge(owner, seconds, spent))

    async def seconds_until_room(self, owner: str | None) -> int:
        """In how many seconds an owner may have work done again; 0 for now."""
        return await self._there(self._rates.seconds_until_room(owner))

    async def _there(self, call: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))
