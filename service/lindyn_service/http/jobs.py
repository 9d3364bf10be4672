"""Routes that start sweeps and fits, and return the states, results, figures and events of jobs."""

import re
from collections.abc import AsyncIterable, Callable
from typing import Annotated

from anyio import to_thread
from anyio.lowlevel import checkpoint
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from lindyn.wire import npz
from lindyn.wire.figure import FigureReply
from lindyn.wire.fit import FitRequest
from lindyn.wire.fit_reply import JobResult
from lindyn.wire.job import FINAL, Job, Jobs
from lindyn.wire.sweep import SweepRequest
from lindyn_service.access.keys import Caller
from lindyn_service.errors import NotFoundError
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.http import openapi
from lindyn_service.http.charged_work import charged, charged_later, reading_flops
from lindyn_service.http.dependencies import CallerDep, FormatDep, ResourcesDep, StreamDep
from lindyn_service.http.file_response import SpoolFileResponse
from lindyn_service.http.request_body import receive_body
from lindyn_service.http.security_headers import SVG_HEADERS
from lindyn_service.http.state import JobService, Resources, context_of
from lindyn_service.jobs.admission import EncodedJob, read_and_admit
from lindyn_service.jobs.errors import JobsUnavailableError, NotDoneError
from lindyn_service.jobs.fit_admission import read_and_admit_fit
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.plan import SWEEP
from lindyn_service.jobs.records import batched
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.space import SpoolDestination
from lindyn_service.spool.store import StoredFile
from lindyn_service.translate.body import JSON, Body
from lindyn_service.translate.experiment import Picture, experiment_picture
from lindyn_service.translate.fit_document import FIT
from lindyn_service.translate.table import file_result_as_json, result_as_json

MAX_LISTED_JOBS = 1000
_MAX_DETAIL_LENGTH = 200  # of the problem of a job in a list
_SMALL_BYTES = 65_536  # largest archive whose JSON, up to twenty times as large, is made in memory

_ID = re.compile("[0-9a-f]{32}")
_EVENT_ID = re.compile("[0-9]{1,15}")

router = APIRouter(prefix="/v1", tags=["jobs"])


async def _jobs(resources: ResourcesDep) -> JobService:
    if resources.jobs is None:
        raise JobsUnavailableError(
            "this service has no Redis and no private Valkey to keep jobs in; set LINDYN_REDIS_URL"
        )
    return resources.jobs


JobsDep = Annotated[JobService, Depends(_jobs)]


async def _results(jobs: JobsDep) -> Results:
    return jobs.results


ResultsDep = Annotated[Results, Depends(_results)]


async def _store(results: ResultsDep) -> JobStore:
    return results.store


StoreDep = Annotated[JobStore, Depends(_store)]


async def _existing(job_id: str, store: StoreDep, caller: CallerDep) -> Job:
    """Find a job of the caller; jobs of other callers answer 404, like jobs that do not exist."""
    job = await store.get(job_id) if _ID.fullmatch(job_id) else None
    if job is None or job.owner != caller.name:
        raise NotFoundError(f"no job has the id {job_id[:80]!r}; it may have expired")
    return job


JobDep = Annotated[Job, Depends(_existing)]


@router.post(
    "/sweeps",
    operation_id="sweep",
    summary="Answer one request at every point of a grid",
    status_code=202,
    response_class=Response,
    responses=openapi.accepted(Job),
    openapi_extra=openapi.body(SweepRequest),
)
async def sweep(request: Request, resources: ResourcesDep, jobs: JobsDep, caller: CallerDep) -> Response:
    """Start a job; its result reports the points that cannot be computed, and has the values of all others."""
    return await _start(SWEEP, read_and_admit, request, resources, jobs, caller)


