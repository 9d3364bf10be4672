"""Responses to connections that the server refuses before a request reaches the application."""

from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.errors import ServiceError
from lindyn_service.http.problems import send_problem


def refusal(error: ServiceError) -> ASGIApp:
    """Return the application that answers any request with this error."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send_problem(error, scope, receive, send)

    return refuse
