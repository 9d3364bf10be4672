"""Rate limits per API key: requests per minute, concurrent requests, and computing work per hour."""

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from anyio import CancelScope
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, SlidingWindowCounterSupport
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from lindyn_service.access.in_flight import counting
from lindyn_service.cache.circuit_breaker import CircuitBreaker
from lindyn_service.errors import RateLimitedError
from lindyn_service.worker_speed import FLOPS_PER_SECOND

_CIRCUIT_SECONDS = 1.0
_LEAST_WAIT_SECONDS = 1
_FLOPS_PER_UNIT = 1e6  # work is counted in units, which keeps the counts exact in the scripts of Redis
_UNLIMITED = 2**52  # units; work that was done is counted even beyond the limit

T = TypeVar("T")


class RateLimits:
    """Counts the use of the service by the names of keys, in sliding windows; the constructor does no I/O.

    Args:
        per_minute: limit on the requests of a name in any minute; 0 for no limit.
        concurrent: limit on the concurrent requests of a name in this process; 0 for no limit.
        flops_per_hour: limit on the floating-point operations of a name in any hour, estimated beforehand and measured
            by processor time afterwards; 0 for no limit.
        redis_url: Redis in which several services share the counts. Each uses counts of its own while Redis is down.
        timeout_seconds: timeout of a call to Redis.
    """

    def __init__(
        self, per_minute: int, concurrent: int, redis_url: str | None, timeout_seconds: float, flops_per_hour: float = 0
    ) -> None:
        self._requests = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._work = RateLimitItemPerHour(_units(flops_per_hour), namespace="WORK") if flops_per_hour else None
        self._concurrent = concurrent
        self._serving: Counter[str] = Counter()
        self._reserved: Counter[str] = Counter()  # units of work in progress in this process
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._pool = None if redis_url is None else _pool(redis_url, timeout_seconds)
        self._shared = None if self._pool is None else _shared_limiter(self._pool)
        self._circuit = CircuitBreaker(_CIRCUIT_SECONDS)

    async def hit(self, name: str) -> None:
        """Count a request.

        Raises:
            RateLimitedError: the limit of requests per minute is reached.
        """
        if self._requests is not None and not await self._count(self._requests, name, 1):
            raise RateLimitedError(
                f"the key of {name} sent more than {self._requests.amount} requests in a minute, the limit; wait, "
                "or combine related requests into one sweep",
                (await self._use(self._requests, name)).seconds_until_room(1),
            )

    async def spend(self, name: str | None, flops: float) -> None:
        """Count work that is done later, such as that of a job; callers without a name have no limit.

        Raises:
            RateLimitedError: the work would exceed the limit per hour.
        """
        if self._work is None or name is None:
            return
        cost, reserved = _units(flops), self._reserved[name]
        if not await self._count(self._work, name, cost, limit=self._work.amount - reserved):
            use = await self._use(self._work, name)
            raise self._too_much(use, name, flops, reserved)

    async def reserve(self, name: str | None, flops: float) -> None:
        """Reserve quota for work that is about to begin, until `settle`; callers without a name have no limit.

        Reservations are local to this process: services that share counts see work when it is settled.

        Raises:
            RateLimitedError: the work, with what is used and reserved already, would exceed the limit per hour.
        """
        if self._work is None or name is None:
            return
        cost, use = _units(flops), await self._use(self._work, name)
        reserved = self._reserved[name]
        if use.used + reserved + cost > self._work.amount:
            raise self._too_much(use, name, flops, reserved)
        self._reserved[name] = reserved + cost

    async def settle(self, name: str | None, seconds: float, reserved: float, *, done: bool) -> None:
        """Replace the reservation of work that has ended by what it used.

        Completed work counts as the larger of its reservation and its processor time; work that was refused, cancelled
        or failed counts by its processor time. Nothing is refused here: use beyond the limit delays later work.

        Args:
            name: name of the caller that requested the work; None is not counted.
            seconds: processor time of workers.
            reserved: the flops that were passed to `reserve`.
            done: whether the work was completed.
        """
        if self._work is None or name is None:
            return
        flops = max(seconds * FLOPS_PER_SECOND, reserved if done else 0.0)
        try:
            if flops > 0:
                await self._count(self._work, name, _units(flops), limit=_UNLIMITED)
        finally:
            self._reserved[name] -= _units(reserved)
            if self._reserved[name] <= 0:
                del self._reserved[name]

    async def charge(self, name: str | None, seconds: float, spent: float = 0.0) -> None:
        """Count the processor time of work in excess of the flops that were counted for it beforehand.

        Args:
            name: name of the caller that requested the work; None is not counted.
            seconds: processor time of workers, whether the work succeeded or not.
            spent: flops that `spend` has counted for this work.
        """
        flops = seconds * FLOPS_PER_SECOND - spent
        if self._work is not None and name is not None and flops > 0:
            await self._count(self._work, name, _units(flops), limit=_UNLIMITED)

    async def seconds_until_room(self, name: str | None) -> int:
        """Return the seconds until a name has quota for work again; 0 if it has some now."""
        if self._work is None or name is None:
            return 0
        use = await self._use(self._work, name)
        return use.seconds_until_room(1) if use.used >= self._work.amount else 0

    async def aclose(self) -> None:
        """Disconnect from Redis."""
        if self._pool is not None:
            await self._pool.disconnect()

    @contextmanager
    def serve(self, name: str) -> Generator[None]:
        """Count a request as concurrent for the duration of the block.

        Raises:
            RateLimitedError: the limit of concurrent requests is reached.
        """
        if self._concurrent and self._serving[name] >= self._concurrent:
            raise RateLimitedError(
                f"{self._serving[name]} requests with the key of {name} are being served, at most "
                f"{self._concurrent} may be; wait for an answer before you send another",
                _LEAST_WAIT_SECONDS,
            )
        with counting(self._serving, name):
            yield

    def _too_much(self, use: "_Use", name: str, flops: float, reserved: int) -> RateLimitedError:
        cost, most = _units(flops), use.item.amount
        return RateLimitedError(
            f"the request is estimated to take {flops:.3g} floating-point operations, and the key of {name} has used "
            f"{(use.used + reserved) * _FLOPS_PER_UNIT:.3g} in the last hour, of {most * _FLOPS_PER_UNIT:.3g}, the "
            "limit; wait, or ask for fewer times, quantities or points",
            _LEAST_WAIT_SECONDS if use.used + cost <= most else use.seconds_until_room(cost),
        )

    async def _count(self, item: RateLimitItem, name: str, cost: int, *, limit: int | None = None) -> bool:
        """Count `cost` if that stays within the limit, and return whether it did.

        Args:
            item: the kind of use, with its window and its limit.
            name: name of the caller.
            cost: amount to count, in units of the item.
            limit: a limit that replaces that of the item.
        """
        most = item.amount if limit is None else limit

        async def count(limiter: SlidingWindowCounterRateLimiter) -> bool:
            if await _acquire(limiter, item, name, cost, most):
                return True
            use = await _use_of(limiter, item, name)
            return use == _Use(item, 0, 0.0, 0, 0.0) and await _acquire(limiter, item, name, cost, most)

        return await self._query(count)

    async def _use(self, item: RateLimitItem, name: str) -> "_Use":
        """Return the use of a name in the present window and the one before."""

        async def read(limiter: SlidingWindowCounterRateLimiter) -> _Use:
            return await _use_of(limiter, item, name)

        return await self._query(read)

    async def _query(self, query: Callable[[SlidingWindowCounterRateLimiter], Awaitable[T]]) -> T:
        """Run a query on the shared counts, or on those of this process while Redis is unavailable."""
        if self._shared is not None and self._circuit.acquire_permission():
            started = time.monotonic()
            with CancelScope(shield=True):  # the circuit breaker waits for the report of this call
                try:
                    result = await query(self._shared)
                except Exception as error:  # redis-py also raises errors that are not its own
                    self._circuit.fail(error)
                else:
                    self._circuit.succeed(started)
                    return result
        return await query(self._local)