@router.post(
    "/fits",
    operation_id="fit",
    summary="Estimate parameters from observed curves, and compare models",
    status_code=202,
    response_class=Response,
    responses=openapi.accepted(Job),
    openapi_extra=openapi.body(FitRequest),
)
async def fit(request: Request, resources: ResourcesDep, jobs: JobsDep, caller: CallerDep) -> Response:
    """Start a job; its result has estimates with intervals and warnings for each model, and a ranking of the models."""
    return await _start(FIT, read_and_admit_fit, request, resources, jobs, caller)


async def _start(
    kind: str,
    admit: Callable[[Body, SweepLimits], EncodedJob],
    request: Request,
    resources: Resources,
    jobs: JobService,
    caller: Caller,
) -> Response:
    """Have a worker read and check a request, and store it as a job of a kind."""
    store = jobs.results.store
    await store.admit(caller.name)
    body = await receive_body(request)
    encoded = await charged(request, reading_flops(body), admit, body, resources.sweep_limits)
    context_of(request.scope).release_body()
    await resources.rates.spend(caller.name, encoded.flops)
    job = await store.create(kind, encoded.document, encoded.total, caller.name)
    return accepted(jobs, job)


@router.get("/jobs", operation_id="list_jobs", summary="The latest jobs", response_model=Jobs)
async def list_jobs(store: StoreDep, caller: CallerDep) -> Response:
    """Return the jobs of the caller, at most a thousand, the latest first; long problem details are shortened."""
    rows: list[bytes] = []
    for batch in batched(await store.latest(caller.name, MAX_LISTED_JOBS)):
        rows += map(_row, batch)
        await checkpoint()  # lets the event loop serve other requests
    return Response(b'{"jobs":[' + b",".join(rows) + b"]}", media_type=JSON)


@router.get("/jobs/{job_id}", operation_id="get_job", summary="The state of a job")
async def get_job(job: JobDep) -> Job:
    """Return the progress of a job, and the reason if it failed."""
    return job


@router.delete("/jobs/{job_id}", operation_id="cancel_job", summary="Cancel a job")
async def cancel_job(job: JobDep, store: StoreDep) -> Job:
    """Cancel a job: its work stops within a second. A job that has ended does not change."""
    await store.cancel(job.id)
    return await store.get(job.id) or job


@router.get(
    "/jobs/{job_id}/result",
    operation_id="job_result",
    summary="The result of a job",
    response_class=Response,
    responses=openapi.result(JobResult),
)
async def result(job: JobDep, request: Request, results: ResultsDep, form: FormatDep) -> Response:
    """Return the labelled arrays of a sweep or an experiment, or the estimates of a fit, in JSON or npz."""
    archive = await _archive(job, results)
    if form == "npz":
        return _respond(archive, npz.MEDIA_TYPE)
    if isinstance(archive, bytes) and (results.converted is None or len(archive) <= _SMALL_BYTES):
        return _respond(await charged_later(request, result_as_json, archive), JSON)

    async def write(destination: SpoolDestination) -> None:
        source = archive if isinstance(archive, bytes) else (archive.path, archive.size)
        await charged_later(request, file_result_as_json, source, destination)

    return _respond(await results.convert(f"result:{job.id}.json", write), JSON)


@router.get(
    "/jobs/{job_id}/figure.svg",
    operation_id="job_figure_svg",
    summary="The figure of an experiment, as SVG",
    response_class=Response,
    responses=openapi.picture("image/svg+xml"),
)
async def figure_svg(job: JobDep, request: Request, results: ResultsDep) -> Response:
    """Return the figure, drawn from the result of the job."""
    return Response(await _picture(job, request, results, "svg"), headers=SVG_HEADERS, media_type="image/svg+xml")


@router.get(
    "/jobs/{job_id}/figure.png",
    operation_id="job_figure_png",
    summary="The figure of an experiment, as PNG",
    response_class=Response,
    responses=openapi.picture("image/png"),
)
async def figure_png(job: JobDep, request: Request, results: ResultsDep) -> Response:
    """Return the figure, drawn from the result of the job."""
    return Response(await _picture(job, request, results, "png"), media_type="image/png")


