"""Learning trajectories."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lindyn.wire.trajectory import TrajectoryReply, TrajectoryRequest
from lindyn_service.errors import NotFoundError
from lindyn_service.http import openapi
from lindyn_service.http.dependencies import AnswersDep, FormatDep
from lindyn_service.http.respond import is_known, not_modified, respond, serve
from lindyn_service.operations.registry import TRAJECTORY

_KEY = re.compile("[0-9a-f]{64}")

_STORED = {"get_trajectory": {"operationId": "get_trajectory", "parameters": {"key": "$response.body#/key"}}}

router = APIRouter(prefix="/v1/trajectories", tags=["trajectories"])


@router.post(
    "",
    operation_id="compute_trajectory",
    summary="Compute how a network learns a task",
    response_class=Response,
    responses=openapi.answers(TrajectoryReply, links=_STORED),
    openapi_extra=openapi.body(TrajectoryRequest),
)
async def compute(request: Request) -> Response:
    """The learning trajectory, exact where the closed form applies, from a cache where it was computed before."""
    return await serve(request, TRAJECTORY)


@router.get(
    "/{key}",
    operation_id="get_trajectory",
    summary="Get a cached trajectory",
    response_class=Response,
    responses=openapi.answers(TrajectoryReply),
)
async def stored(key: str, request: Request, answers: AnswersDep, form: FormatDep) -> Response:
    """An answer by its key, as long as some cache has it."""
    answer = await answers.stored(TRAJECTORY, key, form) if _KEY.fullmatch(key) else None
    if answer is None:
        raise NotFoundError(f"no cached trajectory has the key {key[:80]!r}; post the request again")
    if is_known(request, key, form):
        return not_modified(key, form)
    return respond(answer, form)
