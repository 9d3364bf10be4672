"""Learning trajectories."""

import re
from collections.abc import Awaitable
from typing import TypeVar

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import Response

from lindyn.wire import npz
from lindyn.wire.conflicts import conflicts
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.answer import Answer
from lindyn_service.errors import NotFoundError
from lindyn_service.http import openapi
from lindyn_service.http.body import JSON, read_body
from lindyn_service.http.deps import AnswersDep, FormatDep
from lindyn_service.http.problems import CLIENT_CLOSED_REQUEST
from lindyn_service.translate import Format

_T = TypeVar("_T")

_KEY = re.compile("[0-9a-f]{64}")

router = APIRouter(prefix="/v1/trajectories", tags=["trajectories"])


@router.post(
    "",
    operation_id="compute_trajectory",
    summary="Compute how a network learns a task",
    response_class=Response,
    responses=openapi.ANSWERS,
    openapi_extra=openapi.TRAJECTORY_BODY,
)
async def compute(request: Request, answers: AnswersDep, form: FormatDep) -> Response:
    """The exact learning trajectory, from a cache where it was computed before."""
    body = await read_body(request, TrajectoryRequest, conflicts)
    normal, key = answers.normalise(body)
    if _is_known(request, key):
        return _not_modified(key)
    answer = await _unless_disconnected(request, answers.trajectory(normal, key, form))
    return Response(status_code=CLIENT_CLOSED_REQUEST) if answer is None else _response(answer, form)


@router.get(
    "/{key}",
    operation_id="get_trajectory",
    summary="Get a cached trajectory",
    response_class=Response,
    responses=openapi.ANSWERS,
)
async def stored(key: str, request: Request, answers: AnswersDep, form: FormatDep) -> Response:
    """An answer by its key, as long as some cache has it."""
    answer = await answers.stored(key, form) if _KEY.fullmatch(key) else None
    if answer is None:
        raise NotFoundError(f"no cached trajectory has the key {key[:80]!r}; post the request again")
    if _is_known(request, key):
        return _not_modified(key)
    return _response(answer, form)


def _response(answer: Answer, form: Format) -> Response:
    headers = {
        "ETag": f'"{answer.key}"',
        "X-Cache": answer.source,
        "Server-Timing": f"answer;dur={1000 * answer.seconds:.2f}",
        "Vary": "Accept",
    }
    return Response(answer.body, headers=headers, media_type=npz.MEDIA_TYPE if form == "npz" else JSON)


def _not_modified(key: str) -> Response:
    return Response(status_code=304, headers={"ETag": f'"{key}"', "Vary": "Accept"})


def _is_known(request: Request, key: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return f'"{key}"' in tags


async def _unless_disconnected(request: Request, work: Awaitable[_T]) -> _T | None:
    """Await some work, or cancel it as soon as the client is gone."""
    result: _T | None = None
    failure: Exception | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            result = await work
        except Exception as error:
            failure = error  # raised below: the task group would wrap it in a group
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result
