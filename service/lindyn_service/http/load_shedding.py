"""Refusal of request bodies before they are parsed, while too many distinct ones are in flight."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager

from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.access.in_flight import counting
from lindyn_service.http.body_cache import BodyKey
from lindyn_service.http.body_cache_middleware import name_route
from lindyn_service.http.problems import send_problem
from lindyn_service.http.state import context_of, resources_of


class BodiesInFlight:
    """The distinct bodies whose requests are being served."""

    def __init__(self) -> None:
        self._requests: Counter[BodyKey] = Counter()

    def __len__(self) -> int:
        """Return the number of distinct bodies in flight."""
        return len(self._requests)

    def __contains__(self, key: BodyKey) -> bool:
        """Return whether a request with the same body is being served."""
        return key in self._requests

    def hold(self, key: BodyKey) -> AbstractContextManager[None]:
        """Count a request with this body for the length of the block."""
        return counting(self._requests, key)


class LoadShedding:
    """Pure ASGI middleware inside `BodyCacheMiddleware`: refuses new bodies while the engine is overloaded.

    A body that is already in flight is let through, since its request joins the computation that is under way.

    Args:
        app: the routes.
        routes: those whose bodies `BodyCacheMiddleware` has read, by path.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, object]) -> None:
        self._app = app
        self._routes = routes
        self._bodies = BodiesInFlight()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        key = context_of(scope).body_key if scope["type"] == "http" else None
        if key is None:
            await self._app(scope, receive, send)
            return
        bodies = self._bodies
        overload = None if key in bodies else resources_of(scope).engine.overload_error(len(bodies))
        if overload is not None:
            name_route(scope, self._routes)
            await send_problem(overload, scope, receive, send)
            return
        with bodies.hold(key):
            await self._app(scope, receive, send)