@dataclass(frozen=True)
class _Use:
    """Use in a sliding window, approximated from two fixed windows.

    The use in the previous fixed window is weighted by the fraction of it that the sliding window still covers.

    Attributes:
        item: the kind of use, with its window and its limit.
        before: use in the previous fixed window.
        before_ends_seconds: seconds until the previous fixed window leaves the sliding one.
        now: use in the present fixed window.
        now_ends_seconds: seconds until the present one leaves the sliding one, one window later than the previous one.
    """

    item: RateLimitItem
    before: int
    before_ends_seconds: float
    now: int
    now_ends_seconds: float

    @property
    def used(self) -> int:
        return math.floor(self.before * self.before_ends_seconds / self.item.get_expiry()) + self.now

    def seconds_until_room(self, cost: int) -> int:
        """Return the seconds until `cost` fits if nothing else is used; a whole window if it never does."""
        window, excess = self.item.get_expiry(), self.used + cost - self.item.amount
        until = window
        if self.before and excess <= self.before * self.before_ends_seconds / window:
            until = excess * window / self.before
        elif self.now and cost <= self.item.amount:
            until = self.now_ends_seconds - window + window * max(0, self.now + cost - self.item.amount) / self.now
        return max(_LEAST_WAIT_SECONDS, min(math.ceil(until), window))


async def _use_of(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, name: str) -> _Use:
    """Return the use of a name.

    Counts from before the clock was set back would stay until it reaches their time again, so they are removed.
    """
    use = _Use(item, *await _storage(limiter).get_sliding_window(item.key_for(name), item.get_expiry()))
    if use.now_ends_seconds <= 2 * item.get_expiry():
        return use
    await limiter.clear(item, name)
    return _Use(item, 0, 0.0, 0, 0.0)


async def _acquire(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, name: str, cost: int, most: int
) -> bool:
    """Count `cost` like the `hit` of the limiter, but with its own limit, since that of the item is part of the key."""
    key, window = item.key_for(name), item.get_expiry()
    return await _storage(limiter).acquire_sliding_window_entry(key, most, window, cost)


def _storage(limiter: SlidingWindowCounterRateLimiter) -> SlidingWindowCounterSupport:
    return cast("SlidingWindowCounterSupport", limiter.storage)


def _units(flops: float) -> int:
    return max(1, math.ceil(flops / _FLOPS_PER_UNIT))


def _pool(url: str, timeout_seconds: float) -> ConnectionPool:
    return ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        protocol=2,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


def _shared_limiter(pool: ConnectionPool) -> SlidingWindowCounterRateLimiter:
    storage = RedisStorage(
        "async+redis://", implementation="redispy", key_prefix="lindyn:rates", connection_pool=cast("Any", pool)
    )
    return SlidingWindowCounterRateLimiter(storage)
