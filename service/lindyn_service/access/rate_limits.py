"""How much of the service a key may use: requests in a minute and at the same time, computing work in an hour."""

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
_AGAIN_SECONDS = 1
_FLOPS = 1e6  # what work is counted in, so that counts stay exact in Redis' scripts
_WITHOUT_LIMIT = 2**52  # of these: what was done is counted, however much it is

T = TypeVar("T")


class RateLimits:
    """Counts by the names of keys; making it does no I/O.

    Args:
        per_minute: requests of one name in any minute; 0 for no limit.
        at_once: requests of one name at the same time in this process; 0 for no limit.
        flops_per_hour: floating-point operations of one name in any hour, as estimated before and as measured by the
            processor time that they took; 0 for no limit.
        redis_url: where several services count together. Each counts for itself while that does not answer.
        timeout_seconds: longest wait for Redis.
    """

    def __init__(
        self, per_minute: int, at_once: int, redis_url: str | None, timeout_seconds: float, flops_per_hour: float = 0
    ) -> None:
        self._requests = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._work = RateLimitItemPerHour(_units(flops_per_hour), namespace="WORK") if flops_per_hour else None
        self._at_once = at_once
        self._serving: Counter[str] = Counter()
        self._reserved: Counter[str] = Counter()  # of work under way in this process
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._pool = None if redis_url is None else _pool(redis_url, timeout_seconds)
        self._together = None if self._pool is None else _together(self._pool)
        self._circuit = CircuitBreaker(_CIRCUIT_SECONDS)

    async def hit(self, name: str) -> None:
        """Count a request.

        Raises:
            RateLimitedError: there were too many in the last minute.
        """
        if self._requests is not None and not await self._count(self._requests, name, 1):
            raise RateLimitedError(
                f"the key of {name} sent more than {self._requests.amount} requests in a minute, the limit; wait, "
                "or send what belongs together as one sweep",
                (await self._use(self._requests, name)).seconds_until_room(1),
            )

    async def spend(self, name: str | None, flops: float) -> None:
        """Count work that is done later, as that of jobs is; whoever has no name may have all of it done.

        Raises:
            RateLimitedError: it would be too much for an hour.
        """
        if self._work is None or name is None:
            return
        cost, reserved = _units(flops), self._reserved[name]
        if not await self._count(self._work, name, cost, within=self._work.amount - reserved):
            use = await self._use(self._work, name)
            raise self._too_much(use, name, flops, reserved)

    async def reserve(self, name: str | None, flops: float) -> None:
        """Keep room for work that is about to begin, until `settle`; whoever has no name may have all of it done.

        Services that count together know of each other's work when it is settled.

        Raises:
            RateLimitedError: with what was used and is reserved it would be too much for an hour.
        """
        if self._work is None or name is None:
            return
        cost, use = _units(flops), await self._use(self._work, name)
        reserved = self._reserved[name]
        if use.used + reserved + cost > self._work.amount:
            raise self._too_much(use, name, flops, reserved)
        self._reserved[name] = reserved + cost

    async def settle(self, name: str | None, seconds: float, reserved: float, *, done: bool) -> None:
        """Count work that has ended, in the place of what was reserved for it.

        Work that was done counts by what was reserved or by its time, whichever is more; what was refused, stopped or
        failed by its time. Nothing is refused: what goes beyond the limit keeps the next work waiting for longer.

        Args:
            name: whose work it was; None is not counted.
            seconds: of processor time that it took workers.
            reserved: flops that `reserve` was told.
            done: whether the work gave what it was asked for.
        """
        if self._work is None or name is None:
            return
        flops = max(seconds * FLOPS_PER_SECOND, reserved if done else 0.0)
        try:
            if flops > 0:
                await self._count(self._work, name, _units(flops), within=_WITHOUT_LIMIT)
        finally:
            self._reserved[name] -= _units(reserved)
            if self._reserved[name] <= 0:
                del self._reserved[name]

    async def charge(self, name: str | None, seconds: float, spent: float = 0.0) -> None:
        """Count the processor time that work took workers, where it is more than was counted when the work was posted.

        Args:
            name: whose work it was; None is not counted.
            seconds: of processor time, to whatever end the work came.
            spent: flops that `spend` has counted for it.
        """
        flops = seconds * FLOPS_PER_SECOND - spent
        if self._work is not None and name is not None and flops > 0:
            await self._count(self._work, name, _units(flops), within=_WITHOUT_LIMIT)

    async def seconds_until_room(self, name: str | None) -> int:
        """In how many seconds a name may have work done again; 0 for now."""
        if self._work is None or name is None:
            return 0
        use = await self._use(self._work, name)
        return use.seconds_until_room(1) if use.used >= self._work.amount else 0

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
        with counting(self._serving, name):
            yield

    def _too_much(self, use: "_Use", name: str, flops: float, reserved: int) -> RateLimitedError:
        cost, most = _units(flops), use.item.amount
        return RateLimitedError(
            f"this is estimated to take {flops:.3g} floating-point operations, and the key of {name} has used "
            f"{(use.used + reserved) * _FLOPS:.3g} in the last hour, of {most * _FLOPS:.3g}, the limit; wait, or ask "
            "for fewer times, quantities or points",
            _AGAIN_SECONDS if use.used + cost <= most else use.seconds_until_room(cost),
        )

    async def _count(self, item: RateLimitItem, name: str, cost: int, *, within: int | None = None) -> bool:
        """Whether there is room for so much, which is then used.

        Args:
            item: what is counted.
            name: of whom.
            cost: how much.
            within: another limit than that of the item.
        """
        most = item.amount if within is None else within

        async def count(limiter: SlidingWindowCounterRateLimiter) -> bool:
            if await _acquire(limiter, item, name, cost, most):
                return True
            use = await _use_of(limiter, item, name)
            return use == _Use(item, 0, 0.0, 0, 0.0) and await _acquire(limiter, item, name, cost, most)

        return await self._ask(count)

    async def _use(self, item: RateLimitItem, name: str) -> "_Use":
        """What was used."""

        async def look(limiter: SlidingWindowCounterRateLimiter) -> _Use:
            return await _use_of(limiter, item, name)

        return await self._ask(look)

    async def _ask(self, ask: Callable[[SlidingWindowCounterRateLimiter], Awaitable[T]]) -> T:
        """Ask Redis, and the counts of this process where Redis cannot be asked."""
        if self._together is not None and self._circuit.enter():
            started = time.monotonic()
            with CancelScope(shield=True):  # others wait for the report of whoever may ask
                try:
                    answer = await ask(self._together)
                except Exception as error:  # redis-py lets through more than its own
                    self._circuit.fail(error)
                else:
                    self._circuit.succeed(started)
                    return answer
        return await ask(self._own)


