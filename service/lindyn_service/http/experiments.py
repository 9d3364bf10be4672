"""Routes that list the experiments of the thesis and run them as jobs."""

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from lindyn.wire.job import ExperimentDescription, ExperimentParameter, ExperimentRequest, Experiments, Job
from lindyn.wire.wording import with_choices
from lindyn_service.errors import NotFoundError
from lindyn_service.experiments.base import Experiment
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.http import openapi
from lindyn_service.http.dependencies import CallerDep, ResourcesDep
from lindyn_service.http.jobs import JobsDep, accepted
from lindyn_service.http.request_body import read_parameters
from lindyn_service.jobs.job_limits import check_work
from lindyn_service.jobs.plan import ExperimentPlan
from lindyn_service.translate.experiment import parameters
from lindyn_service.worker_speed import FLOPS_PER_SECOND

router = APIRouter(prefix="/v1", tags=["jobs"])


@router.get("/experiments", operation_id="list_experiments", summary="The experiments of the thesis")
async def list_experiments() -> Experiments:
    """Return the names, protocols and parameters of all experiments."""
    return Experiments(experiments=[_description(experiment) for experiment in EXPERIMENTS.values()])


@router.post(
    "/experiments/{name}",
    operation_id="run_experiment",
    summary="Run an experiment of the thesis",
    status_code=202,
    response_class=Response,
    responses=openapi.accepted(Job),
    openapi_extra=openapi.body(ExperimentRequest, required=False),
)
async def experiment(
    name: str, request: Request, resources: ResourcesDep, jobs: JobsDep, caller: CallerDep
) -> Response:
    """Start a job with the published parameters, some of which the request may override."""
    if name not in EXPERIMENTS:
        raise NotFoundError(
            with_choices(f"no experiment is called {name[:80]!r}", name, list(EXPERIMENTS), "there are")
        )
    store = jobs.results.store
    await store.admit(caller.name)
    body = await read_parameters(request, ExperimentRequest)
    values = parameters(EXPERIMENTS[name], body.parameters)
    document = orjson.dumps({"parameters": values})
    limits = resources.sweep_limits
    total = ExperimentPlan(name, values, limits.result_bytes).total
    flops = FLOPS_PER_SECOND * EXPERIMENTS[name].seconds(values) * total
    check_work(limits, flops)
    await resources.rates.spend(caller.name, flops)
    job = await store.create(name, document, total, caller.name)
    return accepted(jobs, job)


def _description(experiment: Experiment) -> ExperimentDescription:
    return ExperimentDescription(
        name=experiment.name,
        title=experiment.title,
        description=experiment.description,
        parameters={
            name: ExperimentParameter(
                default=parameter.default, description=parameter.description, low=parameter.low, high=parameter.high
            )
            for name, parameter in experiment.parameters.items()
        },
    )
