"""Caches, the store of jobs and what computes them, constructed from settings for the composition root."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from lindyn_service import warmup
from lindyn_service.cache.embedded import EmbeddedUnavailableError, embedded_valkey
from lindyn_service.cache.redis import RedisCache
from lindyn_service.engine.base import Engine
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.jobs.background import Equipment, background_jobs
from lindyn_service.jobs.runner import MOST_AT_ONCE
from lindyn_service.jobs.store import JobStore
from lindyn_service.settings import Settings, SettingsError
from lindyn_service.spool.private import private_folder
from lindyn_service.spool.store import PREFIX, Spool

BAD_REDIS_URL = (
    "LINDYN_REDIS_URL: expected redis://host:port/0, rediss://host:port/0 or unix:///path, "
    "got something else (not shown, it may hold a password)"
)

log = logging.getLogger(__name__)


async def redis_url(settings: Settings, stack: AsyncExitStack) -> str | None:
    """The Redis that was asked for, else a private Valkey, else none: slower, never an error."""
    if settings.redis_url is None and settings.embedded_cache:
        try:
            return await stack.enter_async_context(embedded_valkey(settings.embedded_cache_bytes))
        except EmbeddedUnavailableError as error:
            log.warning("no shared cache: %s", error)
    return settings.redis_url


def redis_cache(settings: Settings, url: str) -> RedisCache:
    """The cache of a Redis; making it does no I/O.

    Raises:
        SettingsError: the address cannot be understood.
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


def spool(settings: Settings, stack: AsyncExitStack) -> Spool | None:
    """Where large answers are kept: a folder that was chosen, which outlives the service, or one of its own."""
    if not settings.spool_bytes:
        return None
    return Spool(settings.spool_folder or stack.enter_context(private_folder(PREFIX)), settings.spool_bytes)


async def jobs(
    settings: Settings, url: str | None, stack: AsyncExitStack
) -> tuple[JobStore | None, Callable[[], None]]:
    """The store of jobs, and what wakes their runner; no store without Redis."""
    if url is None:
        return None, lambda: None
    store = _job_store(settings, url)
    stack.push_async_callback(store.aclose)
    equipment = Equipment(
        store=lambda: _job_store(settings, url),
        cache=lambda: redis_cache(settings, url),
        engine=lambda: _job_engine(settings),
    )
    return store, await stack.enter_async_context(background_jobs(equipment))


def _job_store(settings: Settings, url: str) -> JobStore:
    return JobStore(
        url,
        namespace="lindyn",
        most_active=settings.max_jobs,
        most_of_one=settings.key_max_jobs,
        keep_seconds=settings.job_seconds,
        timeout_seconds=4 * settings.redis_timeout_seconds,
    )


@asynccontextmanager
async def _job_engine(settings: Settings) -> AsyncGenerator[tuple[Engine, Callable[[], int]]]:
    """A Dask cluster where one is set, else worker processes of lower priority than those that answer requests."""
    if settings.dask_scheduler is not None or settings.dask_local is not None:
        from lindyn_service.engine.dask import DaskEngine  # noqa: PLC0415 (an extra, and slow to import)

        async with DaskEngine(settings.dask_scheduler, settings.dask_local or 0) as cluster:
            yield cluster, cluster.width
        return
    workers = settings.job_workers or settings.workers
    width = workers + 1  # one waits, so that no worker is idle from one chunk to the next
    async with ProcessEngine(
        workers,
        MOST_AT_ONCE * width,
        settings.job_deadline_seconds,
        grace_seconds=0.0,
        warm_up=partial(warmup.yield_to_others, settings.worker_memory_bytes),
    ) as engine:
        yield engine, lambda: width
