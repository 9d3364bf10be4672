"""The cache shared by processes: Redis or Valkey, which may be slow, full, frozen or gone at any time.

Each call is a task of its own that no caller cancels: redis-py ends it by its socket timeouts, so a
connection is back in the pool with its reply read, or closed. A cancelled caller leaves at once and its call
ends alone. (Since issue 2665 redis-py closes a connection whose read was cancelled, but it still loses one
from the pool when cancelled while returning it.)
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from lindyn_service.cache.circuit_breaker import CircuitBreaker, State
from lindyn_service.cache.envelope import seal, unseal
from lindyn_service.cache.lease import RELEASE, TAKE, Lease, hold

T = TypeVar("T")

MAX_CONNECTIONS = 16

log = logging.getLogger(__name__)


@dataclass
class Turn:
    """What was found, or whose turn it is to make it.

    Attributes:
        held: whether to go on: False if another process holds the name.
        found: the name and the value that was found first.
        value: set by who computed it.
    """

    held: bool = True
    found: tuple[str, bytes] | None = None
    value: bytes | None = None
    sealed: Sequence[bytes | None] = field(default_factory=tuple[bytes | None, ...], repr=False)


class RedisCache:
    """Stores sealed values for a time, and leases. A failure of Redis is a miss, never an error.

    Make and use it in one event loop; making it does no I/O.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        namespace: begins every key, so that several services can share a server.
        max_value_bytes: larger values are not stored, since one large reply delays all others.
        time_to_live_seconds: how long a value is kept; volatile policies evict it earlier if memory is short.
        timeout_seconds: how long to wait for a free connection, and then for each step of a call.
        retry_seconds: how long Redis is left alone after a failure.

    Raises:
        ValueError: the URL cannot be understood.
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
        self._calls: set[asyncio.Task[Any]] = set()
        self._releases: set[asyncio.Task[None]] = set()
        self._closed = False
        self._redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            protocol=2,  # one round trip less at connecting than 3, and nothing here needs 3
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    @property
    def state(self) -> State:
        """Whether the last call to Redis worked."""
        return self._circuit.state

    async def get(self, name: str) -> bytes | None:
        """Return the value of `name`, or None if there is none or it cannot be had."""
        key = self._key(name)
        value = await self._call(lambda: self._read(key))
        return None if value is None else await self._opened(name, value)

    async def put(self, name: str, value: bytes) -> None:
        """Store `value`, unless it is too large or Redis does not take it."""
        if len(value) <= self._max_value_bytes:
            key, sealed = self._key(name), seal(name, value)
            await self._call(lambda: self._redis.set(key, sealed, px=self._time_to_live))

    async def get_many(self, names: Sequence[str], most_bytes: int) -> list[bytes | None]:
        """Return the values of the first of many names, None for each that there is not or that cannot be had.

        Args:
            names: what to look for.
            most_bytes: of the values together, after which no other one is asked for; the first one is in any case.
        """
        names = names[: await self._count_within(names, most_bytes)]
        values = await self._call(lambda: cast(Awaitable[Any], self._redis.mget(map(self._key, names))))
        if not isinstance(values, list) or len(cast("list[Any]", values)) != len(names):
            return [None] * len(names)
        pairs = zip(names, cast("list[Any]", values), strict=True)
        return [unseal(name, value) if isinstance(value, bytes) else None for name, value in pairs]

    async def _count_within(self, names: Sequence[str], most_bytes: int) -> int:
        """How many values come first that have so many bytes together, one at least."""
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.strlen(self._key(name))
        sizes = await self._call(lambda: pipe.execute(raise_on_error=False))
        total = 0
        for i, size in enumerate(sizes or ()):
            total += size if isinstance(size, int) else 0
            if total > most_bytes:
                return max(i, 1)
        return len(names)

    async def put_many(self, values: Mapping[str, bytes]) -> None:
        """Store values that are not too large, unless Redis does not take them."""
        pipe = self._redis.pipeline(transaction=False)
        for name, value in values.items():
            if len(value) <= self._max_value_bytes:
                pipe.set(self._key(name), seal(name, value), px=self._time_to_live)
        await self._call(pipe.execute)

    def lease(self, name: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        """Hold `name` against all other processes for the length of an `async with` block.

        Args:
            name: what to hold, such as the name of a value that is about to be computed.
            seconds: how long others wait for a holder that died. A living one renews it as long as it takes.

        Returns:
            A context manager that yields whether to go on: False if another process holds the lease, True if
            this one does or if Redis is not available.
        """
        return hold(self._run_script, name, seconds)

    @asynccontextmanager
    async def turn(self, names: Sequence[str], seconds: float) -> AsyncGenerator[Turn]:
        """Look for values, and hold the first name as `lease` does, in one round trip.

        Who then computes the value puts it into the turn. It is stored after the block, which does not wait for that,
        in the round trip that gives up the lease, so that nobody finds neither.
        """
        turn = Turn()

        async def run(script: str, name: str, token: str, milliseconds: int) -> int | None:
            if script == TAKE:
                return await self._take_and_look(turn, names, token, milliseconds)
            if script == RELEASE and turn.value is not None:
                return await self._store_and_release(name, turn.value, token)
            return await self._run_script(script, name, token, milliseconds)

        lease = Lease(run, names[0], seconds)
        try:
            turn.held = await lease.taken()
            turn.found = await self._first(names, turn.sealed)
            yield turn
        finally:
            releasing = lease.give_up()
            self._releases.add(releasing)
            releasing.add_done_callback(self._releases.discard)

    async def _first(self, names: Sequence[str], sealed: Sequence[bytes | None]) -> tuple[str, bytes] | None:
        for name, value in zip(names, sealed, strict=False):
            payload = None if value is None else await self._opened(name, value)
            if payload is not None:
                return name, payload
        return None

    async def ping(self) -> bool:
        """Tell whether Redis answers, without asking it while it is left alone after a failure."""
        ping = cast(Callable[[], Awaitable[bool]], self._redis.ping)  # pyright: ignore[reportUnknownMemberType]
        return await self._call(ping) is True

    async def aclose(self) -> None:
        """Wait for the calls under way and disconnect; later calls find nothing and store nothing."""
        if self._releases:
            await asyncio.wait(self._releases)
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls)
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    def _key(self, name: str) -> str:
        return f"{self._namespace}:value:{name}"

    async def _opened(self, name: str, value: bytes) -> bytes | None:
        payload = unseal(name, value)
        if payload is None:
            key = self._key(name)
            log.warning("deleting %s, which is damaged or not ours", key)
            await self._call(lambda: self._redis.delete(key))
        return payload

    async def _take_and_look(self, turn: Turn, names: Sequence[str], token: str, milliseconds: int) -> int | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.eval(TAKE, 1, f"{self._namespace}:leases", names[0], token, str(milliseconds))
        pipe.mget(map(self._key, names))
        replies = await self._call(pipe.execute)
        if replies is None:
            return None
        held, turn.sealed = replies
        return held

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
                return b""  # not ours, while Redis is well
            raise

    async def _run_script(self, script: str, name: str, token: str, milliseconds: int) -> int | None:
        key, arguments = f"{self._namespace}:leases", (name, token, str(milliseconds))
        return await self._call(lambda: cast(Awaitable[int], self._redis.eval(script, 1, key, *arguments)))

    async def _call(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """Return what `command` returns, or None if Redis is left alone or fails."""
        if self._closed or not await self._take_slot():
            return None
        if not self._circuit.enter():  # a call failed while this one waited
            self._slots.release()
            return None
        call = asyncio.create_task(self._attempt(command))
        self._calls.add(call)
        call.add_done_callback(self._finish)
        return await asyncio.shield(call)

    async def _take_slot(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._slots.acquire()
        except TimeoutError:
            return False  # many callers, which says nothing about Redis

    async def _attempt(self, command: Callable[[], Awaitable[T]]) -> T | None:
        started = time.monotonic()
        try:
            answer = await command()
        except Exception as error:  # redis-py lets through ValueError and others when it reads nonsense
            self._circuit.fail(error)
            return None
        self._circuit.succeed(started)
        return answer

    def _finish(self, call: asyncio.Task[Any]) -> None:
        self._calls.remove(call)
        self._slots.release()
