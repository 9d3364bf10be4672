"""Answers to what is refused before there is a request for the routes."""

from starlette.types import Receive, Scope, Send

from lindyn_service.errors import ServiceError
from lindyn_service.http.problems import problem_response


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the error, `refused`, in the state of a request."""
    error: ServiceError = scope["state"]["refused"]
    await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
