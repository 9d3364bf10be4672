"""From a valid request to the bytes of its answer: key, caches, single flight, admission, engine, store."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeVar, TypeVarTuple

import anyio

from lindyn.wire.base import Request
from lindyn.wire.digest import digest
from lindyn_service.cache.memory import MemoryCache
from lindyn_service.cache.redis import RedisCache
from lindyn_service.cache.spool import Filed, Spool
from lindyn_service.engine.base import Engine
from lindyn_service.errors import NoRoomError, TooLargeError
from lindyn_service.flights import Flights
from lindyn_service.methods.cost import Cost
from lindyn_service.operations import Operation, with_seeds
from lindyn_service.sealed_file import Place
from lindyn_service.translate.encode import SOLVER, Format, transcode

Source = Literal["hit", "miss", "coalesced"]

_BYTES_PER_NUMBER: dict[Format, int] = {"json": 20, "npz": 8}
_FLOPS_PER_NUMBER: dict[Format, float] = {"json": 1000.0, "npz": 60.0}  # to write it
_LEASE_SECONDS = 4.0  # for which others wait where a process dies while it computes
_POLL_SECONDS = 0.02

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
R = TypeVar("R", bound=Request)

_Obtained = tuple[bytes | Filed, Source]


@dataclass(frozen=True)
class Account:
    """Who pays for a computation.

    Attributes:
        spend: is told the estimated flops of what is about to be computed, and may refuse.
        charge: is told the seconds that a worker was busy with it, to whatever end, and the flops that were spent.
    """

    spend: Callable[[float], Awaitable[None]]
    charge: Callable[[float, float], Awaitable[None]]


async def _nothing(*_: float) -> None:
    pass


NOBODY = Account(_nothing, _nothing)
"""For callers without a quota."""


@dataclass(frozen=True)
class Answer:
    """An encoded answer, where it came from and how long that took."""

    key: str
    body: bytes | Filed
    source: Source
    seconds: float


@dataclass(frozen=True)
class Limits:
    """What one request may cost, and from which size on its answer travels by a file."""

    max_answer_bytes: int
    max_work_bytes: int
    max_flops: float
    deadline_seconds: float
    spool_above_bytes: int = 0


@dataclass(frozen=True)
class _Name:
    """Where caches keep an answer."""

    operation: str
    key: str
    form: Format
    transcodes: bool

    @property
    def other(self) -> "_Name":
        """The same answer in the other format."""
        return replace(self, form="json" if self.form == "npz" else "npz")

    def __str__(self) -> str:
        return f"{self.operation}:{self.key}.{self.form}"


def normalise(operation: Operation[R], request: R) -> tuple[R, str]:
    """Draw the seeds that were omitted, and address the request by its content; the same request if it has them all."""
    normal = with_seeds(request)
    return normal, digest(normal, f"{SOLVER} {operation.name}")


class Answers:
    """Answers requests, each distinct one computed once; an async context manager."""

    def __init__(
        self,
        engine: Engine,
        memory: MemoryCache,
        shared: RedisCache | None,
        limits: Limits,
        observe: Callable[[str, float], None] = lambda _stage, _seconds: None,
        spool: Spool | None = None,
    ) -> None:
        self._spool = spool
        self._observe = observe
        self._engine = engine
        self._memory = memory
        self._shared = shared
        self._limits = limits
        self._flights: Flights[_Obtained] = Flights(limits.deadline_seconds)

    async def __aenter__(self) -> Self:
        await self._flights.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._flights.__aexit__(*exc_info)

    async def answer(
        self, operation: Operation[R], request: R, key: str, form: Format, account: Account = NOBODY
    ) -> Answer:
        """Answer a normalised request.

        Args:
            operation: its kind.
            request: itself.
            key: its content address.
            form: of the answer.
            account: pays for what is computed; whoever joins a computation that another one began pays nothing.

        Raises:
            TooLargeError: the estimated cost is over a limit.
            RateLimitedError: the account refused.
            ServiceError: whatever the engine or the method says.
        """
        cost = self._admit(operation, request, form)
        name = _Name(operation.name, key, form, operation.transcodes)
        file, spool, size = operation.file, self._spool, _answer_bytes(cost, form)
        if file is not None and spool is not None and self._limits.spool_above_bytes < size <= spool.max_bytes:

            async def write(place: Place) -> None:
                await self._paid(account, cost, file, request, key, form, place)

            return await self._once(name, lambda: self._find_or_write(spool, str(name), size, write))

        async def compute() -> bytes:
            return await self._paid(account, cost, operation.compute, request, key, form)

        return await self._once(name, lambda: self._find_or_compute(name, compute))

    async def _paid(self, account: Account, cost: Cost, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Compute on somebody's account, who pays for what was estimated, and for the time where that was more."""
        await account.spend(cost.flops)
        seconds = 0.0

        def told(more: float) -> None:
            nonlocal seconds
            seconds += more

        try:
            return await self._engine.run(function, *args, told=told)
        finally:
            with anyio.CancelScope(shield=True):  # who leaves pays, too
                await account.charge(seconds, cost.flops)

    def held(self, operation: str, key: str, form: Format) -> bytes | None:
        """An answer that is in the memory of this process."""
        return self._memory.get(f"{operation}:{key}.{form}")

    async def stored(self, operation: Operation[R], key: str, form: Format) -> Answer | None:
        """Find an answer that some cache still has, in any format."""
        started = time.perf_counter()
        name = _Name(operation.name, key, form, operation.transcodes)
        body = self._memory.get(str(name)) or await self._lookup(name)
        if body is None and self._spool is not None:
            body = await self._spool.find(str(name))
        return None if body is None else Answer(key, body, "hit", time.perf_counter() - started)

    def _admit(self, operation: Operation[R], request: R, form: Format) -> Cost:
        """Refuse what costs too much; else tell what it is estimated to cost."""
        cost, limits = estimated(operation, request, form), self._limits
        for what, amount, limit in (
            ("bytes of answer", _answer_bytes(cost, form), limits.max_answer_bytes),
            ("bytes of working memory", cost.work_numbers * 8, limits.max_work_bytes),
            ("floating-point operations", cost.flops, limits.max_flops),
        ):
            if amount > limit:
                raise TooLargeError(
                    f"the request is estimated to take {amount:.3g} {what}, the limit is {limit:.3g}; "
                    f"{operation.remedy}"
                )
        return cost

    async def _once(self, name: _Name, obtain: Callable[[], Awaitable[_Obtained]]) -> Answer:
        """Serve from memory, join a computation under way, or start one."""
        started = time.perf_counter()
        body = self._memory.get(str(name))
        source: Source = "hit"
        if body is None:
            (body, source), joined = await self._flights.obtain(name, obtain)
            if joined:
                source = "coalesced"
            if isinstance(body, bytes):
                self._memory.put(str(name), body)
        return Answer(name.key, body, source, time.perf_counter() - started)

    async def _find_or_compute(self, name: _Name, compute: Callable[[], Awaitable[bytes]]) -> _Obtained:
        """Find an answer in the other format or in the shared cache, wait for another process, or compute it.

        The deadline of the flight bounds the wait; the lease of a process that died ends before.
        """
        names = [str(name), str(name.other)] if name.transcodes else [str(name)]
        converted = self._memory.get(names[-1]) if name.transcodes else None
        if converted is not None:
            return await self._engine.run(transcode, converted, name.form), "hit"
        if self._shared is None:
            return await compute(), "miss"
        started = time.perf_counter()
        source: Source = "hit"
        while True:
            async with self._shared.turn(names, _LEASE_SECONDS) as turn:
                seconds = time.perf_counter() - started
                if source == "hit":
                    self._observe("lookup", seconds)
                if turn.found is not None:
                    where, body = turn.found
                    same = where == names[0]
                    return (body if same else await self._engine.run(transcode, body, name.form)), source
                if turn.held:
                    turn.value = await compute()
                    return turn.value, "miss"
            source = "coalesced"
            await anyio.sleep(_POLL_SECONDS)

    async def _find_or_write(
        self, spool: Spool, name: str, size: int, write: Callable[[Place], Awaitable[None]]
    ) -> _Obtained:
        """The same for a large answer: find its file, wait for another process that writes it, or have it written."""
        found = await spool.find(name)
        if found is not None:
            return found, "hit"
        async with AsyncExitStack() as stack:
            while self._shared is not None:
                if await stack.enter_async_context(self._shared.lease(name, _LEASE_SECONDS)):
                    break
                await stack.aclose()
                await anyio.sleep(_POLL_SECONDS)
            found = await spool.find(name)
            if found is not None:
                return found, "coalesced"
            await spool.make_room(size)
            with spool.place(name) as place:
                await write(place)
            found = await spool.find(name)
        if found is None:
            raise NoRoomError("the answer was written, and is gone or damaged; ask again, or for fewer times")
        return found, "miss"

    async def _lookup(self, name: _Name) -> bytes | None:
        """Look in the shared cache, then for the same answer in the other format."""
        body = None if self._shared is None else await self._shared.get(str(name))
        if body is None and name.transcodes:
            body = await self._other_format(name)
        if body is not None:
            self._memory.put(str(name), body)
        return body

    async def _other_format(self, name: _Name) -> bytes | None:
        other = str(name.other)
        body = self._memory.get(other)
        if body is None and self._shared is not None:
            body = await self._shared.get(other)
        return None if body is None else await self._engine.run(transcode, body, name.form)


def estimated(operation: Operation[R], request: R, form: Format) -> Cost:
    """What an answer is estimated to cost in a format."""
    cost = operation.cost(request)
    return cost + Cost(cost.numbers * _FLOPS_PER_NUMBER[form], 0, 0)


def _answer_bytes(cost: Cost, form: Format) -> int:
    return cost.numbers * _BYTES_PER_NUMBER[form]
