"""The cache that processes share: Redis or Valkey, which may be slow, full, frozen or down at any time.

Each call runs in a task of its own that callers do not cancel. The socket timeouts of redis-py end it, so that its
connection is either closed or returned to the pool with its reply read. A cancelled caller does not wait for its call.
(Since issue 2665 redis-py closes a connection whose read was cancelled, but it still loses a connection that it was
returning to the pool when it was cancelled.)
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from lindyn_service.cache.circuit_breaker import CircuitBreaker, State
from lindyn_service.cache.envelope import seal, unseal
from lindyn_service.cache.lease import ACQUIRE, RELEASE, Lease, hold
from lindyn_service.cache.lua_scripts import PUT, SIZES

T = TypeVar("T")

MAX_CONNECTIONS = 16

_STORE_AFTER_SECONDS = 0.005

log = logging.getLogger(__name__)


@dataclass
class Lookup:
    """The result of a lookup, with the lease that entitles its holder to compute a missing value.

    Attributes:
        held: whether the caller may compute the value; False if another process holds the lease.
        cached: the name and value of the first hit, or None.
        value: the computed value, set by the caller, to be stored on exit.
    """

    held: bool = True
    cached: tuple[str, bytes] | None = None
    value: bytes | None = None
    envelopes: Sequence[bytes | None] = field(default_factory=tuple[bytes | None, ...], repr=False)


class RedisCache:
    """Stores values in envelopes with a time to live, and leases. A failure of Redis counts as a miss, not as an error.

    An instance belongs to one event loop; the constructor does no I/O.

    Args:
        url: URL of the server, `redis://`, `rediss://` or `unix://`.
        namespace: prefix of every key, so that several applications can share a server.
        max_value_bytes: largest value that is stored, since a large reply delays all others.
        time_to_live_seconds: time to live of a value; a volatile eviction policy may evict it earlier.
        timeout_seconds: timeout for a free connection, and then for each step of a call.
        retry_seconds: pause after a failure, in which Redis is not called.

    Raises:
        ValueError: the URL is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        max_value_bytes: int,
        time_to_live_seconds: float,
        timeout_seconds: float,
        retry_seconds: float = 1.0,
    ) -> None:
        self._namespace = namespace
        self._max_value_bytes = max_value_bytes
        self._time_to_live = round(time_to_live_seconds * 1000)
        self._timeout_seconds = timeout_seconds
        self._circuit = CircuitBreaker(retry_seconds)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._calls: set[asyncio.Task[object]] = set()
        self._releases: set[asyncio.Task[None]] = set()
        self._closed = False
        self._redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            protocol=2,  # saves a round trip per connection compared with version 3, which is not needed
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    @property
    def state(self) -> State:
        """Whether the last call to Redis succeeded."""
        return self._circuit.state

    async def get(self, name: str) -> bytes | None:
        """Return the value of `name`, or None if there is none or Redis is unavailable."""
        key = self._key(name)
        value = await self._call(lambda: self._read(key))
        return None if value is None else await self._unseal(name, value)

    async def put(self, name: str, value: bytes) -> None:
        """Store `value`, unless it is too large or Redis is unavailable."""
        if len(value) <= self._max_value_bytes:
            key, envelope = self._key(name), seal(name, value)
            await self._call(lambda: self._redis.set(key, envelope, px=self._time_to_live))

    async def get_many(self, names: Sequence[str], max_bytes: int) -> list[bytes | None]:
        """Return the values of as many leading names as fit into `max_bytes`; None for each that is missing.

        Args:
            names: names of the values.
            max_bytes: limit on the total size; the first value is returned even beyond it.
        """
        # most names are of values that nobody has computed; one number is read faster than a reply for each of them
        if not await self._call(lambda: self._redis.exists(*map(self._key, names))):
            return [None] * len(names)
        names = names[: await self._count_within(names, max_bytes)]
        values = await self._call(lambda: cast(Awaitable[object], self._redis.mget(map(self._key, names))))
        if not isinstance(values, list) or len(cast("list[object]", values)) != len(names):
            return [None] * len(names)
        pairs = zip(names, cast("list[object]", values), strict=True)
        return [unseal(name, value) if isinstance(value, bytes) else None for name, value in pairs]

    async def _count_within(self, names: Sequence[str], max_bytes: int) -> int:
        """Return how many leading values fit into `max_bytes` together, at least one."""
        keys = [self._key(name) for name in names]
        sizes = await self._call(lambda: self._redis.eval(SIZES, len(keys), *keys))
        total = 0
        for i, size in enumerate(cast("list[object]", sizes) if isinstance(sizes, list) else ()):
            total += size if isinstance(size, int) else 0
            if total > max_bytes:
                return max(i, 1)
        return len(names)

    async def put_many(self, values: Mapping[str, bytes]) -> None:
        """Store the values that are not too large, unless Redis is unavailable."""
        kept = {name: value for name, value in values.items() if len(value) <= self._max_value_bytes}
        if kept:
            keys, envelopes = map(self._key, kept), (seal(name, value) for name, value in kept.items())
            arguments = *keys, *envelopes, str(self._time_to_live)
            await self._call(lambda: cast(Awaitable[object], self._redis.eval(PUT, len(kept), *arguments)))

    def lease(self, name: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        """Try to acquire a lease, and hold it for the duration of an `async with` block.

        Args:
            name: name of the lease, such as that of a value that is about to be computed.
            seconds: duration of the lease after the last renewal; a living holder renews it until the block ends.

        Returns:
            A context manager that yields False if another process holds the lease, and True if it was acquired or if
            Redis is unavailable.
        """
        return hold(self._run_script, name, seconds)

    @asynccontextmanager
    async def lookup(self, names: Sequence[str], seconds: float) -> AsyncGenerator[Lookup]:
        """Look up values and try to acquire the lease of the first name, in one round trip.

        A caller that computes the value assigns it to the lookup. After the block, and without waiting, it is stored in
        the round trip that releases the lease, so that no other process finds neither value nor lease. This begins a
        little later, so that the caller can first send the value to whom it was computed for.
        """
        lookup = Lookup()

        async def run(script: str, name: str, token: str, milliseconds: int) -> int | None:
            if script == ACQUIRE:
                return await self._acquire_and_read(lookup, names, token, milliseconds)
            if script == RELEASE and lookup.value is not None:
                return await self._store_and_release(name, lookup.value, token)
            return await self._run_script(script, name, token, milliseconds)

        lease = Lease(run, names[0], seconds)
        try:
            lookup.held = await lease.acquired()
            lookup.cached = await self._first_hit(names, lookup.envelopes)
            yield lookup
        finally:
            releasing = asyncio.create_task(_release_later(lease))
            self._releases.add(releasing)
            releasing.add_done_callback(self._releases.discard)

    async def _first_hit(self, names: Sequence[str], envelopes: Sequence[bytes | None]) -> tuple[str, bytes] | None:
        for name, envelope in zip(names, envelopes, strict=False):
            payload = None if envelope is None else await self._unseal(name, envelope)
            if payload is not None:
                return name, payload
        return None

    async def ping(self) -> bool:
        """Return whether Redis responds; during the pause after a failure, return False without a call."""
        ping = cast(Callable[[], Awaitable[bool]], self._redis.ping)  # pyright: ignore[reportUnknownMemberType]
        return await self._call(ping) is True

    async def aclose(self) -> None:
        """Wait for pending calls and disconnect; later calls return None and store nothing."""
        if self._releases:
            await asyncio.wait(self._releases)
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls)
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    def _key(self, name: str) -> str:
        return f"{self._namespace}:value:{name}"

    async def _unseal(self, name: str, envelope: bytes) -> bytes | None:
        payload = unseal(name, envelope)
        if payload is None:
            key = self._key(name)
            log.warning("deleting the value of %s, which is damaged or not of this service", key)
            await self._call(lambda: self._redis.delete(key))
        return payload

    async def _acquire_and_read(
        self, lookup: Lookup, names: Sequence[str], token: str, milliseconds: int
    ) -> int | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.eval(ACQUIRE, 1, f"{self._namespace}:leases", names[0], token, str(milliseconds))
        pipe.mget(map(self._key, names))
        replies = await self._call(pipe.execute)
        if replies is None:
            return None
        acquired, lookup.envelopes = replies
        return acquired

    async def _store_and_release(self, name: str, value: bytes, token: str) -> int | None:
        pipe = self._redis.pipeline(transaction=False)
        if len(value) <= self._max_value_bytes:
            pipe.set(self._key(name), seal(name, value), px=self._time_to_live)
        pipe.eval(RELEASE, 1, f"{self._namespace}:leases", name, token, "0")
        replies = await self._call(pipe.execute)
        return None if replies is None else replies[-1]

    async def _read(self, key: str) -> bytes | None:
        try:
            return cast(bytes | None, await self._redis.get(key))
        except ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                return b""  # a key of another application, which is no failure of Redis
            raise

    async def _run_script(self, script: str, name: str, token: str, milliseconds: int) -> int | None:
        key, arguments = f"{self._namespace}:leases", (name, token, str(milliseconds))
        return await self._call(lambda: cast(Awaitable[int], self._redis.eval(script, 1, key, *arguments)))

    async def _call(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of `command`, or None if it fails or the circuit breaker permits no call."""
        if self._closed or not await self._acquire_slot():
            return None
        if not self._circuit.acquire_permission():  # another call failed while this one waited
            self._slots.release()
            return None
        call = asyncio.create_task(self._attempt(command))
        self._calls.add(call)
        call.add_done_callback(self._finish)
        return await asyncio.shield(call)

    async def _acquire_slot(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._slots.acquire()
        except TimeoutError:
            return False  # many concurrent calls, which is no failure of Redis

    async def _attempt(self, command: Callable[[], Awaitable[T]]) -> T | None:
        started = time.monotonic()
        try:
            result = await command()
        except Exception as error:  # redis-py raises ValueError and others for a malformed reply
            self._circuit.fail(error)
            return None
        self._circuit.succeed(started)
        return result

    def _finish(self, call: asyncio.Task[object]) -> None:
        self._calls.remove(call)
        self._slots.release()


async def _release_later(lease: Lease) -> None:
    await asyncio.sleep(_STORE_AFTER_SECONDS)
    await lease.release()
