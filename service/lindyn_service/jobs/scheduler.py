"""Scheduler of jobs: takes waiting jobs from the job store and executes them."""

import logging
from collections import Counter
from collections.abc import Sequence

from anyio import Event, create_task_group, move_on_after, sleep
from anyio.abc import TaskGroup

from lindyn.wire.job import FINAL, Job
from lindyn.wire.problem import Problem
from lindyn_service.engine.base import EngineLostError
from lindyn_service.errors import InternalError, ServiceError, ShuttingDownError
from lindyn_service.jobs.errors import DamagedJobError, JobsUnavailableError
from lindyn_service.jobs.execution import JobExecution
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.store import Active
from lindyn_service.jobs.store_retries import end_job
from lindyn_service.jobs.waiting_jobs import WaitingJobs

MAX_HELD_JOBS = 32
MAX_HELD_JOBS_PER_OWNER = 4
POLL_SECONDS = 0.25
LEASE_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


class JobScheduler:
    """Executes jobs; schedulers in several processes share a job store, and each holds a lease on its jobs.

    Args:
        resources: resources of all jobs.
        limits: limits of sweeps.
    """

    def __init__(self, resources: JobResources, limits: SweepLimits) -> None:
        self._resources = resources
        self._limits = limits
        self._taken: dict[str, str | None] = {}  # job id: owner
        self._waiting_jobs = WaitingJobs(resources.store)
        self._wake = Event()

    def wake(self) -> None:
        """Look for new jobs now."""
        self._wake.set()

    async def run(self) -> None:
        """Execute jobs until cancelled; when its lease expires, another scheduler takes over a job that was running.

        Raises:
            EngineLostError: in an exception group; the engine must be restarted.
        """
        async with create_task_group() as tasks:
            tasks.start_soon(self._expire)
            while True:
                self._wake = Event()
                try:
                    active = await self._resources.store.active()
                    self._take_jobs(tasks, active)
                    await self._waiting_jobs.reconcile([job.id for job in active], self._taken)
                except JobsUnavailableError as error:
                    log.warning("%s", error)
                with move_on_after(POLL_SECONDS):
                    await self._wake.wait()

    def _take_jobs(self, tasks: TaskGroup, active: Sequence[Active]) -> None:
        """Take waiting jobs: those of owners with the fewest held jobs first, and the oldest of each owner.

        At least one job of each owner is held, even when `MAX_HELD_JOBS` are held in total.
        """
        held = Counter(self._taken.values())
        waiting = [job for job in active if job.id not in self._taken]
        while waiting:
            job = min(waiting, key=lambda job: held[job.owner])
            if held[job.owner] >= (MAX_HELD_JOBS_PER_OWNER if len(self._taken) < MAX_HELD_JOBS else 1):
                break
            waiting.remove(job)
            held[job.owner] += 1
            self._taken[job.id] = job.owner
            tasks.start_soon(self._take, job.id)

    async def _take(self, job_id: str) -> None:
        try:
            async with self._resources.cache.lease(f"job:{job_id}", LEASE_SECONDS) as acquired:
                if acquired:
                    await self._execute(job_id)
        except EngineLostError:
            raise
        except JobsUnavailableError as error:
            log.warning("job %s waits: %s", job_id, error)
            await sleep(RETRY_SECONDS)
        except Exception:
            log.exception("job %s was interrupted and will be taken again", job_id)
            await sleep(RETRY_SECONDS)
        finally:
            del self._taken[job_id]

    async def _execute(self, job_id: str) -> None:
        store = self._resources.store
        job = await store.get(job_id)
        if job is None:
            await store.forget(job_id)
            return
        request = await store.request(job_id)
        if job.state in FINAL or not await store.start(job_id):
            return
        execution: JobExecution | None = None
        try:
            if request is None:
                raise DamagedJobError("the job store has lost the request of this job; post it again")
            execution = JobExecution(job, request, self._limits, self._resources)
            await execution.run()
        except EngineLostError:
            raise
        except ShuttingDownError:
            log.info("job %s goes back to the queue", job_id)
        except Exception as error:
            completed = 0 if execution is None else execution.completed
            await self._fail(job, request, completed, error)

    async def _fail(self, job: Job, request: bytes | None, completed: int, error: Exception) -> None:
        """Record the failure of a job; the error does not propagate, since it does not concern other jobs."""
        if not isinstance(error, ServiceError):
            log.error("job %s failed", job.id, exc_info=error)
            error = InternalError(f"the service failed; report the job's id, {job.id}")
        problem = Problem(
            type=f"/problems/{error.code}", code=error.code, title=error.title, status=error.status, detail=error.detail
        )
        await end_job(self._resources.store, job, request, "failed", problem, completed=completed)

    async def _expire(self) -> None:
        while True:
            try:
                await self._resources.store.expire()
            except JobsUnavailableError as error:
                log.debug("%s", error)
            await sleep(EXPIRE_SECONDS)
