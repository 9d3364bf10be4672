"""Leases: one holder of a name at a time, across processes, for as long as it lives and renews.

A lease cannot be a key that expires, since a full server with a volatile policy evicts those (measured: 50 ms
of large writes evicted 87 of 100). So the leases of a namespace are the fields of one hash without expiry.
Each holds its holder's token and the server's time at which it ends; taking one sweeps those that have ended. One
that ends later than a lease taken now was taken before the server's clock was set back; nobody may renew it.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

_IN_FULL_SERVERS = "#!lua flags=allow-oom\n"  # else a holder there could not renew, and work would be done twice
_NOW = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
_IS_MINE = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.sub(held, 1, 32) ~= ARGV[2] then return 0 end
"""
_VALUE = "ARGV[2] .. string.format('%.0f', now + ARGV[3])"  # tokens have 32 characters

TAKE = f"""{_IN_FULL_SERVERS}{_NOW}
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local leases = redis.call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do
    local ends = tonumber(string.sub(leases[i + 1], 33)) or 0
    local ahead = leases[i] == ARGV[1] and ends > now + ARGV[3]
    if ends <= now or ahead then redis.call('HDEL', KEYS[1], leases[i]) end
end
return redis.call('HSETNX', KEYS[1], ARGV[1], {_VALUE})
"""
RENEW = f"{_IN_FULL_SERVERS}{_IS_MINE} {_NOW} redis.call('HSET', KEYS[1], ARGV[1], {_VALUE}) return 1"
RELEASE = f"{_IN_FULL_SERVERS}{_IS_MINE} return redis.call('HDEL', KEYS[1], ARGV[1])"

RunScript = Callable[[str, str, str, int], Awaitable[int | None]]
"""Runs a script with name, token and milliseconds. Does not raise: None means that Redis did not answer."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def hold(run: RunScript, name: str, seconds: float) -> AsyncGenerator[bool, None]:
    """Hold the lease of `name` for the length of the block, if nobody else does.

    Yields:
        False if another holds it, True if this one does or if Redis cannot tell.
    """
    lease = Lease(run, name, seconds)
    try:
        yield await lease.taken()
    finally:
        await asyncio.shield(lease.give_up())


class Lease:
    """A lease that is taken at once, and kept until it is given up.

    One task takes, renews and releases, so that these stay in order when the caller is cancelled: its release
    cannot overtake the taking.
    """

    def __init__(self, run: RunScript, name: str, seconds: float) -> None:
        self._run = run
        self._name = name
        self._seconds = seconds
        self._token = secrets.token_hex(16)
        loop = asyncio.get_running_loop()
        self._taken: asyncio.Future[bool] = loop.create_future()
        self._done: asyncio.Future[None] = loop.create_future()
        self._keeper = asyncio.create_task(self._keep())

    async def taken(self) -> bool:
        """Whether this one holds it, or Redis cannot tell; False if another holds it."""
        return await asyncio.shield(self._taken)

    def give_up(self) -> asyncio.Task[None]:
        """Release it; returns what is done when that is."""
        self._done.set_result(None)
        return self._keeper

    async def _keep(self) -> None:
        answer = await self._call(TAKE)
        self._taken.set_result(answer != 0)
        while answer and not self._done.done():
            await asyncio.wait((self._done,), timeout=self._seconds / 3)
            if not self._done.done() and not await self._renew():
                log.warning("lost the lease of %s while holding it; its work may be done twice", self._name)
                break
        await self._done
        if answer != 0:
            await self._call(RELEASE)

    async def _renew(self) -> bool:
        if await self._call(RENEW) != 0:
            return True
        # it ended while this process had no time, or Redis forgot it; if nobody has it, it is ours again
        return await self._call(TAKE) != 0

    async def _call(self, script: str) -> int | None:
        return await self._run(script, self._name, self._token, round(self._seconds * 1000))
