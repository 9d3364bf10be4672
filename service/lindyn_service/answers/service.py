"""From a valid request to the bytes of its answer: key, caches, single flight, admission, engine, store."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import anyio

from lindyn.wire.base import Request
from lindyn_service.answers.single_flight import SingleFlight
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.accounting import UNLIMITED_ACCOUNT, Account, run_charged
from lindyn_service.engine.base import Engine
from lindyn_service.errors import BusyError, TooLargeError
from lindyn_service.methods.cost import Cost
from lindyn_service.operations import execute
from lindyn_service.operations.execute import Address, AnswerBounds, ReceivedRequest
from lindyn_service.operations.registry import Operation
from lindyn_service.spool.store import Spool, StoredFile
from lindyn_service.translate.encode import BYTES_PER_NUMBER, Format, transcode

Source = Literal["hit", "miss", "coalesced"]

_FLOPS_PER_NUMBER: dict[Format, float] = {"json": 1000.0, "npz": 60.0}  # to write it
_LEASE_SECONDS = 4.0  # for which others wait where a process dies while it computes
_POLL_SECONDS = 0.02

_Obtained = tuple[bytes | StoredFile, Source]


@dataclass(frozen=True)
class Answer:
    """An encoded answer, where it came from and how long that took."""

    key: str
    body: bytes | StoredFile
    source: Source
    seconds: float


@dataclass(frozen=True)
class RequestLimits:
    """What one request may cost, and from which size on its answer travels by a file."""

    max_answer_bytes: int
    max_work_bytes: int
    max_flops: float
    deadline_seconds: float
    file_above_bytes: int = 0


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


class AnswerService:
    """Answers requests, each distinct one computed once; an async context manager."""

    def __init__(
        self,
        engine: Engine,
        memory: MemoryCache,
        shared: RedisCache | None,
        limits: RequestLimits,
        observe: Callable[[str, float], None] = lambda _stage, _seconds: None,
        spool: Spool | None = None,
    ) -> None:
        self._spool = spool
        self._observe = observe
        self._engine = engine
        self._memory = memory
        self._shared = shared
        self._limits = limits
        self._flights: SingleFlight[_Obtained] = SingleFlight(limits.deadline_seconds)

    async def __aenter__(self) -> Self:
        await self._flights.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._flights.__aexit__(*exc_info)

    async def answer(
        self,
        operation: Operation[Any],
        source: Request | ReceivedRequest,
        address: Address,
        form: Format,
        account: Account = UNLIMITED_ACCOUNT,
    ) -> Answer:
        """Answer a normalised request.

        Args:
            operation: its kind.
            source: itself, or as it was sent.
            address: its key, and what it is estimated to cost.
            form: of the answer.
            account: pays for what is computed; whoever joins a computation that another one began pays nothing.

        Raises:
            TooLargeError: the estimated cost is over a limit.
            RateLimitedError: the account refused.
            ServiceError: whatever the engine or the method says.
        """
        cost = estimated(address.cost, form)
        self._admit(operation, cost, form)
        name = _Name(operation.name, address.key, form, operation.transcodes)
        bounds = AnswerBounds(self._limits.max_answer_bytes, self._limits.file_above_bytes)

        async def compute() -> bytes | StoredFile:
            with nullcontext() if self._spool is None else self._spool.destination(str(name)) as place:
                asked = operation.name, source, address.key, form, bounds, place
                body = await run_charged(self._engine, account, cost.flops, execute.answer, *asked)
            return await self._filed(name) if body is None else body

        return await self._once(name, lambda: self._find_or_compute(name, compute))

    def held(self, operation: str, key: str, form: Format) -> bytes | None:
        """An answer that is in the memory of this process."""
        return self._memory.get(f"{operation}:{key}.{form}")

    async def stored(self, operation: Operation[Any], key: str, form: Format) -> Answer | None:
        """Find an answer that some cache still has, in any format."""
        started = time.perf_counter()
        name = _Name(operation.name, key, form, operation.transcodes)
        body = self._memory.get(str(name)) or await self._lookup(name)
        if body is None:
            body = await self._find_file(name)
        return None if body is None else Answer(key, body, "hit", time.perf_counter() - started)

    def _admit(self, operation: Operation[Any], cost: Cost, form: Format) -> None:
        """Refuse what is estimated to cost too much."""
        limits = self._limits
        for what, amount, limit in (
            ("bytes of answer", cost.numbers * BYTES_PER_NUMBER[form], limits.max_answer_bytes),
            ("bytes of working memory", cost.work_numbers * 8, limits.max_work_bytes),
            ("floating-point operations", cost.flops, limits.max_flops),
        ):
            if amount > limit:
                raise TooLargeError(
                    f"the request is estimated to take {amount:.3g} {what}, the limit is {limit:.3g}; "
                    f"{operation.remedy}"
                )

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

    async def _find_or_compute(self, name: _Name, compute: Callable[[], Awaitable[bytes | StoredFile]]) -> _Obtained:
        """Find an answer in some cache, in this or the other format, wait for another process, or compute it.

        The deadline of the flight bounds the wait; the lease of a process that died ends before.
        """
        names = [str(name), str(name.other)] if name.transcodes else [str(name)]
        converted = self._memory.get(names[-1]) if name.transcodes else None
        if converted is not None:
            return await self._engine.run(transcode, converted, name.form), "hit"
        filed = await self._find_file(name)
        if filed is not None:
            return filed, "hit"
        if self._shared is None:
            return await compute(), "miss"
        return await self._find_or_take_turn(self._shared, name, names, compute)

    async def _find_or_take_turn(
        self,
        shared: RedisCache,
        name: _Name,
        names: Sequence[str],
        compute: Callable[[], Awaitable[bytes | StoredFile]],
    ) -> _Obtained:
        started = time.perf_counter()
        source: Source = "hit"
        while True:
            async with shared.lookup(names, _LEASE_SECONDS) as lookup:
                if source == "hit":
                    self._observe("lookup", time.perf_counter() - started)
                else:
                    filed = await self._find_file(name)
                    if filed is not None:
                        return filed, source
                if lookup.cached is not None:
                    where, body = lookup.cached
                    same = where == names[0]
                    return (body if same else await self._engine.run(transcode, body, name.form)), source
                if lookup.held:
                    computed = await compute()
                    lookup.value = computed if isinstance(computed, bytes) else None
                    return computed, "miss"
            source = "coalesced"
            await anyio.sleep(_POLL_SECONDS)

    async def _find_file(self, name: _Name) -> StoredFile | None:
        return None if self._spool is None else await self._spool.find(str(name))

    async def _filed(self, name: _Name) -> StoredFile:
        """The file that was just written."""
        found = await self._find_file(name)
        if found is None:
            raise BusyError("the answer had to make room for others before it was sent; ask again")
        return found

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


def estimated(cost: Cost, form: Format) -> Cost:
    """What an answer is estimated to cost in a format."""
    return cost + Cost(cost.numbers * _FLOPS_PER_NUMBER[form], 0, 0)
