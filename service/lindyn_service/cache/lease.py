"""Leases in Redis: locks by name across processes, which end unless their holder keeps renewing them.

A lease is not a key that expires, since a full server with a volatile eviction policy evicts such keys (measured: 50 ms
of large writes evicted 87 of 100). So the leases of a namespace are the fields of one hash without expiry. Each field
has the token of the holder and the time, by the clock of the server, at which the lease ends. Acquiring a lease removes
those that have ended. A lease that ends later than a lease acquired now was acquired before the clock of the server
was set back; it counts as ended, too.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

# without this flag no holder could renew a lease on a full server, and work would be done twice
_ALLOW_WHEN_FULL = "#!lua flags=allow-oom\n"
_NOW = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
_IS_MINE = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.sub(held, 1, 32) ~= ARGV[2] then return 0 end
"""
_VALUE = "ARGV[2] .. string.format('%.0f', now + ARGV[3])"  # tokens have 32 characters

ACQUIRE = f"""{_ALLOW_WHEN_FULL}{_NOW}
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local leases = redis.call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do
    local ends = tonumber(string.sub(leases[i + 1], 33)) or 0
    local ahead = leases[i] == ARGV[1] and ends > now + ARGV[3]
    if ends <= now or ahead then redis.call('HDEL', KEYS[1], leases[i]) end
end
return redis.call('HSETNX', KEYS[1], ARGV[1], {_VALUE})
"""
RENEW = f"{_ALLOW_WHEN_FULL}{_IS_MINE} {_NOW} redis.call('HSET', KEYS[1], ARGV[1], {_VALUE}) return 1"
RELEASE = f"{_ALLOW_WHEN_FULL}{_IS_MINE} return redis.call('HDEL', KEYS[1], ARGV[1])"

RunScript = Callable[[str, str, str, int], Awaitable[int | None]]
"""Runs a script with name, token and milliseconds; returns None, and does not raise, if Redis is unavailable."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def hold(run_script: RunScript, name: str, seconds: float) -> AsyncGenerator[bool, None]:
    """Try to acquire the lease of `name`, and hold it for the duration of the block.

    Yields:
        False if another holder has the lease; True if it was acquired or if Redis is unavailable.
    """
    lease = Lease(run_script, name, seconds)
    try:
        yield await lease.acquired()
    finally:
        await asyncio.shield(lease.release())


class Lease:
    """A lease that is requested immediately and renewed until it is released.

    A single task acquires, renews and releases the lease, so that these calls stay in order when the caller is
    cancelled: the release cannot overtake the acquisition.
    """

    def __init__(self, run_script: RunScript, name: str, seconds: float) -> None:
        self._run_script = run_script
        self._name = name
        self._seconds = seconds
        self._token = secrets.token_hex(16)
        loop = asyncio.get_running_loop()
        self._acquired: asyncio.Future[bool] = loop.create_future()
        self._released: asyncio.Future[None] = loop.create_future()
        self._task = asyncio.create_task(self._run())

    async def acquired(self) -> bool:
        """Return False if another holder has the lease; True if it was acquired or if Redis is unavailable."""
        return await asyncio.shield(self._acquired)

    def release(self) -> asyncio.Task[None]:
        """Release the lease, and return the task that ends once it is released."""
        self._released.set_result(None)
        return self._task

    async def _run(self) -> None:
        reply = await self._call(ACQUIRE)
        self._acquired.set_result(reply != 0)
        while reply and not self._released.done():
            await asyncio.wait((self._released,), timeout=self._seconds / 3)
            if not self._released.done() and not await self._renew():
                log.warning("lost the lease of %s; the same work may be done twice", self._name)
                break
        await self._released
        if reply != 0:
            await self._call(RELEASE)

    async def _renew(self) -> bool:
        if await self._call(RENEW) != 0:
            return True
        # the lease ended while this process was stalled, or Redis lost it; it can be acquired again if it is free
        return await self._call(ACQUIRE) != 0

    async def _call(self, script: str) -> int | None:
        return await self._run_script(script, self._name, self._token, round(self._seconds * 1000))
