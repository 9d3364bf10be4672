"""One job from its first point to its result."""

import logging
import math
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from anyio import CancelScope, create_task_group, sleep
from anyio.abc import TaskGroup

from lindyn.wire.job import Job
from lindyn_service.jobs.delivery import Delivery
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.fair_shares import Share
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.plan import damaged
from lindyn_service.jobs.point_source import CHUNK_SECONDS, PointSource
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.store_retries import StoreRetries, end
from lindyn_service.jobs.stored_requests import StoredRequest
from lindyn_service.jobs.worker_calls import Asker
from lindyn_service.jobs.worker_functions import outline

LEAST_CHUNK_SECONDS = 0.04  # below, the way to another machine and back is the longer part
FIRST_CHUNK = 4
REPORT_SECONDS = 0.2
ROOM_SECONDS = 5.0  # between two looks whether an owner has room again

log = logging.getLogger(__name__)


class JobExecution:
    """Computes the points that the cache does not have, in chunks of about the same time.

    Args:
        job: as it was when it was taken.
        request: as it was stored.
        limits: on what it may ask for.
        means: with what.
    """

    def __init__(self, job: Job, request: bytes, limits: SweepLimits, means: JobResources) -> None:
        self.completed = 0
        self._job = job
        self._request = request
        self._limits = limits
        self._means = means
        self._share: Share
        self._source: PointSource
        self._left: deque[int] = deque()
        self._busy = 0
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Compute, assemble and store, or stop where the job is cancelled.

        Raises:
            Exception: whatever reading the request, a point, the assembly or the store raised.
        """
        kept_bytes: int | None = None
        with self._means.shares.join(self._job.owner) as self._share, CancelScope() as scope:
            async with create_task_group() as reports:
                reports.start_soon(self._report, scope)
                try:
                    kept_bytes = await self._compute_and_deliver()
                except Exception as error:
                    self._failure = error  # raised below: the task group would wrap it in a group
                reports.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        state = "cancelled" if kept_bytes is None else "done"
        told = self._means.store, self._job, self._request, state
        await end(*told, completed=self.completed, kept_bytes=kept_bytes or 0)

    async def _compute_and_deliver(self) -> int | None:
        """Tells how many bytes of the result the store has, where no point failed."""
        asker = Asker(self._job.id, StoredRequest.of(self._job.kind, self._request, self._limits))
        async with self._turn():
            found = await asker.ask(self._means.here, outline)
        if found.total != self._job.total:
            raise damaged(self._job.kind, f"it was posted with {self._job.total} points, and has {found.total} now")
        self._source = PointSource(self._job.owner, found, asker, self._means, self._share)
        self._left.extend(range(found.total))
        async with create_task_group() as work:
            work.start_soon(self._staff, work)
        if self._failure is not None:
            return None
        return await Delivery(self._job.id, self._source, asker, self._means, self._turn).deliver()

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
                async with self._turn():
                    await self._work_on(self._next_chunk())
            self._busy -= 1
            if not self._busy:
                all_work.cancel()
        except Exception as error:
            self._failure = error  # a task group would wrap it
            all_work.cancel()

    async def _work_on(self, numbers: Sequence[int]) -> None:
        records = await self._source.obtain(numbers)
        for number, record in records.items():
            self._source.count(number, record)
        self.completed += len(records)
        self._left.extendleft(number for number in reversed(numbers) if number not in records)

    def _next_chunk(self) -> list[int]:
        """So many points as take about a chunk's time, and fewer towards the end, so that all workers end together."""
        most = math.ceil(len(self._left) / (2 * self._busy))
        wanted, least, seconds_per_point = FIRST_CHUNK, 1, self._source.seconds_per_point
        if seconds_per_point is not None:
            wanted = int(CHUNK_SECONDS / seconds_per_point)
            least = max(1, int(LEAST_CHUNK_SECONDS / seconds_per_point))
        size = max(least, min(wanted, most))
        return [self._left.popleft() for _ in range(min(size, len(self._left)))]

    async def _until_there_is_room(self) -> None:
        """Wait while the owner has used up his quota."""
        while True:
            wait_seconds = await self._means.charges.seconds_until_room(self._job.owner)
            if not wait_seconds:
                return
            await sleep(min(wait_seconds, ROOM_SECONDS))

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._means.shares.turn(self._share)
