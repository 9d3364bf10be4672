"""One job from its first point to its result."""

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anyio import CancelScope, Lock, create_task_group, current_time, sleep
from anyio.abc import TaskGroup

from lindyn.wire.job import Job
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.base import Engine, Told
from lindyn_service.engine.worker import timed
from lindyn_service.errors import BusyError, TooLargeError, WorkerLostError
from lindyn_service.jobs.charges import Charges
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.fair_shares import FairShares, Share
from lindyn_service.jobs.plan import Call, Plan
from lindyn_service.jobs.points import is_refusal
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.store import JobStore
from lindyn_service.jobs.store_retries import StoreRetries, end, insist

ATTEMPTS = 5
CHUNK_SECONDS = 0.3  # long against the 1 ms that a chunk costs, short against the second in which a job is cancelled
LEAST_CHUNK_SECONDS = 0.04  # below, the way to another machine and back is the longer part
FIRST_CHUNK = 4
REPORT_SECONDS = 0.2
RETRY_SECONDS = 0.5
READERS_SECONDS = 90.0  # who reads nothing of a result for a third of that is disconnected
ROOM_SECONDS = 5.0  # between two looks whether an owner has room again
READ_AT_ONCE = 256
KEPT_BYTES = 2**23  # of the computed points of a job, which then need not be read back

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobResources:
    """What jobs are done with.

    Attributes:
        store: is told how far they are.
        cache: of their points.
        engine: computes.
        shares: who may use it next.
        charges: what their owners pay.
        results: where they go.
        most_record_bytes: of all points of a job.
        assembling: held while a result is put together, so that the points of one job at a time are in memory.
    """

    store: JobStore
    cache: RedisCache
    engine: Engine
    shares: FairShares
    charges: Charges
    results: Results
    most_record_bytes: int
    assembling: Lock


