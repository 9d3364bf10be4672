"""Engines and shared caches in memory, for tests of the answer service by itself."""

from contextlib import asynccontextmanager

import anyio

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.cache.redis_cache import Lookup
from lindyn_service.operations import execute
from lindyn_service.operations.execute import Address, ComputedAnswer
from lindyn_service.operations.registry import TRAJECTORY, normalise
from lindyn_service.spool.format import write_atomically
from lindyn_service.translate.encode import transcode
from support.documents import document

BODY = b'{"method":"exact"}'


def addressed(asked=None):
    """A request and its address."""
    request, key = normalise(TRAJECTORY, read(TrajectoryRequest, asked or document()))
    return request, Address(key, TRAJECTORY.cost(request), repeatable=True)


LIMITS = RequestLimits(2**30, 2**30, 1e12, 60.0)


def service_of(engine, shared=None, spool=None, limits=LIMITS):
    """A service with an empty memory cache."""
    return AnswerService(engine, MemoryCache(2**20), shared, limits, spool=spool)


async def ask(service, form="json", asked=None):
    """Ask a service for a trajectory."""
    return await service.answer(TRAJECTORY, *addressed(asked), form)


class InProcessEngine:
    """Runs functions where it is; counts computations and conversions, and holds computations until it is opened.

    Attributes:
        open: computations wait for this event.
        result: what computations return instead of that of the function, if it is not None; errors are raised.
        stopped: number of computations that were cancelled.
    """

    def __init__(self, result=None, *, is_open=True):
        self.open = anyio.Event()
        if is_open:
            self.open.set()
        self.result = result
        self.computations = self.conversions = self.stopped = 0

    async def run(self, function, *args, report_seconds=None):
        await anyio.lowlevel.checkpoint()
        if function is transcode:
            self.conversions += 1
            return transcode(*args)
        assert function is execute.answer
        self.computations += 1
        try:
            await self.open.wait()
        except anyio.get_cancelled_exc_class():
            self.stopped += 1
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result or function(*args)


class FilingEngine(InProcessEngine):
    """Writes each answer to its file, as a worker does with a large one."""

    def __init__(self, note="exact", *, lose=False):
        super().__init__()
        self._note, self._lose = note, lose

    async def run(self, function, *args, report_seconds=None):
        self.computations += 1
        destination = args[-1]
        write_atomically(destination, len(BODY), lambda file: file.write(BODY), self._note)
        if self._lose:
            destination.path.unlink()
        return ComputedAnswer(self._note, None)


class SharedCache:
    """Values and leases of several services in memory; while it fails it has nothing, and grants every lease."""

    def __init__(self):
        self.values, self.leases, self.failing = {}, set(), False

    async def get(self, name):
        await anyio.lowlevel.checkpoint()
        return None if self.failing else self.values.get(name)

    @asynccontextmanager
    async def lookup(self, names, _seconds):
        await anyio.lowlevel.checkpoint()
        if self.failing:
            yield Lookup()
            return
        cached = next(((name, self.values[name]) for name in names if name in self.values), None)
        lookup = Lookup(held=names[0] not in self.leases, cached=cached)
        if lookup.held:
            self.leases.add(names[0])
        try:
            yield lookup
        finally:
            if lookup.held:
                self.leases.remove(names[0])
            if lookup.value is not None:
                self.values[names[0]] = lookup.value
