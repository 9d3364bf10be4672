"""Construction of the caches, the job store and the engines of jobs from settings, for the composition root."""

import logging
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.cache.private_valkey import EmbeddedUnavailableError, embedded_valkey
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.configuration.settings import Settings, SettingsError
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http.state import JobService
from lindyn_service.jobs.charges import Charges
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.job_watch import JobWatch
from lindyn_service.jobs.point_source import CHUNK_SECONDS
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.scheduler_thread import RECORD_BYTES, Engines, SchedulerFactories, scheduler_thread
from lindyn_service.jobs.store import JobStore
from lindyn_service.server import warmup
from lindyn_service.spool.store import PREFIX, Spool
from lindyn_service.spool.temporary_folder import private_folder

BAD_REDIS_URL = (
    "LINDYN_REDIS_URL: expected redis://host:port/0, rediss://host:port/0 or unix:///path, "
    "got something else (not shown, since it may hold a password)"
)

_RESULTS_FOLDER = "results"
_POINTS_FOLDER = "points"
_REQUESTS_IN_STORE = 8  # number of requests of the largest size that fit into the job store

log = logging.getLogger(__name__)


async def redis_url(settings: Settings, stack: AsyncExitStack) -> str | None:
    """Return the URL of the configured Redis, or of a private Valkey, or None, without which the service is slower."""
    if settings.redis_url is None and settings.embedded_cache:
        try:
            return await stack.enter_async_context(embedded_valkey(settings.embedded_cache_bytes))
        except EmbeddedUnavailableError as error:
            log.warning("no shared cache: %s", error)
    return settings.redis_url


def redis_cache(settings: Settings, url: str) -> RedisCache:
    """Construct the shared cache, without I/O.

    Raises:
        SettingsError: the URL is invalid.
    """
    try:
        return RedisCache(
            url,
            namespace="lindyn",
            max_value_bytes=settings.cache_value_bytes,
            time_to_live_seconds=settings.cache_seconds,
            timeout_seconds=settings.redis_timeout_seconds,
            retry_seconds=1.0,
        )
    except ValueError:
        raise SettingsError(BAD_REDIS_URL) from None


def spool_folder(settings: Settings, stack: AsyncExitStack) -> Path:
    """Return the configured folder for files, which outlives the service, or create a temporary one."""
    return settings.spool_folder or stack.enter_context(private_folder(PREFIX))


def spool(settings: Settings, folder: Path) -> Spool | None:
    """Construct the store of large answers, or return None if LINDYN_SPOOL_BYTES is 0."""
    return Spool(folder, settings.spool_bytes) if settings.spool_bytes else None


def sweep_limits(settings: Settings) -> SweepLimits:
    """Return the limits of a single sweep."""
    return SweepLimits(
        points=settings.max_points,
        result_bytes=settings.max_result_bytes,
        request_bytes=settings.store_bytes // _REQUESTS_IN_STORE,
        point_bytes=settings.cache_value_bytes,
        point_flops=settings.max_flops,
        job_flops=settings.max_job_flops,
    )


async def jobs(
    settings: Settings,
    url: str,
    folder: Path,
    rates: RateLimits,
    on_failure: Callable[[BaseException], None],
    stack: AsyncExitStack,
) -> JobService:
    """Start the scheduler of jobs.

    Args:
        settings: settings of the service.
        url: URL of Redis.
        folder: folder in which a subfolder for large results is created.
        rates: the quotas to which the work of jobs is charged.
        on_failure: called in another thread with the error that ended the scheduler.
        stack: exit stack that closes store and scheduler.
    """
    store = _job_store(settings, url)
    stack.push_async_callback(store.aclose)
    factories = SchedulerFactories(
        store=lambda: _job_store(settings, url),
        cache=lambda: redis_cache(settings, url),
        results=lambda job_store: _results(settings, job_store, folder),
        engines=lambda: _job_engines(settings),
        points=Spool(folder / _POINTS_FOLDER, settings.processes * RECORD_BYTES * settings.max_result_bytes),
        limits=sweep_limits(settings),
        charges=Charges(rates),
    )
    wake = await stack.enter_async_context(scheduler_thread(factories, on_failure))
    return JobService(_results(settings, store, folder), JobWatch(store), wake)


def _results(settings: Settings, store: JobStore, folder: Path) -> Results:
    large = Spool(folder / _RESULTS_FOLDER, settings.results_bytes) if settings.results_bytes else None
    return Results(store, large, spool(settings, folder), settings.cache_value_bytes)


def _job_store(settings: Settings, url: str) -> JobStore:
    return JobStore(
        url,
        namespace="lindyn",
        max_active=settings.max_jobs,
        max_active_per_owner=settings.key_max_jobs,
        max_bytes=settings.store_bytes,
        keep_seconds=settings.job_seconds,
        timeout_seconds=4 * settings.redis_timeout_seconds,
    )


@asynccontextmanager
async def _job_engines(settings: Settings) -> AsyncGenerator[Engines]:
    """Start the engines of jobs: local workers of low priority, or a Dask cluster with one local worker."""
    async with AsyncExitStack() as stack:
        if settings.dask_scheduler is not None or settings.dask_local is not None:
            from lindyn_service.engine.dask import DaskEngine  # noqa: PLC0415 (an extra, and slow to import)

            cluster = await stack.enter_async_context(DaskEngine(settings.dask_scheduler, settings.dask_local or 0))
            local = await stack.enter_async_context(_job_workers(settings, 1, settings.max_jobs))
            yield Engines(cluster, local, cluster.width)
        else:
            workers = settings.job_workers or settings.workers
            width = workers + 1  # one chunk waits, so that no worker idles between two chunks
            engine = await stack.enter_async_context(_job_workers(settings, workers, width))
            yield Engines(engine, engine, lambda: width)


def _job_workers(settings: Settings, workers: int, queue: int) -> ProcessEngine:
    return ProcessEngine(
        workers,
        queue,
        math.inf,
        run_seconds=settings.job_deadline_seconds + CHUNK_SECONDS,
        grace_seconds=0.0,
        warm_up=warmup.for_jobs(settings.worker_memory_bytes),
    )