class JobExecution:
    """Computes the points that the cache does not have, in chunks of about the same time.

    Args:
        job: as it was when it was taken.
        request: as it was stored.
        plan: what to compute.
        means: with what.
    """

    def __init__(self, job: Job, request: bytes, plan: Plan, means: JobResources) -> None:
        self.completed = 0
        self._job = job
        self._request = request
        self._plan = plan
        self._means = means
        self._share: Share
        self._left = deque(range(plan.total))
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = self._record_bytes = 0
        self._busy = 0
        self._seconds_per_point: float | None = None
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Compute, assemble and store, or stop where the job is cancelled.

        Raises:
            Exception: whatever a point, the assembly or the store raised.
        """
        kept_bytes: int | None = None
        with self._means.shares.join(self._job.owner) as self._share, CancelScope() as scope:
            async with create_task_group() as reports:
                reports.start_soon(self._report, scope)
                async with create_task_group() as work:
                    work.start_soon(self._staff, work)
                if self._failure is None:
                    try:
                        kept_bytes = await self._deliver()
                    except Exception as error:
                        self._failure = error  # raised below: the task group would wrap it in a group
                reports.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        state = "cancelled" if kept_bytes is None else "done"
        told = self._means.store, self._job, self._request, state
        await end(*told, completed=self.completed, kept_bytes=kept_bytes or 0)

    async def _report(self, scope: CancelScope) -> None:
        """Say how far the job is; cancel it when that is wanted, or when the store will not have it."""
        store, insistence = self._means.store, StoreRetries(self._job.id)
        while True:
            try:
                if not await store.progress(self._job.id, self.completed):
                    log.warning("the store has lost job %s; writing it again", self._job.id)
                    await store.restore(self._job, self._request)
                    await store.start(self._job.id)
                elif await store.is_cancelled(self._job.id):
                    scope.cancel()
                insistence.succeeded()
            except JobsUnavailableError as error:
                try:
                    insistence.failed(error)
                except JobsUnavailableError:
                    self._failure = error
                    scope.cancel()
                    return
            await sleep(REPORT_SECONDS)

    async def _staff(self, work: TaskGroup) -> None:
        """Keep as many chunks under way as the engine has width."""
        while True:
            for _ in range(self._means.shares.width() - self._busy):
                self._busy += 1
                work.start_soon(self._work, work.cancel_scope)
            await sleep(REPORT_SECONDS)

    async def _work(self, all_work: CancelScope) -> None:
        try:
            while self._left:
                await self._until_there_is_room()
                async with self._means.shares.turn(self._share):
                    await self._work_on(self._next_chunk())
            self._busy -= 1
            if not self._busy:
                all_work.cancel()
        except Exception as error:
            self._failure = error  # a task group would wrap it
            all_work.cancel()

    async def _work_on(self, numbers: Sequence[int]) -> None:
        records = await self._obtain(numbers)
        for number, record in records.items():
            self._keep(number, record)
        self.completed += len(records)
        self._left.extendleft(number for number in reversed(numbers) if number not in records)

    def _next_chunk(self) -> list[int]:
        """So many points as take about a chunk's time, and fewer towards the end, so that all workers end together."""
        most = math.ceil(len(self._left) / (2 * self._busy))
        wanted, least = FIRST_CHUNK, 1
        if self._seconds_per_point is not None:
            wanted = int(CHUNK_SECONDS / self._seconds_per_point)
            least = max(1, int(LEAST_CHUNK_SECONDS / self._seconds_per_point))
        size = max(least, min(wanted, most))
        return [self._left.popleft() for _ in range(min(size, len(self._left)))]

    async def _obtain(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """The bytes of some points by their numbers, from the cache or computed now; of the slow ones, the first."""
        if not numbers:
            return {}
        names = {number: f"point:{key}" for number, key in zip(numbers, self._plan.keys(numbers), strict=True)}
        cached = await self._means.cache.get_many(list(names.values()))
        records = {number: record for number, record in zip(numbers, cached, strict=True) if record is not None}
        missing = [number for number in numbers if number not in records]
        if missing:
            seconds, computed = await self._paid(missing)
            self._share.charge(seconds)
            self._seconds_per_point = max(seconds / len(computed), 1e-6)
            fresh = dict(zip(missing, computed, strict=False))
            lasting = {names[number]: record for number, record in fresh.items() if not is_refusal(record)}
            await self._means.cache.put_many(lasting)
            records |= fresh
        return records

    async def _paid(self, numbers: Sequence[int]) -> tuple[float, list[bytes]]:
        """Compute the first of some points; their owner pays for the time of the worker, to whatever end."""
        taken: list[float] = []
        done = 1
        try:
            seconds, computed = await self._attempt((timed, self._plan.compute(numbers, CHUNK_SECONDS)), taken.append)
            done = len(computed)
        finally:
            with CancelScope(shield=True):
                spent = done * self._plan.flops_of_a_point
                await self._means.charges.charge(self._job.owner, sum(taken), spent)
        return seconds, computed

    async def _until_there_is_room(self) -> None:
        """Wait while the owner has used up his quota."""
        while True:
            wait_seconds = await self._means.charges.seconds_until_room(self._job.owner)
            if not wait_seconds:
                return
            await sleep(min(wait_seconds, ROOM_SECONDS))

    def _keep(self, number: int, record: bytes) -> None:
        self._record_bytes += len(record)
        if self._record_bytes > self._means.most_record_bytes:
            raise TooLargeError(
                f"the points take more than {self._means.most_record_bytes} bytes together, which is the limit (a "
                "multiple of LINDYN_MAX_RESULT_BYTES); collect scalars instead of quantities, or fewer points or times"
            )
        if self._kept_bytes + len(record) <= KEPT_BYTES:
            self._kept_bytes += len(record)
            self._kept[number] = record

    async def _deliver(self) -> int:
        """Put the result together, and keep it; tells how many bytes of it the store has."""
        async with self._means.assembling:
            async with self._means.shares.turn(self._share):
                archive = await self._assemble()
            return await insist(self._job.id, lambda: self._put(archive))

    async def _put(self, archive: bytes) -> int:
        """Keep the result; where others that are being read take all the room, wait for them for a while."""
        until = current_time() + READERS_SECONDS
        while True:
            try:
                return await self._means.results.put(self._job.id, archive)
            except BusyError:
                if current_time() >= until:
                    raise
            await sleep(RETRY_SECONDS)

    async def _assemble(self) -> bytes:
        """Read back what was not kept; what was evicted meanwhile is computed again."""
        left = deque(number for number in range(self._plan.total) if number not in self._kept)
        records = self._kept
        while left:
            part = [left.popleft() for _ in range(min(READ_AT_ONCE, len(left)))]
            found = await self._obtain(part)
            records |= found
            left.extendleft(number for number in reversed(part) if number not in found)
        in_order = [records[number] for number in range(self._plan.total)]
        return await self._attempt(self._plan.assemble(self._job.id, in_order))

    async def _attempt(self, call: Call, told: Told | None = None) -> Any:  # noqa: ANN401 (what the function returns)
        """Run a call; a process that dies on the way costs another attempt."""
        function, arguments = call
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._means.engine.run(function, *arguments, told=told)
            except (BusyError, WorkerLostError) as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("job %s tries again: %s", self._job.id, error)
                await sleep(RETRY_SECONDS * attempt)
        raise AssertionError
