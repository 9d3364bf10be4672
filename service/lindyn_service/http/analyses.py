"""Routes of the analyses: initial weights, balance, asymptotics, continual learning and ensembles."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lindyn.wire.asymptotics import LimitsReply, LimitsRequest
from lindyn.wire.balance import (
    BalanceReply,
    BalanceRequest,
    InitializationReply,
    InitializationRequest,
    StatisticsReply,
    StatisticsRequest,
)
from lindyn.wire.continual import ContinualReply, ContinualRequest
from lindyn.wire.ensemble import EnsembleReply, EnsembleRequest
from lindyn_service.http import openapi
from lindyn_service.http.respond import serve
from lindyn_service.operations import registry

router = APIRouter(prefix="/v1", tags=["analyses"])


@router.post(
    "/initializations",
    operation_id="initialize",
    summary="Initial weights of a network",
    response_class=Response,
    responses=openapi.answers(InitializationReply),
    openapi_extra=openapi.body(InitializationRequest),
)
async def initializations(request: Request) -> Response:
    """Return the weights from which a trajectory of the same network and task starts, and their balance."""
    return await serve(request, registry.INITIALIZATION)


@router.post(
    "/balance",
    operation_id="measure_balance",
    summary="How balanced weights are",
    response_class=Response,
    responses=openapi.answers(BalanceReply),
    openapi_extra=openapi.body(BalanceRequest),
)
async def balance(request: Request) -> Response:
    """Return the best-fitting lambda of each pair of adjacent layers, and the distance from balance."""
    return await serve(request, registry.BALANCE)


@router.post(
    "/balance/statistics",
    operation_id="balance_statistics",
    summary="How balanced random weights are",
    response_class=Response,
    responses=openapi.answers(StatisticsReply),
    openapi_extra=openapi.body(StatisticsRequest),
)
async def statistics(request: Request) -> Response:
    """Return mean and variance of W2^T W2 - W1 W1^T over random draws of a scheme, predicted and sampled."""
    return await serve(request, registry.STATISTICS)


@router.post(
    "/limits",
    operation_id="limits",
    summary="Asymptotic state and convergence time of a network",
    response_class=Response,
    responses=openapi.answers(LimitsReply),
    openapi_extra=openapi.body(LimitsRequest),
)
async def limits(request: Request) -> Response:
    """Return the state as t goes to infinity, the time to a tolerance, and the limits of large and small lambda."""
    return await serve(request, registry.LIMITS)


@router.post(
    "/continual",
    operation_id="continual_learning",
    summary="Forgetting of a network that learns several tasks in sequence",
    response_class=Response,
    responses=openapi.answers(ContinualReply),
    openapi_extra=openapi.body(ContinualRequest),
)
async def continual(request: Request) -> Response:
    """Return the losses of all tasks on one time axis, forgetting and its rate, and the best stopping times."""
    return await serve(request, registry.CONTINUAL)


@router.post(
    "/ensembles",
    operation_id="ensemble",
    summary="Statistics over networks that differ in their seeds",
    response_class=Response,
    responses=openapi.answers(EnsembleReply),
    openapi_extra=openapi.body(EnsembleRequest),
)
async def ensembles(request: Request) -> Response:
    """Return mean, standard deviation, quantiles and standard error of each quantity over the replicates."""
    return await serve(request, registry.ENSEMBLE)
