"""Execution of one job: computation of its points, assembly and storage of its result."""

import logging
import math
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing

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
from lindyn_service.jobs.store_retries import StoreRetries, end_job
from lindyn_service.jobs.stored_requests import StoredRequest
from lindyn_service.jobs.worker_calls import PlanCaller
from lindyn_service.jobs.worker_functions import outline

MIN_CHUNK_SECONDS = 0.04  # shorter chunks would take longer to travel to another machine than to compute
FIRST_CHUNK = 4
REPORT_SECONDS = 0.2
QUOTA_POLL_SECONDS = 5.0

log = logging.getLogger(__name__)


class JobExecution:
    """Executes a job; points that the cache does not have are computed in chunks of about the same time.

    Args:
        job: the job, as it was when the scheduler took it.
        request: the request of the job, as it was stored.
        limits: limits of sweeps.
        resources: resources of all jobs.
    """

    def __init__(self, job: Job, request: bytes, limits: SweepLimits, resources: JobResources) -> None:
        self.completed = 0
        self._job = job
        self._request = request
        self._limits = limits
        self._resources = resources
        self._share: Share
        self._source: PointSource
        self._remaining: deque[int] = deque()
        self._n_loops = 0
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Compute the points, assemble and store the result; stop if the job is cancelled.

        Raises:
            Exception: raised by reading the request, by a point, by the assembly or by the job store.
        """
        kept_bytes: int | None = None
        with self._resources.shares.join(self._job.owner) as self._share, CancelScope() as scope:
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
        await end_job(
            self._resources.store,
            self._job,
            self._request,
            state,
            completed=self.completed,
            kept_bytes=kept_bytes or 0,
        )

    async def _compute_and_deliver(self) -> int | None:
        """Return the number of bytes of the result in the job store, or None if a point failed."""
        plan_caller = PlanCaller(self._job.id, StoredRequest.of(self._job.kind, self._request, self._limits))
        async with self._turn():
            points = await plan_caller.call(self._resources.local_engine, outline)
        if points.total != self._job.total:
            raise damaged(self._job.kind, f"it was posted with {self._job.total} points, and has {points.total} now")
        self._source = PointSource(self._job.owner, points, plan_caller, self._resources, self._share)
        with closing(self._source):
            for stage in points.stages:
                self._remaining.extend(stage)
                async with create_task_group() as loops:
                    loops.start_soon(self._start_loops, loops)
                if self._failure is not None:
                    return None
            return await Delivery(self._job.id, self._source, plan_caller, self._resources, self._turn).deliver()

    async def _report(self, scope: CancelScope) -> None:
        """Report progress to the store; stop the job if it was cancelled, or if the store keeps refusing the report."""
        store, retries = self._resources.store, StoreRetries(self._job.id)
        while True:
            try:
                if not await store.progress(self._job.id, self.completed):
                    log.warning("the job store has lost job %s; restoring it", self._job.id)
                    await store.restore(self._job, self._request)
                    await store.start(self._job.id)
                elif await store.is_cancelled(self._job.id):
                    scope.cancel()
                retries.succeeded()
            except JobsUnavailableError as error:
                try:
                    retries.failed(error)
                except JobsUnavailableError:
                    self._failure = error
                    scope.cancel()
                    return
            await sleep(REPORT_SECONDS)

    async def _start_loops(self, loops: TaskGroup) -> None:
        """Keep as many chunks in flight as the engine has width, which may grow."""
        while True:
            for _ in range(self._resources.shares.width() - self._n_loops):
                self._n_loops += 1
                loops.start_soon(self._compute_chunks, loops.cancel_scope)
            await sleep(REPORT_SECONDS)

    async def _compute_chunks(self, all_loops: CancelScope) -> None:
        """Compute one chunk after the other until no points remain."""
        try:
            while self._remaining:
                await self._wait_for_quota()
                async with self._turn():
                    await self._compute_chunk(self._next_chunk())
            self._n_loops -= 1
            if not self._n_loops:
                all_loops.cancel()
        except Exception as error:
            self._failure = error  # raised by `run`: the task group would wrap it in a group
            all_loops.cancel()

    async def _compute_chunk(self, numbers: Sequence[int]) -> None:
        records = await self._source.obtain(numbers)
        for number, record in records.items():
            self._source.count(number, record)
        self.completed += len(records)
        self._remaining.extendleft(number for number in reversed(numbers) if number not in records)

    def _next_chunk(self) -> list[int]:
        """Take the points of the next chunk: about `CHUNK_SECONDS` of work, and less towards the end of the job.

        The last chunks are smaller, so that all workers finish at about the same time.
        """
        max_size = math.ceil(len(self._remaining) / (2 * self._n_loops))
        target_size, min_size, seconds_per_point = FIRST_CHUNK, 1, self._source.seconds_per_point
        if seconds_per_point is not None:
            target_size = int(CHUNK_SECONDS / seconds_per_point)
            min_size = max(1, int(MIN_CHUNK_SECONDS / seconds_per_point))
        size = max(min_size, min(target_size, max_size))
        return [self._remaining.popleft() for _ in range(min(size, len(self._remaining)))]

    async def _wait_for_quota(self) -> None:
        """Wait while the quota of the owner is exhausted."""
        while True:
            wait_seconds = await self._resources.charges.seconds_until_room(self._job.owner)
            if not wait_seconds:
                return
            await sleep(min(wait_seconds, QUOTA_POLL_SECONDS))

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._resources.shares.turn(self._share)
