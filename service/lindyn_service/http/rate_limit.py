"""Enforcement of the request limits of each key."""

from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.errors import RateLimitedError
from lindyn_service.http.problems import send_problem
from lindyn_service.http.state import context_of


class RateLimit:
    """Pure ASGI middleware inside `Authentication`; callers without a name are limited only by the queue."""

    def __init__(self, app: ASGIApp, rates: RateLimits) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it before its body is read."""
        name = context_of(scope).caller.name if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        try:
            with self._rates.serve(name):
                await self._rates.hit(name)
                await self._app(scope, receive, send)
        except RateLimitedError as error:
            await send_problem(error, scope, receive, send)
