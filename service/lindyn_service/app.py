"""The composition root: everything is constructed here, from settings."""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from lindyn_service import warmup
from lindyn_service.answer import Answers, Limits
from lindyn_service.cache.embedded import EmbeddedUnavailableError, embedded_valkey
from lindyn_service.cache.memory import MemoryCache
from lindyn_service.cache.redis import RedisCache
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http import health, middleware, openapi, problems, trajectories
from lindyn_service.settings import Settings
from lindyn_service.translate import VERSION

_DESCRIPTION = "Exact learning dynamics of deep linear networks."

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Build the service; it starts its workers and caches when the server starts it."""
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
    app.include_router(health.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        engine = ProcessEngine(
            settings.workers,
            settings.queue,
            settings.deadline_seconds,
            grace_seconds=settings.grace_seconds,
            warm_up=warmup.solve_something,
        )
        app.state.engine = await stack.enter_async_context(engine)
        app.state.shared = await _shared_cache(settings, stack)
        limits = Limits(
            settings.max_answer_bytes, settings.max_work_bytes, settings.max_flops, settings.deadline_seconds
        )
        answers = Answers(engine, MemoryCache(settings.memory_cache_bytes), app.state.shared, limits)
        app.state.answers = await stack.enter_async_context(answers)
        yield


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
    cache = RedisCache(
        url,
        namespace="lindyn",
        max_value_bytes=settings.cache_value_bytes,
        time_to_live_seconds=settings.cache_seconds,
        timeout_seconds=settings.redis_timeout_seconds,
        retry_seconds=1.0,
    )
    stack.push_async_callback(cache.aclose)
    return cache
