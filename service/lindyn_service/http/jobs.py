"""Sweeps and experiments as jobs."""

import re
from collections.abc import AsyncIterable
from typing import Annotated

import anyio
import orjson
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from lindyn.wire import npz
from lindyn.wire.job import (
    FINAL,
    ExperimentDescription,
    ExperimentParameter,
    ExperimentRequest,
    Experiments,
    Job,
    Jobs,
    TableReply,
)
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.words import with_choices
from lindyn_service.errors import JobsUnavailableError, NotDoneError, NotFoundError
from lindyn_service.experiments.base import Experiment
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.http import openapi
from lindyn_service.http.access import CallerDep
from lindyn_service.http.body import JSON, read_body
from lindyn_service.http.deps import FormatDep
from lindyn_service.http.headers import OF_PICTURES
from lindyn_service.jobs.admission import Admitted, admit
from lindyn_service.jobs.plan import SWEEP, ExperimentPlan, SweepPlan
from lindyn_service.jobs.store import JobStore
from lindyn_service.speed import FLOPS_PER_SECOND
from lindyn_service.translate.experiment import Picture, experiment_picture, parameters
from lindyn_service.translate.table import table_as_json

EVENT_SECONDS = 0.2
MOST_LISTED = 1000

_ID = re.compile("[0-9a-f]{32}")

router = APIRouter(prefix="/v1", tags=["jobs"])


def _store(request: Request) -> JobStore:
    store: JobStore | None = request.app.state.jobs
    if store is None:
        raise JobsUnavailableError(
            "this service has no Redis and no private Valkey to keep jobs in; set LINDYN_REDIS_URL"
        )
    return store


StoreDep = Annotated[JobStore, Depends(_store)]


async def _existing(job_id: str, store: StoreDep, caller: CallerDep) -> Job:
    """A job of the caller; others' are as if there were none."""
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
async def sweep(request: Request, store: StoreDep, caller: CallerDep) -> Response:
    """A job; points that cannot be computed are reported in its result, and the others are computed."""
    body = await read_body(request, SweepRequest)
    state = request.app.state
    admitted: Admitted = await state.engine.run(admit, body, state.sweep_limits)
    document = orjson.dumps(admitted.request.model_dump(by_alias=True), option=orjson.OPT_SERIALIZE_NUMPY)
    await store.admit(caller.name)
    await state.rates.spend(caller.name, admitted.flops)
    job = await store.create(SWEEP, document, SweepPlan(admitted.request).total, caller.name)
    return _accepted(request, job)


@router.get("/experiments", operation_id="list_experiments", summary="The experiments of the thesis")
async def list_experiments() -> Experiments:
    """Names, protocols and parameters."""
    return Experiments(experiments=[_described(experiment) for experiment in EXPERIMENTS.values()])


@router.post(
    "/experiments/{name}",
    operation_id="run_experiment",
    summary="Run an experiment of the thesis",
    status_code=202,
    response_class=Response,
    responses=openapi.accepted(Job),
    openapi_extra=openapi.body(ExperimentRequest, required=False),
)
async def experiment(name: str, request: Request, store: StoreDep, caller: CallerDep) -> Response:
    """A job with the published parameters, or those that override them."""
    if name not in EXPERIMENTS:
        raise NotFoundError(
            with_choices(f"no experiment is called {name[:80]!r}", name, list(EXPERIMENTS), "there are")
        )
    body = await read_body(request, ExperimentRequest, may_be_empty=True)
    values = parameters(EXPERIMENTS[name], body.parameters)
    document = orjson.dumps({"parameters": values})
    total = ExperimentPlan(name, values).total
    await store.admit(caller.name)
    flops = FLOPS_PER_SECOND * EXPERIMENTS[name].seconds(values)
    await request.app.state.rates.spend(caller.name, flops * total)
    job = await store.create(name, document, total, caller.name)
    return _accepted(request, job)


@router.get("/jobs", operation_id="list_jobs", summary="The latest jobs")
async def list_jobs(store: StoreDep, caller: CallerDep) -> Jobs:
    """Those of the caller, at most a thousand, the latest first."""
    return Jobs(jobs=await store.latest(caller.name, MOST_LISTED))


