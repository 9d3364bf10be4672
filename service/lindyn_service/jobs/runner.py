"""Runs jobs: takes what waits, computes what the cache does not have, notes how far it is."""

import logging
from collections.abc import Callable, Sequence

from anyio import Event, create_task_group, move_on_after, sleep
from anyio.abc import TaskGroup

from lindyn.wire.job import FINAL
from lindyn.wire.problem import Problem
from lindyn_service.cache.redis import RedisCache
from lindyn_service.engine.base import Engine, EngineLostError
from lindyn_service.errors import InternalError, JobsUnavailableError, ServiceError, ShuttingDownError
from lindyn_service.jobs.plan import plan_of
from lindyn_service.jobs.recollection import Recollection
from lindyn_service.jobs.run import JobRun
from lindyn_service.jobs.store import JobStore

MOST_AT_ONCE = 4
POLL_SECONDS = 0.25
LEASE_SECONDS = 10.0
EXPIRE_SECONDS = 60.0

log = logging.getLogger(__name__)


class JobRunner:
    """Several may run in several processes: each job is held by one of them, by a lease that it renews.

    Args:
        store: of the jobs.
        cache: of their points.
        engine: computes.
        width: how many chunks of a job to compute at the same time.
    """

    def __init__(self, store: JobStore, cache: RedisCache, engine: Engine, width: Callable[[], int]) -> None:
        self._store = store
        self._cache = cache
        self._engine = engine
        self._width = width
        self._taken: set[str] = set()
        self._recollection = Recollection(store)
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
                    active = await self._store.active()
                    self._take_some(tasks, active)
                    await self._recollection.compare(active, self._taken)
                except JobsUnavailableError as error:
                    log.warning("%s", error)
                with move_on_after(POLL_SECONDS):
                    await self._wake.wait()

    def _take_some(self, tasks: TaskGroup, waiting: Sequence[str]) -> None:
        for job_id in waiting:
            if job_id not in self._taken and len(self._taken) < MOST_AT_ONCE:
                self._taken.add(job_id)
                tasks.start_soon(self._take, job_id)

    async def _take(self, job_id: str) -> None:
        try:
            async with self._cache.lease(f"job:{job_id}", LEASE_SECONDS) as held:
                if held:
                    await self._hold(job_id)
        except JobsUnavailableError as error:
            log.warning("job %s waits: %s", job_id, error)
        finally:
            self._taken.discard(job_id)

    async def _hold(self, job_id: str) -> None:
        job, request = await self._store.get(job_id), await self._store.request(job_id)
        if job is None or request is None or job.state in FINAL:
            return
        await self._store.start(job_id)
        run = JobRun(job, request, plan_of(job.kind, request), self._store, self._cache, self._engine, self._width)
        try:
            await run.run()
        except EngineLostError:
            raise
        except ShuttingDownError:
            log.info("job %s goes back to the queue", job_id)
        except ServiceError as error:
            await run.end("failed", _problem(error))
        except Exception:
            log.exception("job %s failed", job_id)
            await run.end("failed", _problem(InternalError(f"the service failed; report the job's id, {job_id}")))

    async def _expire(self) -> None:
        while True:
            try:
                await self._store.expire()
            except JobsUnavailableError as error:
                log.debug("%s", error)
            await sleep(EXPIRE_SECONDS)


def _problem(error: ServiceError) -> Problem:
    return Problem(
        type=f"/problems/{error.code}", code=error.code, title=error.title, status=error.status, detail=error.detail
    )
