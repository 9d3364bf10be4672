"""The composition root, which constructs all parts of the service from its settings."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from anyio import TASK_STATUS_IGNORED, Event, create_task_group, to_thread
from anyio.abc import TaskStatus
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware

from lindyn_service.access.keyring import Keyring
from lindyn_service.access.keys import KeysError
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.configuration.settings import METRICS_VARIABLE, Settings, SettingsError, split_list
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http import (
    analyses,
    assets,
    experiments,
    explorer,
    health,
    jobs,
    metrics,
    openapi,
    problems,
    request_log,
    trajectories,
)
from lindyn_service.http.authentication import Authentication
from lindyn_service.http.body_budget import BodyBudgetMiddleware
from lindyn_service.http.body_cache import BodyCache, BodyCacheMiddleware
from lindyn_service.http.early_refusals import refuse
from lindyn_service.http.event_streams import EventStreams
from lindyn_service.http.head_requests import HeadRequests
from lindyn_service.http.load_shedding import BodiesInFlight, LoadShedding
from lindyn_service.http.rate_limit import RateLimit
from lindyn_service.http.security_headers import SecurityHeaders
from lindyn_service.jobs.job_watch import JobWatch
from lindyn_service.server import backends, warmup
from lindyn_service.server.backends import BAD_REDIS_URL
from lindyn_service.server.connections import Connections, connection_limit
from lindyn_service.server.fatal_error import FatalError
from lindyn_service.server.gauges import sample_gauges, watch_loop
from lindyn_service.telemetry.metrics import Metrics, store_in_files
from lindyn_service.telemetry.tracing import Tracing, is_probe
from lindyn_service.telemetry.tracing import is_configured as tracing_is_configured
from lindyn_service.translate.encode import VERSION

_MIN_FILE_BYTES = 65_536  # smaller answers cost more as files than in memory, even if Redis does not store them
_DESCRIPTION = "Exact learning dynamics of deep linear networks."


def create_app(settings: Settings) -> FastAPI:
    """Construct the application; its workers and caches start with its lifespan.

    Once `app.state.stopping` is set, the application finishes its work within the grace time and refuses new work. If a
    background task fails by an internal error, `app.state.fatal_error` records the error and stops the service.

    Raises:
        SettingsError: an address or the file of API keys is invalid, or traces cannot be sent.
    """
    if settings.redis_url is not None:
        backends.redis_cache(settings, settings.redis_url)
    tracing = Tracing(VERSION) if tracing_is_configured() else None
    app = FastAPI(
        title="lindyn",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        openapi_url=None,  # a route of this application serves the document
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_telemetry(tracing),
    )
    app.state.tracing = tracing
    app.state.fatal_error = FatalError()
    app.state.settings = settings
    app.state.assets = assets.load()
    app.state.metrics = _metrics(settings)
    workers = settings.workers + (settings.job_workers or settings.workers)
    max_connections = settings.max_connections or connection_limit(workers)
    app.state.connections = Connections(max_connections)
    app.state.streams = EventStreams(max_connections, settings.key_requests_at_once)
    app.state.stage = _stage_observer(app.state.metrics, tracing)
    _add_middleware(app, settings)
    problems.install(app)
    openapi.install(app)
    app.include_router(trajectories.router)
    app.include_router(analyses.router)
    app.include_router(jobs.router)
    app.include_router(experiments.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(explorer.router)
    return app


def _telemetry(tracing: Tracing | None) -> TelemetryConfig:
    """Configure FastAPI to emit only spans of requests, since other signals cost time per request even if unused."""
    config: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
    if tracing is None:
        return config
    return {
        **config,
        "tracing": True,
        "tracer_provider": tracing.provider,
        "operation_spans": False,
        "exclude": is_probe,
    }


def _stage_observer(metrics: Metrics, tracing: Tracing | None) -> Callable[[str, float], None]:
    """Return the function that receives the name and the seconds of each stage of a request."""
    if tracing is None:
        return metrics.stage

    def stage(name: str, seconds: float) -> None:
        metrics.stage(name, seconds)
        tracing.stage(name, seconds)

    return stage


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware, from the innermost to the outermost."""
    origins = split_list(settings.cors_origins)
    app.state.rates = _rate_limits(settings)
    app.state.body_cache = BodyCache()
    app.state.bodies_in_flight = BodiesInFlight()
    cached_routes = _post_routes(trajectories.router, analyses.router)
    app.add_middleware(HeadRequests)
    app.add_middleware(LoadShedding, cached_routes)
    app.add_middleware(BodyCacheMiddleware, cached_routes, settings)
    app.add_middleware(BodyBudgetMiddleware, settings)
    app.add_middleware(RateLimit, app.state.rates)
    app.add_middleware(Authentication, _keyring(settings), split_list(settings.allowed_hosts), origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", "X-Request-ID"],
            expose_headers=[
                "ETag",
                "Location",
                "Retry-After",
                "Server-Timing",
                "X-Cache",
                "X-Lindyn-Version",
                "X-Request-ID",
            ],
        )
    app.add_middleware(request_log.RequestLog, app.state.metrics)
    app.add_middleware(SecurityHeaders)
    app.state.refuse = SecurityHeaders(request_log.RequestLog(refuse, app.state.metrics))


