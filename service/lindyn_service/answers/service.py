"""The answer service: cost limits, caches, single flight and computation of the encoded answer to a valid request."""

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal, Self

import anyio

from lindyn.wire.base import Request
from lindyn_service.answers.encoded import EncodedAnswer, pack, unpack
from lindyn_service.answers.single_flight import SingleFlight
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.accounting import UNLIMITED_ACCOUNT, Account, run_charged
from lindyn_service.engine.base import Engine
from lindyn_service.errors import BusyError, TooLargeError
from lindyn_service.methods.cost import Cost
from lindyn_service.operations import execute
from lindyn_service.operations.execute import Address, AnswerBounds, ReceivedRequest
from lindyn_service.operations.registry import RegisteredOperation
from lindyn_service.spool.store import Spool, StoredFile
from lindyn_service.translate.encode import BYTES_PER_NUMBER, Format, transcode

Source = Literal["hit", "miss", "coalesced"]

_FLOPS_PER_NUMBER: dict[Format, float] = {"json": 1000.0, "npz": 60.0}  # of encoding
_LEASE_SECONDS = 4.0  # after a process dies while it computes, other processes wait at most this long
_POLL_SECONDS = 0.02

_Found = EncodedAnswer | StoredFile
_Obtained = tuple[_Found, Source]


@dataclass(frozen=True)
class Answer:
    """An encoded answer, with the method that solved it, its source, and the time that it took to obtain it."""

    key: str
    body: bytes | StoredFile
    method: str
    source: Source
    seconds: float


@dataclass(frozen=True)
class RequestLimits:
    """Cost limits of one request, and the size above which workers hand over its answer in a file."""

    max_answer_bytes: int
    max_work_bytes: int
    max_flops: float
    deadline_seconds: float
    file_above_bytes: int = 0


@dataclass(frozen=True)
class _CacheName:
    """The name of an answer in the caches."""

    operation: str
    key: str
    form: Format
    transcodes: bool

    @property
    def other_format(self) -> "_CacheName":
        """The name of the same answer in the other format."""
        return replace(self, form="json" if self.form == "npz" else "npz")

    def __str__(self) -> str:
        return f"{self.operation}:{self.key}.{self.form}"

    @property
    def shared(self) -> str:
        """The name in the shared cache, whose values are answers packed with their methods."""
        return f"answers:{self}"


