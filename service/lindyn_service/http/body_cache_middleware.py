"""Middleware that answers known bodies from memory, and hands all others on to the routes."""

import hashlib
import time
from collections.abc import Iterable, Mapping

from anyio import to_thread
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn.wire import npz
from lindyn_service.configuration.settings import Settings
from lindyn_service.errors import ServiceError
from lindyn_service.http.body_cache import BodyKey, CachedRequest
from lindyn_service.http.conditional import etag_of, lists_etag
from lindyn_service.http.content_negotiation import wanted_format
from lindyn_service.http.problems import client_closed_response, send_problem
from lindyn_service.http.request_body import whole_body
from lindyn_service.http.request_record import record_answer
from lindyn_service.http.state import context_of, resources_of
from lindyn_service.telemetry import tracing
from lindyn_service.translate.body import JSON

_HASH_INLINE_BYTES = 2**20

_MEDIA_TYPES = (JSON.encode(), npz.MEDIA_TYPE.encode())

_RawHeaders = list[tuple[bytes, bytes]]


class BodyCacheMiddleware:
    """Pure ASGI middleware inside `Authentication` and `RateLimit`: answers known bodies whose answer is in memory.

    Other bodies go on to the routes as received; a body that cannot be received is answered with the error.

    Args:
        app: the routes.
        routes: those that answer the same body the same way, by path.
        settings: bounds of bodies.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, object], settings: Settings) -> None:
        self._app = app
        self._routes = routes
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._routes:
            await self._app(scope, receive, send)
            return
        media_type = _first(scope["headers"], b"content-type")
        encoded = any(name == b"content-encoding" for name, _ in scope["headers"])
        if encoded or media_type not in _MEDIA_TYPES:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        context = context_of(scope)
        try:
            context.body = await whole_body(receive, self._settings)
        except ServiceError as error:
            name_route(scope, self._routes)
            await send_problem(error, scope, receive, send)
            return
        except ClientDisconnect:
            name_route(scope, self._routes)
            await client_closed_response()(scope, receive, send)
            return
        key = scope["path"], media_type, wanted_format(scope["headers"]), await _digest(context.body)
        if not await self._answer(scope, key, started, send):
            context.body_key = key
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, key: BodyKey, started: float, send: Send) -> bool:
        """Answer a known body if its answer is in memory; returns whether it did."""
        resources = resources_of(scope)
        request = resources.bodies.get(key)
        if request is None:
            return False
        name_route(scope, self._routes)
        if lists_etag(scope["headers"], etag_of(request.key, request.form)):
            _release_body(scope)
            await _send(send, 304, _common_headers(request), b"")
            return True
        read = time.perf_counter()
        content = resources.answers.in_memory(request.solver.operation, request.key, request.form)
        if content is None:
            return False
        seconds = time.perf_counter() - read
        resources.stage("read", read - started)
        record_answer(scope, request.solver, "hit", read - started, seconds)
        _release_body(scope)
        await _send(send, 200, _hit_headers(request, content, seconds), content)
        return True


def name_route(scope: Scope, routes: Mapping[str, object]) -> None:
    """Name the route of a request that does not reach it, for the log, the metrics and the trace."""
    scope["route"] = routes[scope["path"]]
    tracing.name_route(scope["method"], scope["path"])


async def _digest(body: bytes) -> bytes:
    """Hash a body; a large one in a thread, so that it does not block the event loop."""
    if len(body) <= _HASH_INLINE_BYTES:
        return hashlib.sha256(body).digest()
    return await to_thread.run_sync(lambda: hashlib.sha256(body).digest())


def _release_body(scope: Scope) -> None:
    """Free the body before the answer is sent, since the client may take long to read it."""
    context = context_of(scope)
    context.take_body()
    context.release_body()


def _first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    for header, value in headers:
        if header == name:
            return value
    return b""


def _common_headers(request: CachedRequest) -> _RawHeaders:
    return [(b"etag", etag_of(request.key, request.form).encode()), (b"vary", b"Accept")]


def _hit_headers(request: CachedRequest, content: bytes, seconds: float) -> _RawHeaders:
    return [
        *_common_headers(request),
        (b"x-cache", b"hit"),
        (b"server-timing", b"answer;dur=%.2f" % (1000 * seconds)),
        (b"content-length", b"%d" % len(content)),
        (b"content-type", _MEDIA_TYPES[request.form == "npz"]),
    ]


async def _send(send: Send, status: int, headers: _RawHeaders, content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