def _post_routes(*routers: APIRouter) -> dict[str, APIRoute]:
    """Return the routes that accept POST, by path."""
    return {
        route.path: route
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    }


def _rate_limits(settings: Settings) -> RateLimits:
    """Construct the rate limits, whose counts are shared if Redis is; a private Valkey belongs to one service only."""
    try:
        return RateLimits(
            settings.key_requests_per_minute,
            settings.key_requests_at_once,
            settings.redis_url,
            settings.redis_timeout_seconds,
            settings.key_flops_per_hour,
        )
    except ValueError:
        raise SettingsError(BAD_REDIS_URL) from None


def _metrics(settings: Settings) -> Metrics:
    if settings.process is None:
        return Metrics()
    store_in_files(settings.process)
    return Metrics(Path(os.environ[METRICS_VARIABLE]))


def _keyring(settings: Settings) -> Keyring | None:
    try:
        return None if settings.api_keys_file is None else Keyring(settings.api_keys_file)
    except KeysError as error:
        raise SettingsError(f"LINDYN_API_KEYS_FILE: {error}") from None


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    settings: Settings = app.state.settings
    engine = ProcessEngine(
        settings.workers,
        settings.queue,
        settings.deadline_seconds,
        queue_seconds=settings.queue_seconds,
        grace_seconds=settings.grace_seconds,
        warm_up=partial(warmup.solve_small_problem, settings.worker_memory_bytes),
        observe=app.state.stage,
    )
    limits = RequestLimits(
        settings.max_answer_bytes,
        settings.max_work_bytes,
        settings.max_flops,
        settings.deadline_seconds,
        max(settings.cache_value_bytes, _MIN_FILE_BYTES),
    )
    async with AsyncExitStack() as stack:
        if app.state.tracing is not None:
            stack.push_async_callback(to_thread.run_sync, app.state.tracing.shut_down)
        stack.push_async_callback(app.state.rates.aclose)
        url = await backends.redis_url(settings, stack)
        shared = None if url is None else backends.redis_cache(settings, url)
        if shared is not None:
            stack.push_async_callback(shared.aclose)
        memory = MemoryCache(settings.memory_cache_bytes)
        folder = backends.spool_folder(settings, stack)
        spool = backends.spool(settings, folder)
        answers = AnswerService(engine, memory, shared, limits, app.state.stage, spool)
        app.state.engine, app.state.shared, app.state.answers = engine, shared, answers
        app.state.stopping = Event()
        app.state.sweep_limits = backends.sweep_limits(settings)
        fatal_error: FatalError = app.state.fatal_error
        app.state.jobs, app.state.wake_jobs = await backends.jobs(
            settings, url, folder, app.state.rates, fatal_error.record, stack
        )
        tasks = await stack.enter_async_context(create_task_group())
        stack.callback(app.state.stopping.set)
        await tasks.start(_run_engine, answers, engine, app.state.stopping, fatal_error)
        tasks.start_soon(fatal_error.watch, partial(watch_loop, app.state.metrics, app.state.stopping))
        store = None if app.state.jobs is None else app.state.jobs.store
        if store is not None:
            app.state.watch = JobWatch(store)
            tasks.start_soon(fatal_error.watch, partial(app.state.watch.run, app.state.stopping))
        tasks.start_soon(
            fatal_error.watch, partial(sample_gauges, app.state.metrics, engine, shared, store, app.state.stopping)
        )
        yield


async def _run_engine(
    answers: AnswerService,
    engine: ProcessEngine,
    stopping: Event,
    fatal_error: FatalError,
    *,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """Run the workers until the service stops, which is before the last answers are sent and the lifespan ends."""
    started = False
    try:
        async with answers, engine:
            started = True
            task_status.started()
            await stopping.wait()
    except Exception as error:
        if not started:
            raise
        fatal_error.record(error)