class AnswerService:
    """Answers requests; identical requests share one computation. An async context manager."""

    def __init__(
        self,
        engine: Engine,
        memory: MemoryCache[EncodedAnswer],
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
        operation: RegisteredOperation,
        source: Request | ReceivedRequest,
        address: Address,
        form: Format,
        account: Account = UNLIMITED_ACCOUNT,
    ) -> Answer:
        """Answer a normalised request.

        Args:
            operation: the operation of the request.
            source: the normalised request, or the request as it was received.
            address: key and estimated cost of the request.
            form: format of the answer.
            account: charged for the computation; a request that joins a computation in flight is not charged.

        Raises:
            TooLargeError: the estimated cost is over a limit.
            RateLimitedError: the quota of the account has no room for the cost.
            ServiceError: raised by the engine or the method.
        """
        cost = with_encoding(address.cost, form)
        self._check_cost(operation, cost, form)
        name = _CacheName(operation.name, address.key, form, operation.transcodes)
        bounds = AnswerBounds(self._limits.max_answer_bytes, self._limits.file_above_bytes)

        async def compute() -> _Found:
            with nullcontext() if self._spool is None else self._spool.free_destination(str(name)) as destination:
                arguments = operation.name, source, address.key, form, bounds, destination
                computed = await run_charged(self._engine, account, cost.flops, execute.answer, *arguments)
            if computed.body is None:
                return await self._written_file(name)
            return EncodedAnswer(computed.body, computed.method)

        return await self._obtain_once(name, lambda: self._find_or_compute(name, compute))

    def in_memory(self, operation: str, key: str, form: Format) -> bytes | None:
        """Return an answer from the memory cache of this process, if it is there."""
        answer = self._memory.get(f"{operation}:{key}.{form}")
        return None if answer is None else answer.body

    async def find(self, operation: RegisteredOperation, key: str, form: Format) -> Answer | None:
        """Find an answer in any cache; one in the other format is converted."""
        started = time.perf_counter()
        name = _CacheName(operation.name, key, form, operation.transcodes)
        found = self._memory.get(str(name)) or await self._lookup(name) or await self._find_file(name)
        return None if found is None else _answer(key, found, "hit", time.perf_counter() - started)

    def _check_cost(self, operation: RegisteredOperation, cost: Cost, form: Format) -> None:
        """Raise TooLargeError if the estimated cost is over a limit."""
        limits = self._limits
        for unit, amount, limit in (
            ("bytes of answer", cost.numbers * BYTES_PER_NUMBER[form], limits.max_answer_bytes),
            ("bytes of working memory", cost.work_numbers * 8, limits.max_work_bytes),
            ("floating-point operations", cost.flops, limits.max_flops),
        ):
            if amount > limit:
                raise TooLargeError(
                    f"the request is estimated to take {amount:.3g} {unit}, the limit is {limit:.3g}; "
                    f"{operation.remedy}"
                )

    async def _obtain_once(self, name: _CacheName, obtain: Callable[[], Awaitable[_Obtained]]) -> Answer:
        """Take the answer from memory, join a computation in flight, or start one."""
        started = time.perf_counter()
        found: _Found | None = self._memory.get(str(name))
        source: Source = "hit"
        if found is None:
            (found, source), joined = await self._flights.obtain(name, obtain)
            if joined:
                source = "coalesced"
            if isinstance(found, EncodedAnswer):
                self._memory.put(str(name), found)
        return _answer(name.key, found, source, time.perf_counter() - started)

    async def _find_or_compute(self, name: _CacheName, compute: Callable[[], Awaitable[_Found]]) -> _Obtained:
        """Find an answer in any cache, in this or the other format; else compute it or wait for another process.

        The wait ends at the deadline of the flight at the latest; the lease of a process that died expires earlier.
        """
        in_other_format = self._memory.get(str(name.other_format)) if name.transcodes else None
        if in_other_format is not None:
            return await self._transcoded(in_other_format, name.form), "hit"
        stored = await self._find_file(name)
        if stored is not None:
            return stored, "hit"
        if self._shared is None:
            return await compute(), "miss"
        return await self._find_or_take_turn(self._shared, name, compute)

    async def _find_or_take_turn(
        self, shared: RedisCache, name: _CacheName, compute: Callable[[], Awaitable[_Found]]
    ) -> _Obtained:
        """Poll the shared cache until it has the answer, or until this process holds the lease to compute it."""
        started = time.perf_counter()
        names = [name.shared, name.other_format.shared] if name.transcodes else [name.shared]
        source: Source = "hit"
        while True:
            async with shared.lookup(names, _LEASE_SECONDS) as lookup:
                if source == "hit":
                    self._observe("lookup", time.perf_counter() - started)
                else:
                    stored = await self._find_file(name)
                    if stored is not None:
                        return stored, source
                if lookup.cached is not None:
                    cached_name, value = lookup.cached
                    cached = unpack(value)
                    return cached if cached_name == names[0] else await self._transcoded(cached, name.form), source
                if lookup.held:
                    computed = await compute()
                    lookup.value = pack(computed) if isinstance(computed, EncodedAnswer) else None
                    return computed, "miss"
            source = "coalesced"
            await anyio.sleep(_POLL_SECONDS)

    async def _find_file(self, name: _CacheName) -> StoredFile | None:
        return None if self._spool is None else await self._spool.find(str(name))

    async def _written_file(self, name: _CacheName) -> StoredFile:
        """Return the file that a worker has just written."""
        stored = await self._find_file(name)
        if stored is None:
            raise BusyError("the answer was evicted from the disk cache before it was sent; ask again")
        return stored

    async def _lookup(self, name: _CacheName) -> EncodedAnswer | None:
        """Find an answer in the shared cache, or in the other format in memory or the shared cache."""
        found = await self._find_shared(name)
        if found is None and name.transcodes:
            other = self._memory.get(str(name.other_format)) or await self._find_shared(name.other_format)
            found = None if other is None else await self._transcoded(other, name.form)
        if found is not None:
            self._memory.put(str(name), found)
        return found

    async def _find_shared(self, name: _CacheName) -> EncodedAnswer | None:
        value = None if self._shared is None else await self._shared.get(name.shared)
        return None if value is None else unpack(value)

    async def _transcoded(self, answer: EncodedAnswer, form: Format) -> EncodedAnswer:
        """Convert an answer from the other format."""
        return EncodedAnswer(await self._engine.run(transcode, answer.body, form), answer.method)


def _answer(key: str, found: _Found, source: Source, seconds: float) -> Answer:
    if isinstance(found, StoredFile):
        return Answer(key, found, found.note or execute.NO_METHOD, source, seconds)
    return Answer(key, found.body, found.method, source, seconds)


def with_encoding(cost: Cost, form: Format) -> Cost:
    """Add the cost of encoding the answer in a format."""
    return cost + Cost(cost.numbers * _FLOPS_PER_NUMBER[form], 0, 0)
