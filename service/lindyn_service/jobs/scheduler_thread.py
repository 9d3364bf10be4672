"""The scheduler of jobs in its own thread, so that it never delays requests."""

import logging
import sys
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from anyio import TASK_STATUS_IGNORED, Event, Lock, create_task_group, move_on_after, sleep, to_thread
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.base import Engine, EngineLostError
from lindyn_service.jobs.charges import Charges
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.fair_shares import FairShares
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.scheduler import POLL_SECONDS, JobScheduler
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.store import Spool

RESTART_SECONDS = 5.0
RECORD_BYTES = 4  # upper bound of the bytes of points in JSON per byte of the table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engines:
    """The engines of jobs.

    Attributes:
        points_engine: computes points, perhaps on other machines.
        local_engine: runs on this machine, where it can use files of the service.
        width: returns the number of chunks of points that may be in flight.
    """

    points_engine: Engine
    local_engine: Engine
    width: Callable[[], int]


@dataclass(frozen=True)
class SchedulerFactories:
    """Factories of the resources of the scheduler, called in its thread, since each belongs to one event loop.

    Attributes:
        store: constructs the job store.
        cache: constructs the cache of points.
        results: constructs the store of results.
        engines: starts the engines.
        points: spool for the points of a job while its result is assembled.
        limits: limits of sweeps.
        charges: charges to the quotas of the owners.
    """

    store: Callable[[], JobStore]
    cache: Callable[[], RedisCache]
    results: Callable[[JobStore], Results]
    engines: Callable[[], AbstractAsyncContextManager[Engines]]
    points: Spool
    limits: SweepLimits
    charges: Charges


class _Control:
    """Control of the scheduler by other threads, through its event loop."""

    def __init__(self) -> None:
        self.stop = Event()
        self.awake = Event()
        self.scheduler: JobScheduler | None = None

    def wake(self) -> None:
        self.awake.set()
        if self.scheduler is not None:
            self.scheduler.wake()


@asynccontextmanager
async def scheduler_thread(
    factories: SchedulerFactories, failed: Callable[[BaseException], None]
) -> AsyncGenerator[Callable[[], None]]:
    """Run the scheduler for the length of the block; yields a function that wakes it when a job is created.

    Args:
        factories: factories of the resources of the scheduler.
        failed: called in another thread with the error if the scheduler ends by one.
    """
    options = {"use_uvloop": sys.platform != "win32"}
    with start_blocking_portal("asyncio", options, name="lindyn-jobs") as portal:
        done, control = await to_thread.run_sync(portal.start_task, _main, factories)

        def ended(future: "Future[None]") -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                failed(error)

        done.add_done_callback(ended)
        try:
            yield lambda: _call_soon(portal, control.wake)
        finally:
            _call_soon(portal, control.stop.set)
            await to_thread.run_sync(wait, [done])


def _call_soon(portal: BlockingPortal, function: Callable[[], None]) -> None:
    portal.start_task_soon(function)


async def _main(factories: SchedulerFactories, *, task_status: TaskStatus[_Control] = TASK_STATUS_IGNORED) -> None:
    control = _Control()
    async with AsyncExitStack() as stack:
        store, cache = factories.store(), factories.cache()
        stack.push_async_callback(store.aclose)
        stack.push_async_callback(cache.aclose)
        async with create_task_group() as tasks:
            tasks.start_soon(_run, factories, store, cache, control)
            task_status.started(control)
            await control.stop.wait()
            tasks.cancel_scope.cancel()


async def _run(factories: SchedulerFactories, store: JobStore, cache: RedisCache, control: _Control) -> None:
    """Start the engines and the scheduler when there is a job, and restart them after a failure."""
    while True:
        await _first_job(store, control)
        try:
            async with factories.engines() as engines:
                resources = _job_resources(factories, store, cache, engines)
                control.scheduler = JobScheduler(resources, factories.limits)
                await control.scheduler.run()
        except EngineLostError as error:  # when it starts; the scheduler raises groups
            log.warning("jobs wait, since %s; it is asked again in %g s", error, RESTART_SECONDS)
            await sleep(RESTART_SECONDS)
        except Exception:
            log.exception("the engine of jobs failed; restarting it")
            await sleep(RESTART_SECONDS)
        finally:
            control.scheduler = None


def _job_resources(factories: SchedulerFactories, store: JobStore, cache: RedisCache, engines: Engines) -> JobResources:
    return JobResources(
        store,
        cache,
        engines.points_engine,
        engines.local_engine,
        FairShares(engines.width),
        factories.charges,
        factories.results(store),
        factories.points,
        RECORD_BYTES * factories.limits.result_bytes,
        Lock(),
    )


async def _first_job(store: JobStore, control: _Control) -> None:
    """Wait until a job waits or runs."""
    while True:
        control.awake = Event()
        try:
            if await store.active():
                return
        except JobsUnavailableError as error:
            log.debug("%s", error)
        with move_on_after(POLL_SECONDS):
            await control.awake.wait()
