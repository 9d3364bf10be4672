"""How many requests of a key are served, in a minute and at the same time."""

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lindyn_service.cache.circuit import Circuit
from lindyn_service.errors import RateLimitedError

_CIRCUIT_SECONDS = 1.0
_AGAIN_SECONDS = 1


class Rates:
    """Counts requests by the names of keys; making it does no I/O.

    Args:
        per_minute: requests of one name in any minute; 0 for no limit.
        at_once: requests of one name at the same time in this process; 0 for no limit.
        redis_url: where several services count together. Each counts for itself while that does not answer.
        timeout_seconds: longest wait for Redis.
    """

    def __init__(self, per_minute: int, at_once: int, redis_url: str | None, timeout_seconds: float) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._at_once = at_once
        self._serving: Counter[str] = Counter()
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._pool = None if redis_url is None else _pool(redis_url, timeout_seconds)
        self._together = None if self._pool is None else _together(self._pool)
        self._circuit = Circuit(_CIRCUIT_SECONDS)

    async def hit(self, name: str) -> None:
        """Count a request.

        Raises:
            RateLimitedError: there were too many in the last minute.
        """
        if self._item is None:
            return
        limiter = self._own
        allowed: bool | None = None
        if self._together is not None and self._circuit.enter():
            started = time.monotonic()
            try:
                allowed = await self._together.hit(self._item, name)
            except (RedisError, OSError) as error:
                self._circuit.fail(error)
            else:
                self._circuit.succeed(started)
                limiter = self._together
        if allowed is None:
            allowed = await self._own.hit(self._item, name)
        if not allowed:
            raise RateLimitedError(
                f"the key of {name} sent more than {self._item.amount} requests in a minute, the limit; wait, "
                "or send what belongs together as one sweep",
                await self._wait(limiter, self._item, name),
            )

    async def aclose(self) -> None:
        """Disconnect."""
        if self._pool is not None:
            await self._pool.disconnect()

    @contextmanager
    def serve(self, name: str) -> Generator[None]:
        """Count a request for as long as it is served.

        Raises:
            RateLimitedError: too many others of this name are.
        """
        if self._at_once and self._serving[name] >= self._at_once:
            raise RateLimitedError(
                f"{self._serving[name]} requests with the key of {name} are being served, at most {self._at_once} may "
                "be; wait for an answer before you send another",
                _AGAIN_SECONDS,
            )
        self._serving[name] += 1
        try:
            yield
        finally:
            self._serving[name] -= 1
            if not self._serving[name]:
                del self._serving[name]

    async def _wait(self, limiter: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, name: str) -> int:
        try:
            window = await limiter.get_window_stats(item, name)
        except (RedisError, OSError):
            return _AGAIN_SECONDS
        return max(_AGAIN_SECONDS, round(window.reset_time - time.time()))


def _pool(url: str, timeout_seconds: float) -> ConnectionPool:
    return ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        protocol=2,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


def _together(pool: ConnectionPool) -> SlidingWindowCounterRateLimiter:
    storage = RedisStorage(
        "async+redis://", implementation="redispy", key_prefix="lindyn:rates", connection_pool=cast("Any", pool)
    )
    return SlidingWindowCounterRateLimiter(storage)
