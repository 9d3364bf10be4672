"""What can be said of a network without its whole trajectory: its weights, their balance, its limits, its memory."""

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
    """The weights that a trajectory of the same network and task starts from, and their balance."""
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
    """The nearest lambda of each pair of adjacent layers, and how far from it they are."""
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
    """Mean and variance of W2^T W2 - W1 W1^T over draws of a scheme, predicted and sampled."""
    return await serve(request, registry.STATISTICS)


@router.post(
    "/limits",
    operation_id="limits",
    summary="Where a network ends, and how fast",
    response_class=Response,
    responses=openapi.answers(LimitsReply),
    openapi_extra=openapi.body(LimitsRequest),
)
async def limits(request: Request) -> Response:
    """The state at t to infinity, the time to a tolerance, learning at extreme lambda, and the shallow network's."""
    return await serve(request, registry.LIMITS)


@router.post(
    "/continual",
    operation_id="continual_learning",
    summary="What a network forgets as it learns one task after the other",
    response_class=Response,
    responses=openapi.answers(ContinualReply),
    openapi_extra=openapi.body(ContinualRequest),
)
async def continual(request: Request) -> Response:
    """Losses of all tasks on one time axis, forgetting and its rate, and the best time to stop for each old task."""
    return await serve(request, registry.CONTINUAL)
