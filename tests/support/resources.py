"""The application with resources of a test's making, as if a server had started it."""

from typing import Any

from anyio import Event
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.configuration.settings import Settings
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http import assets
from lindyn_service.http.body_cache import BodyCache
from lindyn_service.http.event_streams import EventStreams
from lindyn_service.http.state import Resources
from lindyn_service.server import backends
from lindyn_service.server.app import create_service
from lindyn_service.telemetry.metrics import Metrics


class _WithResources:
    """Puts the resources into the state of each request, as a server does with the state of the lifespan."""

    def __init__(self, app: ASGIApp, resources: Resources) -> None:
        self._app = app
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["resources"] = self._resources
        await self._app(scope, receive, send)


def attach(app: FastAPI, resources: Resources) -> FastAPI:
    """Have all requests to the application find these resources."""
    app.add_middleware(_WithResources, resources)
    return app


def idle_resources(settings: Settings, **changes: Any) -> Resources:
    """Resources whose workers have not started, for requests that get an answer without them."""
    engine = ProcessEngine(workers=1, queue=0, deadline_seconds=1)
    every: dict[str, Any] = {
        "settings": settings,
        "assets": assets.load(),
        "metrics": Metrics(),
        "stage": lambda _name, _seconds: None,
        "rates": RateLimits(0, 0, None, 1.0, 0.0),
        "bodies": BodyCache(),
        "streams": EventStreams(8, 0),
        "stopping": Event(),
        "has_failed": lambda: False,
        "engine": engine,
        "shared": None,
        "answers": AnswerService(engine, MemoryCache(1000), None, RequestLimits(1000, 1000, 1000, 1)),
        "sweep_limits": backends.sweep_limits(settings),
        "jobs": None,
    }
    return Resources(**every | changes)


def idle_application(settings: Settings) -> FastAPI:
    """The real application, which no server has started: what needs a worker is tested in contract/ and live/."""
    return attach(create_service(settings).app, idle_resources(settings))