@router.get("/jobs/{job_id}", operation_id="get_job", summary="The state of a job")
async def get_job(job: JobDep) -> Job:
    """How far it is, and why it failed."""
    return job


@router.delete("/jobs/{job_id}", operation_id="cancel_job", summary="Cancel a job")
async def cancel_job(job: JobDep, store: StoreDep) -> Job:
    """Its work stops within a second; a job that has ended stays as it is."""
    await store.cancel(job.id)
    return await store.get(job.id) or job


@router.get(
    "/jobs/{job_id}/result",
    operation_id="job_result",
    summary="The result of a job",
    response_class=Response,
    responses=openapi.result(TableReply),
)
async def result(job: JobDep, request: Request, store: StoreDep, form: FormatDep) -> Response:
    """Labelled arrays, as JSON or npz."""
    archive = await _archive(job, store)
    if form == "npz":
        return Response(archive, media_type=npz.MEDIA_TYPE, headers={"Vary": "Accept"})
    body: bytes = await request.app.state.engine.run(table_as_json, archive)
    return Response(body, media_type=JSON, headers={"Vary": "Accept"})


@router.get(
    "/jobs/{job_id}/figure.svg",
    operation_id="job_figure_svg",
    summary="The picture of an experiment, as SVG",
    response_class=Response,
    responses=openapi.picture("image/svg+xml"),
)
async def figure_svg(job: JobDep, request: Request, store: StoreDep) -> Response:
    """Drawn from the result."""
    return Response(await _picture(job, request, store, "svg"), headers=OF_PICTURES, media_type="image/svg+xml")


@router.get(
    "/jobs/{job_id}/figure.png",
    operation_id="job_figure_png",
    summary="The picture of an experiment, as PNG",
    response_class=Response,
    responses=openapi.picture("image/png"),
)
async def figure_png(job: JobDep, request: Request, store: StoreDep) -> Response:
    """Drawn from the result."""
    return Response(await _picture(job, request, store, "png"), media_type="image/png")


@router.get(
    "/jobs/{job_id}/events",
    operation_id="job_events",
    summary="The progress of a job as server-sent events",
    response_class=EventSourceResponse,
)
async def events(
    job: JobDep,
    request: Request,
    store: StoreDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterable[ServerSentEvent]:
    """`progress`, whose id is the number of points done (Last-Event-ID resumes); then `done`, `failed`, `cancelled`."""
    seen = int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else -1
    while not request.app.state.stopping.is_set():
        if job.state in FINAL:
            yield ServerSentEvent(raw_data=job.model_dump_json(), event=job.state, id=str(job.completed))
            return
        if job.completed > seen:
            seen = job.completed
            yield ServerSentEvent(raw_data=job.model_dump_json(), event="progress", id=str(seen))
        await anyio.sleep(EVENT_SECONDS)
        job = await _again(store, job)


async def _again(store: JobStore, job: Job) -> Job:
    """The state of a job now, or the last known one while the store does not answer."""
    try:
        return await store.get(job.id) or job
    except JobsUnavailableError:
        return job


async def _archive(job: Job, store: JobStore) -> bytes:
    if job.state != "done":
        why = f": {job.problem.detail}" if job.problem is not None else ""
        raise NotDoneError(f"job {job.id} is {job.state}{why}, {job.completed} of {job.total} points are computed")
    archive = await store.result(job.id)
    if archive is None:
        raise NotFoundError(f"the result of job {job.id} is gone; post the request again")
    return archive


async def _picture(job: Job, request: Request, store: JobStore, form: Picture) -> bytes:
    if job.kind == SWEEP:
        raise NotFoundError(f"job {job.id} is a sweep, which has no picture; get its result")
    return await request.app.state.engine.run(experiment_picture, await _archive(job, store), form)


def _accepted(request: Request, job: Job) -> Response:
    request.app.state.wake_jobs()
    return JSONResponse(job.model_dump(mode="json"), 202, {"Location": f"/v1/jobs/{job.id}"})


def _described(experiment: Experiment) -> ExperimentDescription:
    return ExperimentDescription(
        name=experiment.name,
        title=experiment.title,
        description=experiment.description,
        parameters={
            name: ExperimentParameter(default=each.default, description=each.description, low=each.low, high=each.high)
            for name, each in experiment.parameters.items()
        },
    )
