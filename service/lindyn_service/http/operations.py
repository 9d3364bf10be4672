"""Routes of the operations, each of which follows from its entry in the registry."""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lindyn_service.http import openapi
from lindyn_service.http.respond import serve
from lindyn_service.http.trajectories import LINKS
from lindyn_service.operations.registry import RegisteredOperation


def router_of(operations: Iterable[RegisteredOperation]) -> APIRouter:
    """Return the router with the routes of these operations."""
    router = APIRouter()
    for operation in operations:
        router.add_api_route(
            operation.path,
            _endpoint(operation),
            methods=["POST"],
            operation_id=operation.operation_id,
            tags=[operation.tag],
            summary=operation.summary,
            description=operation.description,
            response_class=Response,
            responses=openapi.answers(operation.reply, LINKS.get(operation.name)),
            openapi_extra=openapi.body(operation.model),
        )
    return router


def _endpoint(operation: RegisteredOperation) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await serve(request, operation)

    return answer
