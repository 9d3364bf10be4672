"""The runner of jobs in a thread of its own, so that requests never wait for it."""

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
from lindyn_service.engine.base import Engine
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
RECORD_BYTES = 4  # of points as JSON for each byte of a table, generously

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engines:
    """What computes.

    Attributes:
        of_points: computes points, perhaps on other machines.
        here: on this machine, where it may use files of the service.
        width: how many calls of points there are at the same time.
    """

    of_points: Engine
    here: Engine
    width: Callable[[], int]


@dataclass(frozen=True)
class SchedulerResources:
    """What the runner needs; made in its thread, since all of it belongs to one event loop.

    Attributes:
        store: makes the store of jobs.
        cache: makes the cache of points.
        results: makes what keeps results.
        engines: starts what computes.
        points: where the points of a job are for as long as its result is put together.
        limits: on sweeps.
        charges: what owners pay.
    """

    store: Callable[[], JobStore]
    cache: Callable[[], RedisCache]
    results: Callable[[JobStore], Results]
    engines: Callable[[], AbstractAsyncContextManager[Engines]]
    points: Spool
    limits: SweepLimits
    charges: Charges


class _Control:
    """What the thread's event loop is told from outside."""

    def __init__(self) -> None:
        self.stop = Event()
        self.awake = Event()
        self.runner: JobScheduler | None = None

    def wake(self) -> None:
        self.awake.set()
        if self.runner is not None:
            self.runner.wake()


@asynccontextmanager
async def scheduler_thread(
    equipment: SchedulerResources, failed: Callable[[BaseException], None]
) -> AsyncGenerator[Callable[[], None]]:
    """Run jobs for the length of the block; yields what wakes the runner when there is a new one.

    Args:
        equipment: of the runner.
        failed: is told, in another thread, by which error the runner ended for good.
    """
    options = {"use_uvloop": sys.platform != "win32"}
    with start_blocking_portal("asyncio", options, name="lindyn-jobs") as portal:
        done, control = await to_thread.run_sync(portal.start_task, _main, equipment)

        def ended(future: "Future[None]") -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                failed(error)

        done.add_done_callback(ended)
        try:
            yield lambda: _tell(portal, control.wake)
        finally:
            _tell(portal, control.stop.set)
            await to_thread.run_sync(wait, [done])


def _tell(portal: BlockingPortal, function: Callable[[], None]) -> None:
    portal.start_task_soon(function)


async def _main(equipment: SchedulerResources, *, task_status: TaskStatus[_Control] = TASK_STATUS_IGNORED) -> None:
    control = _Control()
    async with AsyncExitStack() as stack:
        store, cache = equipment.store(), equipment.cache()
        stack.push_async_callback(store.aclose)
        stack.push_async_callback(cache.aclose)
        async with create_task_group() as tasks:
            tasks.start_soon(_run, equipment, store, cache, control)
            task_status.started(control)
            await control.stop.wait()
            tasks.cancel_scope.cancel()


async def _run(equipment: SchedulerResources, store: JobStore, cache: RedisCache, control: _Control) -> None:
    """Start the engine with the first job, and again when it cannot be started or breaks."""
    while True:
        await _first_job(store, control)
        try:
            async with equipment.engines() as engines:
                control.runner = JobScheduler(_means(equipment, store, cache, engines), equipment.limits)
                await control.runner.run()
        except Exception:
            log.exception("the engine of jobs failed; starting it again")
            await sleep(RESTART_SECONDS)
        finally:
            control.runner = None


def _means(equipment: SchedulerResources, store: JobStore, cache: RedisCache, engines: Engines) -> JobResources:
    return JobResources(
        store,
        cache,
        engines.of_points,
        engines.here,
        FairShares(engines.width),
        equipment.charges,
        equipment.results(store),
        equipment.points,
        RECORD_BYTES * equipment.limits.result_bytes,
        Lock(),
    )


async def _first_job(store: JobStore, control: _Control) -> None:
    while True:
        control.awake = Event()
        try:
            if await store.active():
                return
        except JobsUnavailableError as error:
            log.debug("%s", error)
        with move_on_after(POLL_SECONDS):
            await control.awake.wait()