@dataclass(frozen=True)
class _Use:
    """A window that slides: what was used in the one before counts by the part of it that is less than a window ago."""

    item: RateLimitItem
    before: int
    before_ends_seconds: float
    now: int
    now_ends_seconds: float  # as the one before, so a window later than it ends as the present one

    @property
    def used(self) -> int:
        return math.floor(self.before * self.before_ends_seconds / self.item.get_expiry()) + self.now

    def seconds_until_room(self, cost: int) -> int:
        """In how many seconds so much is free, if nothing else is used; a window where it never is."""
        window, wanted = self.item.get_expiry(), self.used + cost - self.item.amount
        until = window
        if self.before and wanted <= self.before * self.before_ends_seconds / window:
            until = wanted * window / self.before
        elif self.now and cost <= self.item.amount:
            until = self.now_ends_seconds - window + window * max(0, self.now + cost - self.item.amount) / self.now
        return max(_AGAIN_SECONDS, min(math.ceil(until), window))


async def _use_of(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, name: str) -> _Use:
    """What was used; what was counted before a clock was set back would not end before it is there again, and goes."""
    use = _Use(item, *await _storage(limiter).get_sliding_window(item.key_for(name), item.get_expiry()))
    if use.now_ends_seconds <= 2 * item.get_expiry():
        return use
    await limiter.clear(item, name)
    return _Use(item, 0, 0.0, 0, 0.0)


async def _acquire(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, name: str, cost: int, most: int
) -> bool:
    """The limiter's `hit`, with a limit that may be another one than the item's, which is part of the name."""
    key, window = item.key_for(name), item.get_expiry()
    return await _storage(limiter).acquire_sliding_window_entry(key, most, window, cost)


def _storage(limiter: SlidingWindowCounterRateLimiter) -> SlidingWindowCounterSupport:
    return cast("SlidingWindowCounterSupport", limiter.storage)


def _units(flops: float) -> int:
    return max(1, math.ceil(flops / _FLOPS))


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