@router.get(
    "/jobs/{job_id}/figure.pdf",
    operation_id="job_figure_pdf",
    summary="The figure of an experiment, as PDF",
    response_class=Response,
    responses=openapi.picture("application/pdf"),
)
async def figure_pdf(job: JobDep, request: Request, results: ResultsDep) -> Response:
    """Return the figure, drawn from the result of the job."""
    return Response(await _picture(job, request, results, "pdf"), media_type="application/pdf")


@router.get(
    "/jobs/{job_id}/figure.json",
    operation_id="job_figure_json",
    summary="The figure of an experiment, as data",
    response_class=Response,
    responses={200: {"model": FigureReply}},
)
async def figure_json(job: JobDep, request: Request, results: ResultsDep) -> Response:
    """Return the lines, areas, images and axes of the figure, for clients that add to it."""
    return Response(await _picture(job, request, results, "json"), media_type=JSON)


@router.get(
    "/jobs/{job_id}/events",
    operation_id="job_events",
    summary="The progress of a job as server-sent events",
    response_class=EventSourceResponse,
)
async def events(
    job: JobDep,
    resources: ResourcesDep,
    jobs: JobsDep,
    _room: StreamDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterable[ServerSentEvent]:
    """Send `progress` events, whose id is the number of computed points, then `done`, `failed` or `cancelled`.

    A stream with Last-Event-ID resumes after that number of points.
    """
    seen = int(last_event_id) if last_event_id is not None and _EVENT_ID.fullmatch(last_event_id) else -1
    with jobs.watch.follow(job) as followed:
        while not resources.stopping.is_set():
            job, changed = followed.job, followed.changed
            if job.state in FINAL:
                yield ServerSentEvent(raw_data=job.model_dump_json(), event=job.state, id=str(job.completed))
                return
            if job.completed > seen:
                seen = job.completed
                yield ServerSentEvent(raw_data=job.model_dump_json(), event="progress", id=str(seen))
            await changed.wait()


def _row(job: Job) -> bytes:
    """Encode a job for a list, with a shortened problem."""
    if job.problem is not None and len(job.problem.detail) > _MAX_DETAIL_LENGTH:
        problem = job.problem.model_copy(update={"detail": f"{job.problem.detail[:_MAX_DETAIL_LENGTH]}..."})
        job = job.model_copy(update={"problem": problem})
    return job.model_dump_json().encode()


async def _archive(job: Job, results: Results) -> bytes | StoredFile:
    if job.state != "done":
        reason = f": {job.problem.detail}" if job.problem is not None else ""
        raise NotDoneError(f"job {job.id} is {job.state}{reason}, {job.completed} of {job.total} points are computed")
    archive = await results.find(job.id)
    if archive is None:
        raise NotFoundError(f"the result of job {job.id} is gone; post the request again")
    return archive


def _respond(content: bytes | StoredFile, media_type: str) -> Response:
    headers = {"Vary": "Accept"}
    if isinstance(content, bytes):
        return Response(content, media_type=media_type, headers=headers)
    return SpoolFileResponse(content, headers, media_type)


async def _picture(job: Job, request: Request, results: Results, form: Picture) -> bytes:
    if job.kind not in EXPERIMENTS:
        raise NotFoundError(f"job {job.id} is a {job.kind}, which has no figure; get its result")
    stored = await _archive(job, results)
    archive = stored if isinstance(stored, bytes) else await to_thread.run_sync(stored.read)
    return await charged_later(request, experiment_picture, archive, form)


def accepted(jobs: JobService, job: Job) -> Response:
    """Answer 202 with a new job, and wake the scheduler."""
    jobs.wake()
    return JSONResponse(job.model_dump(mode="json"), 202, {"Location": f"/v1/jobs/{job.id}"})
