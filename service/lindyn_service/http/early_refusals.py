"""Responses to connections that the server refuses before a request reaches the application."""

from starlette.types import Receive, Scope, Send

from lindyn_service.errors import ServiceError
from lindyn_service.http.problems import problem_response


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the error that the server stored as `refused` in the state of the request."""
    error: ServiceError = scope["state"]["refused"]
    await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
