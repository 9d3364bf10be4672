"""The composition root, which constructs all parts of the service from its settings."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anyio import Event
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from lindyn_service.access.keyring import Keyring
from lindyn_service.access.keys import KeysError
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.configuration.hosts import split_list
from lindyn_service.configuration.settings import METRICS_VARIABLE, Settings, SettingsError
from lindyn_service.errors import ServiceError
from lindyn_service.http import (
    experiments,
    explorer,
    health,
    jobs,
    metrics,
    openapi,
    operations,
    problems,
    request_log,
    trajectories,
)
from lindyn_service.http.authentication import Authentication
from lindyn_service.http.body_budget import BodyBudgetMiddleware
from lindyn_service.http.body_cache_middleware import BodyCacheMiddleware
from lindyn_service.http.early_refusals import refusal
from lindyn_service.http.event_streams import EventStreams
from lindyn_service.http.head_requests import HeadRequests
from lindyn_service.http.load_shedding import LoadShedding
from lindyn_service.http.rate_limit import RateLimit
from lindyn_service.http.security_headers import SecurityHeaders
from lindyn_service.operations.registry import OPERATIONS
from lindyn_service.server import backends
from lindyn_service.server.backends import BAD_REDIS_URL
from lindyn_service.server.connections import Connections, connection_limit
from lindyn_service.server.fatal_error import FatalError
from lindyn_service.server.lifespan import Parts, lifespan
from lindyn_service.telemetry.metrics import Metrics, store_in_files
from lindyn_service.telemetry.tracing import Tracing, is_probe
from lindyn_service.telemetry.tracing import is_configured as tracing_is_configured
from lindyn_service.translate.encode import VERSION

_DESCRIPTION = "Exact learning dynamics of deep linear networks."


@dataclass(frozen=True)
class Service:
    """The assembled service, which starts with the lifespan of its application, once.

    Attributes:
        app: the application.
        connections: limit on the open connections of the server.
        refusal: returns the application that answers a request with an error that the server found.
        fatal_error: records the error of a background task that fails, and stops the service.
        stopping: once it is set, the application finishes its work within the grace time and refuses new work.
    """

    app: FastAPI
    connections: Connections
    refusal: Callable[[ServiceError], ASGIApp]
    fatal_error: FatalError
    stopping: Event


def create_service(settings: Settings) -> Service:
    """Construct the service; its workers and caches start with the lifespan of its application.

    Raises:
        SettingsError: an address or the file of API keys is invalid, or traces cannot be sent.
    """
    if settings.redis_url is not None:
        backends.redis_cache(settings, settings.redis_url)
    max_connections = settings.max_connections or _default_connections(settings)
    parts = Parts(
        settings=settings,
        tracing=Tracing(VERSION) if tracing_is_configured() else None,
        metrics=_metrics(settings),
        rates=_rate_limits(settings),
        streams=EventStreams(max_connections, settings.key_requests_at_once),
        fatal_error=FatalError(),
        stopping=Event(),
    )
    return Service(
        _application(parts),
        Connections(max_connections),
        lambda error: SecurityHeaders(request_log.RequestLog(refusal(error), parts.metrics)),
        parts.fatal_error,
        parts.stopping,
    )


def _application(parts: Parts) -> FastAPI:
    app = FastAPI(
        title="lindyn",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lambda _app: lifespan(parts),
        openapi_url=None,  # a route of this application serves the document
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_telemetry(parts.tracing),
    )
    answering = operations.router_of(OPERATIONS.values())
    _add_middleware(app, parts, {route.path: route for route in answering.routes if isinstance(route, APIRoute)})
    problems.install(app)
    openapi.install(app)
    app.include_router(answering)
    app.include_router(trajectories.router)
    app.include_router(jobs.router)
    app.include_router(experiments.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(explorer.router)
    return app


def _default_connections(settings: Settings) -> int:
    return connection_limit(settings.workers + (settings.job_workers or settings.workers))


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


def _add_middleware(app: FastAPI, parts: Parts, cached_routes: Mapping[str, APIRoute]) -> None:
    """Add the middleware, from the innermost to the outermost; `cached_routes` answer the same body the same way."""
    settings = parts.settings
    origins = split_list(settings.cors_origins)
    app.add_middleware(HeadRequests)
    app.add_middleware(LoadShedding, cached_routes)
    app.add_middleware(BodyCacheMiddleware, cached_routes, settings)
    app.add_middleware(BodyBudgetMiddleware, settings)
    app.add_middleware(RateLimit, parts.rates)
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
    app.add_middleware(request_log.RequestLog, parts.metrics)
    app.add_middleware(SecurityHeaders)


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
