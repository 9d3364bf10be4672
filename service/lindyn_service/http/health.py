"""Routes for liveness, readiness, and the capabilities of the service."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from lindyn.wire.base import LARGEST, JSONField, Reply
from lindyn.wire.method import METHODS
from lindyn.wire.times import MAX_TIMES
from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.http.dependencies import ResourcesDep
from lindyn_service.translate.encode import SOLVER, VERSION

PROBE_SECONDS = 2.0

_PUBLISHED_LIMITS = (
    "key_requests_per_minute",
    "key_requests_at_once",
    "key_max_jobs",
    "key_flops_per_hour",
    "max_jobs",
    "max_points",
    "max_result_bytes",
    "max_job_flops",
    "job_deadline_seconds",
    "head_seconds",
    "body_seconds",
    "stalled_seconds",
    "worker_memory_bytes",
)

router = APIRouter(tags=["service"])


class Health(Reply):
    """The liveness of the process."""

    status: Annotated[str, Field(description="ok, or failed: a part of it has ended, and it stops.")] = "ok"


class Readiness(Reply):
    """The readiness of the service, with the state of each dependency."""

    ready: bool
    workers: Annotated[str, Field(description="ok, or failed")]
    cache: Annotated[str, Field(description="ok, degraded (slower, never wrong), or memory-only")]


class About(Reply):
    """The version, the methods, the quantities and the limits of this service."""

    name: str = "lindyn"
    version: str
    solver: Annotated[str, Field(description="Part of every key.")]
    methods: list[str]
    quantities: list[str]
    limits: dict[str, JSONField]


@router.get(
    "/healthz",
    operation_id="health",
    summary="Liveness",
    response_model=Health,
    responses={
        503: {"model": Health, "description": "A part of the service has ended; it stops, to be started again."}
    },
)
async def healthz(resources: ResourcesDep) -> JSONResponse:
    """Report whether the process answers and all of its background tasks run."""
    failed = resources.has_failed()
    health = Health(status="failed") if failed else Health()
    return JSONResponse(health.model_dump(), 503 if failed else 200)


@router.get(
    "/readyz",
    operation_id="readiness",
    summary="Readiness, with each dependency's state",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "No worker answers."}},
)
async def readyz(resources: ResourcesDep) -> JSONResponse:
    """Report whether a worker answers; a degraded cache does not make the service unready."""
    workers = await resources.engine.probe(PROBE_SECONDS)
    if resources.shared is not None:
        await resources.shared.ping()
    readiness = Readiness(
        ready=workers,
        workers="ok" if workers else "failed",
        cache="memory-only" if resources.shared is None else resources.shared.state,
    )
    return JSONResponse(readiness.model_dump(), 200 if workers else 503)


@router.get("/v1/about", operation_id="about", summary="Versions, methods, quantities and limits")
async def about(resources: ResourcesDep) -> About:
    """Return the version, the methods, the quantities and the limits of this service."""
    settings = resources.settings
    return About(
        version=VERSION,
        solver=SOLVER,
        methods=list(METHODS),
        quantities=list(QUANTITIES),
        limits={
            "max_body_bytes": settings.max_body_bytes,
            "max_bodies_bytes": max(settings.max_bodies_bytes, settings.max_body_bytes),
            "max_json_parts": settings.max_json_parts,
            "max_answer_bytes": settings.max_answer_bytes,
            "max_work_bytes": settings.max_work_bytes,
            "max_flops": settings.max_flops,
            "max_times": MAX_TIMES,
            "max_magnitude": LARGEST,
            "deadline_seconds": settings.deadline_seconds,
            "workers": settings.workers,
            "queue": settings.queue,
            "queue_seconds": settings.queue_seconds,
            **{name: getattr(settings, name) for name in _PUBLISHED_LIMITS},
        },
    )
