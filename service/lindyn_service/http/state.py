"""Typed state of the application and of each request; the only module that reads and writes the state of a scope."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

from anyio import Event
from starlette.types import Scope

from lindyn_service.access.keys import ANONYMOUS, Caller
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.answers.service import AnswerService
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.configuration.settings import Settings
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http.assets import Assets
from lindyn_service.http.body_cache import BodyCache, BodyKey
from lindyn_service.http.event_streams import EventStreams
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.job_watch import JobWatch
from lindyn_service.jobs.results import Results
from lindyn_service.telemetry.metrics import Metrics


@dataclass(frozen=True)
class JobService:
    """What routes need for jobs.

    Attributes:
        results: the job store, and the results of jobs.
        watch: follows the states of jobs for event streams.
        wake: tells the scheduler that there is a new job; may be called in any thread.
    """

    results: Results
    watch: JobWatch
    wake: Callable[[], None]


@dataclass(frozen=True)
class Resources:
    """What all requests share while the application runs.

    Attributes:
        settings: settings of the service.
        assets: files of the web pages.
        metrics: metrics of this process.
        stage: receives the name and the seconds of each stage of a request, for metrics and traces.
        rates: rate limits and quotas of all keys.
        bodies: bodies that were answered before.
        streams: limits on open event streams.
        stopping: set when the service stops.
        has_failed: returns whether a part of the service has ended by an internal error.
        engine: workers that compute answers.
        shared: the cache that processes share, or None.
        answers: the answer service.
        sweep_limits: limits of a single sweep.
        jobs: jobs, or None for a service without Redis.
    """

    settings: Settings
    assets: Assets
    metrics: Metrics
    stage: Callable[[str, float], None]
    rates: RateLimits
    bodies: BodyCache
    streams: EventStreams
    stopping: Event
    has_failed: Callable[[], bool]
    engine: ProcessEngine
    shared: RedisCache | None
    answers: AnswerService
    sweep_limits: SweepLimits
    jobs: JobService | None


class LifespanState(TypedDict):
    """The state that the lifespan yields; the server copies it into the scope of each request."""

    resources: Resources


def _nothing() -> None:
    pass


@dataclass(slots=True)
class RequestContext:
    """Values of one request, which middleware sets and routes read.

    Attributes:
        id: id of the request, in its response and its log line.
        log_fields: further fields of its log line.
        caller: the authenticated caller.
        body_key: key of the body in the body cache; None for a body that is not looked up there.
        release_body: returns the bytes that the body holds to the budget of all bodies.
        body: the body, if middleware has received it and no route has taken it.
    """

    id: str
    log_fields: dict[str, object] = field(default_factory=dict[str, object])
    caller: Caller = ANONYMOUS
    body_key: BodyKey | None = None
    release_body: Callable[[], None] = _nothing
    body: bytes | None = None

    def take_body(self) -> bytes | None:
        """Return the body and drop the reference to it, so that its memory is freed once the caller has parsed it."""
        body, self.body = self.body, None
        return body


def begin_request(scope: Scope, request_id: str) -> RequestContext:
    """Create the context of a request, which later middleware and the routes find by `context_of`."""
    context = scope.setdefault("state", {})["context"] = RequestContext(request_id)
    return context


def context_of(scope: Scope) -> RequestContext:
    """Return the context of a request."""
    return scope["state"]["context"]


def resources_of(scope: Scope) -> Resources:
    """Return the resources of the application that serves a request."""
    return scope["state"]["resources"]
