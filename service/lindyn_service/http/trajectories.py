"""Route of cached trajectories."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lindyn.wire.trajectory import TrajectoryReply
from lindyn_service.errors import NotFoundError
from lindyn_service.http import openapi
from lindyn_service.http.conditional import client_has, etag_of, not_modified
from lindyn_service.http.dependencies import FormatDep, ResourcesDep
from lindyn_service.http.respond import respond
from lindyn_service.operations.registry import TRAJECTORY

_KEY = re.compile("[0-9a-f]{64}")

LINKS: dict[str, openapi.Links] = {
    TRAJECTORY.name: {"get_trajectory": {"operationId": "get_trajectory", "parameters": {"key": "$response.body#/key"}}}
}
"""Links from the answers of an operation to the routes that use them, by the name of the operation."""

router = APIRouter(prefix="/v1/trajectories", tags=["trajectories"])


@router.get(
    "/{key}",
    operation_id="get_trajectory",
    summary="Get a cached trajectory",
    response_class=Response,
    responses=openapi.answers(TrajectoryReply),
)
async def stored(key: str, request: Request, resources: ResourcesDep, form: FormatDep) -> Response:
    """Return a cached trajectory by its key."""
    answer = await resources.answers.find(TRAJECTORY, key, form) if _KEY.fullmatch(key) else None
    if answer is None:
        raise NotFoundError(f"no cached trajectory has the key {key[:80]!r}; post the request again")
    etag = etag_of(key, form)
    if client_has(request.method, request.headers.raw, etag):
        return not_modified(etag)
    return respond(answer, form)
