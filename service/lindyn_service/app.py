"""The composition root: everything is constructed here, from settings."""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from anyio import TASK_STATUS_IGNORED, Event, create_task_group
from anyio.abc import TaskStatus
from fastapi import FastAPI

from lindyn_service import warmup
from lindyn_service.answer import Answers, Limits
from lindyn_service.cache.embedded import EmbeddedUnavailableError, embedded_valkey
from lindyn_service.cache.memory import MemoryCache
from lindyn_service.cache.redis import RedisCache
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http import analyses, health, middleware, openapi, problems, trajectories
from lindyn_service.settings import Settings, SettingsError
from lindyn_service.translate.encode import VERSION

_DESCRIPTION = "Exact learning dynamics of deep linear networks."

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Build the service; it starts its workers and caches when the server starts it.

    When `app.state.stopping` is set, it ends its work in the grace time and refuses more.

    Raises:
        SettingsError: an address cannot be understood.
    """
    if settings.redis_url is not None:
        _redis_cache(settings, settings.redis_url)
    app = FastAPI(
        title="lindyn",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.add_middleware(middleware.RequestLog)
    problems.install(app)
    openapi.install(app)
    app.include_router(trajectories.router)
    app.include_router(analyses.router)
    app.include_router(health.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    settings: Settings = app.state.settings
    engine = ProcessEngine(
        settings.workers,
        settings.queue,
        settings.deadline_seconds,
        grace_seconds=settings.grace_seconds,
        warm_up=warmup.solve_something,
    )
    limits = Limits(settings.max_answer_bytes, settings.max_work_bytes, settings.max_flops, settings.deadline_seconds)
    async with AsyncExitStack() as stack:
        shared = await _shared_cache(settings, stack)
        answers = Answers(engine, MemoryCache(settings.memory_cache_bytes), shared, limits)
        app.state.engine, app.state.shared, app.state.answers = engine, shared, answers
        app.state.stopping = Event()
        tasks = await stack.enter_async_context(create_task_group())
        stack.callback(app.state.stopping.set)
        await tasks.start(_work, answers, engine, app.state.stopping)
        yield


async def _work(
    answers: Answers, engine: ProcessEngine, stopping: Event, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
) -> None:
    """Keep the workers until the service stops. That is before the last answers are sent, so not in the lifespan."""
    async with answers, engine:
        task_status.started()
        await stopping.wait()


async def _shared_cache(settings: Settings, stack: AsyncExitStack) -> RedisCache | None:
    """The Redis that was asked for, else a private Valkey, else none: slower, never an error."""
    url = settings.redis_url
    if url is None and settings.embedded_cache:
        try:
            url = await stack.enter_async_context(embedded_valkey(settings.embedded_cache_bytes))
        except EmbeddedUnavailableError as error:
            log.warning("no shared cache: %s", error)
    if url is None:
        return None
    cache = _redis_cache(settings, url)
    stack.push_async_callback(cache.aclose)
    return cache


def _redis_cache(settings: Settings, url: str) -> RedisCache:
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
        raise SettingsError(
            "LINDYN_REDIS_URL: expected redis://host:port/0, rediss://host:port/0 or unix:///path, "
            "got something else (not shown, it may hold a password)"
        ) from None
