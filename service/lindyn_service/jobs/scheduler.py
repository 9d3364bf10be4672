"""Runs jobs: takes what waits, computes what the cache does not have, notes how far it is."""

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
from lindyn_service.jobs.store_retries import end
from lindyn_service.jobs.waiting_jobs import WaitingJobs

MOST_HELD = 32
MOST_OF_ONE = 4
POLL_SECONDS = 0.25
LEASE_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
AGAIN_SECONDS = 5.0

log = logging.getLogger(__name__)


class JobScheduler:
    """Several may run in several processes: each job is held by one of them, by a lease that it renews.

    Args:
        means: what jobs are done with.
        limits: on sweeps.
    """

    def __init__(self, means: JobResources, limits: SweepLimits) -> None:
        self._means = means
        self._limits = limits
        self._taken: dict[str, str | None] = {}  # owners of jobs
        self._recollection = WaitingJobs(means.store)
        self._wake = Event()

    def wake(self) -> None:
        """Look for jobs now."""
        self._wake.set()

    async def run(self) -> None:
        """Run jobs until cancelled; those that are under way go back to the queue by their leases.

        Raises:
            EngineLostError: in a group; the engine must be started again.
        """
        async with create_task_group() as tasks:
            tasks.start_soon(self._expire)
            while True:
                self._wake = Event()
                try:
                    active = await self._means.store.active()
                    self._take_some(tasks, active)
                    await self._recollection.compare([job.id for job in active], self._taken)
                except JobsUnavailableError as error:
                    log.warning("%s", error)
                with move_on_after(POLL_SECONDS):
                    await self._wake.wait()

    def _take_some(self, tasks: TaskGroup, active: Sequence[Active]) -> None:
        """Take the oldest jobs, those of owners of whom fewest are held first; one of each owner in any case."""
        held = Counter(self._taken.values())
        waiting = [job for job in active if job.id not in self._taken]
        while waiting:
            job = min(waiting, key=lambda each: held[each.owner])
            if held[job.owner] >= (MOST_OF_ONE if len(self._taken) < MOST_HELD else 1):
                break
            waiting.remove(job)
            held[job.owner] += 1
            self._taken[job.id] = job.owner
            tasks.start_soon(self._take, job.id)

    async def _take(self, job_id: str) -> None:
        try:
            async with self._means.cache.lease(f"job:{job_id}", LEASE_SECONDS) as held:
                if held:
                    await self._hold(job_id)
        except EngineLostError:
            raise
        except JobsUnavailableError as error:
            log.warning("job %s waits: %s", job_id, error)
            await sleep(AGAIN_SECONDS)
        except Exception:
            log.exception("job %s is left, to be taken again", job_id)
            await sleep(AGAIN_SECONDS)
        finally:
            del self._taken[job_id]

    async def _hold(self, job_id: str) -> None:
        store = self._means.store
        job = await store.get(job_id)
        if job is None:
            await store.forget(job_id)
            return
        request = await store.request(job_id)
        if job.state in FINAL or not await store.start(job_id):
            return
        run: JobExecution | None = None
        try:
            if request is None:
                raise DamagedJobError("the store of jobs has lost the request of this job; post it again")
            run = JobExecution(job, request, self._limits, self._means)
            await run.run()
        except EngineLostError:
            raise
        except ShuttingDownError:
            log.info("job %s goes back to the queue", job_id)
        except Exception as error:
            await self._fail(job, request, run, error)

    async def _fail(self, job: Job, request: bytes | None, run: JobExecution | None, error: Exception) -> None:
        """Note why a job failed; what it has to do with no other job ends here."""
        if not isinstance(error, ServiceError):
            log.error("job %s failed", job.id, exc_info=error)
            error = InternalError(f"the service failed; report the job's id, {job.id}")
        problem = Problem(
            type=f"/problems/{error.code}", code=error.code, title=error.title, status=error.status, detail=error.detail
        )
        completed = 0 if run is None else run.completed
        await end(self._means.store, job, request, "failed", problem, completed=completed)

    async def _expire(self) -> None:
        while True:
            try:
                await self._means.store.expire()
            except JobsUnavailableError as error:
                log.debug("%s", error)
            await sleep(EXPIRE_SECONDS)
