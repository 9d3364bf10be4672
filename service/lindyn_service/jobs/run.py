"""One job from its first point to its result."""

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from anyio import CancelScope, create_task_group, sleep
from anyio.abc import TaskGroup

from lindyn.wire.job import Job, State
from lindyn.wire.problem import Problem
from lindyn_service.cache.redis import RedisCache
from lindyn_service.engine.base import Engine
from lindyn_service.engine.worker import timed
from lindyn_service.errors import BusyError, JobsUnavailableError, WorkerLostError
from lindyn_service.jobs.plan import Call, Plan
from lindyn_service.jobs.store import JobStore

ATTEMPTS = 5
CHUNK_SECONDS = 0.3  # long against the 1 ms that a chunk costs, short against the second in which a job is cancelled
LEAST_CHUNK_SECONDS = 0.04  # below, the way to another machine and back is the longer part
FIRST_CHUNK = 4
REPORT_SECONDS = 0.2
RETRY_SECONDS = 0.5
READ_AT_ONCE = 256
KEPT_BYTES = 2**25  # of computed points, which then need not be read back

T = TypeVar("T")

log = logging.getLogger(__name__)


class JobRun:
    """Computes the points that the cache does not have, in chunks of about the same time.

    Args:
        job: as it was when it was taken.
        request: as it was stored.
        plan: what to compute.
        store: is told how far the job is.
        cache: of the points.
        engine: computes.
        width: chunks at the same time; asked again and again, since a cluster grows.
    """

    def __init__(
        self,
        job: Job,
        request: bytes,
        plan: Plan,
        store: JobStore,
        cache: RedisCache,
        engine: Engine,
        width: Callable[[], int],
    ) -> None:
        self._job = job
        self._request = request
        self._plan = plan
        self._store = store
        self._cache = cache
        self._engine = engine
        self._width = width
        self._left = deque(range(plan.total))
        self._completed = 0
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self._busy = 0
        self._seconds_per_point: float | None = None
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Compute, assemble and store, or stop where the job is cancelled.

        Raises:
            Exception: whatever a point or the assembly raised.
        """
        archive: bytes | None = None
        with CancelScope() as scope:
            async with create_task_group() as reports:
                reports.start_soon(self._report, scope)
                async with create_task_group() as work:
                    work.start_soon(self._staff, work)
                if self._failure is None:
                    try:
                        archive = await self._assemble()
                    except Exception as error:
                        self._failure = error  # raised below: the task group would wrap it in a group
                reports.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        if archive is None:
            await self.end("cancelled")
            return
        result = archive
        await self._insist(lambda: self._store.put_result(self._job.id, result))
        await self.end("done")

    async def end(self, state: State, problem: Problem | None = None) -> None:
        """Note the end of the job, however long the store takes to answer."""
        await self._insist(lambda: self._store.restore(self._job, self._request))
        await self._insist(lambda: self._store.progress(self._job.id, self._completed))
        await self._insist(lambda: self._store.finish(self._job.id, state, problem))

    async def _report(self, scope: CancelScope) -> None:
        """Say how far the job is; cancel it when that is wanted."""
        while True:
            try:
                if not await self._store.progress(self._job.id, self._completed):
                    log.warning("the store has lost job %s; writing it again", self._job.id)
                    await self._store.restore(self._job, self._request)
                    await self._store.start(self._job.id)
                elif await self._store.is_cancelled(self._job.id):
                    scope.cancel()
            except JobsUnavailableError as error:
                log.warning("%s", error)
            await sleep(REPORT_SECONDS)

    async def _staff(self, work: TaskGroup) -> None:
        """Keep as many chunks under way as the engine has width."""
        while True:
            for _ in range(self._width() - self._busy):
                self._busy += 1
                work.start_soon(self._work, work.cancel_scope)
            await sleep(REPORT_SECONDS)

    async def _work(self, all_work: CancelScope) -> None:
        try:
            while self._left:
                numbers = self._next_chunk()
                self._keep(numbers, await self._compute(numbers))
                self._completed += len(numbers)
            self._busy -= 1
            if not self._busy:
                all_work.cancel()
        except Exception as error:
            self._failure = error  # a task group would wrap it
            all_work.cancel()

    def _next_chunk(self) -> list[int]:
        """So many points as take about a chunk's time, and fewer towards the end, so that all workers end together."""
        most = math.ceil(len(self._left) / (2 * self._busy))
        wanted, least = FIRST_CHUNK, 1
        if self._seconds_per_point is not None:
            wanted = int(CHUNK_SECONDS / self._seconds_per_point)
            least = max(1, int(LEAST_CHUNK_SECONDS / self._seconds_per_point))
        size = max(least, min(wanted, most))
        return [self._left.popleft() for _ in range(min(size, len(self._left)))]

    async def _compute(self, numbers: Sequence[int]) -> list[bytes]:
        """The bytes of some points, from the cache or computed now."""
        names = [f"point:{key}" for key in self._plan.keys(numbers)]
        records = await self._cache.get_many(names)
        missing = [i for i, record in enumerate(records) if record is None]
        if missing:
            seconds, computed = await self._attempt((timed, self._plan.compute([numbers[i] for i in missing])))
            self._seconds_per_point = max(seconds / len(missing), 1e-6)
            fresh = dict(zip(missing, computed, strict=True))
            await self._cache.put_many({names[i]: record for i, record in fresh.items()})
            records = [fresh.get(i, record) for i, record in enumerate(records)]
        return [record for record in records if record is not None]

    def _keep(self, numbers: Sequence[int], records: Sequence[bytes]) -> None:
        self._kept_bytes += sum(map(len, records))
        if self._kept_bytes <= KEPT_BYTES:
            self._kept.update(zip(numbers, records, strict=True))

    async def _assemble(self) -> bytes:
        """Read back what was not kept; what was evicted meanwhile is computed again."""
        left = [number for number in range(self._plan.total) if number not in self._kept]
        records = self._kept
        for start in range(0, len(left), READ_AT_ONCE):
            part = left[start : start + READ_AT_ONCE]
            records |= zip(part, await self._compute(part), strict=True)
        return await self._attempt(
            self._plan.assemble(self._job.id, [records[number] for number in range(self._plan.total)])
        )

    async def _attempt(self, call: Call) -> Any:  # noqa: ANN401 (whatever the function returns)
        """Run a call; a process that dies on the way costs another attempt."""
        function, arguments = call
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._engine.run(function, *arguments)
            except (BusyError, WorkerLostError) as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("job %s tries again: %s", self._job.id, error)
                await sleep(RETRY_SECONDS * attempt)
        raise AssertionError

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except JobsUnavailableError as error:
                log.warning("job %s waits: %s", self._job.id, error)
                await sleep(RETRY_SECONDS)
