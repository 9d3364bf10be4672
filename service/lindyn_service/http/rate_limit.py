"""Enforcement of the request limits of each key."""

from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.access.keys import Caller
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.errors import RateLimitedError
from lindyn_service.http.problems import problem_response


class RateLimit:
    """Pure ASGI middleware inside `Authentication`; callers without a name are limited only by the queue."""

    def __init__(self, app: ASGIApp, rates: RateLimits) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it before its body is read."""
        caller: Caller | None = scope["state"]["caller"] if scope["type"] == "http" else None
        if caller is None or caller.name is None:
            await self._app(scope, receive, send)
            return
        try:
            with self._rates.serve(caller.name):
                await self._rates.hit(caller.name)
                await self._app(scope, receive, send)
        except RateLimitedError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
