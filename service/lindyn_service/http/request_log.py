"""Request log: an id, the version of the service, a log line and metrics for each request, and internal errors."""

import logging
import re
import secrets
import time
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lindyn_service.http.problems import internal_error
from lindyn_service.http.request_record import route_of
from lindyn_service.http.state import begin_request
from lindyn_service.telemetry.logs import make_record
from lindyn_service.telemetry.metrics import Metrics
from lindyn_service.telemetry.tracing import add_attributes
from lindyn_service.translate.encode import VERSION

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_VERSION = b"x-lindyn-version", VERSION.encode()

_PROBES = ("/healthz", "/readyz", "/metrics")  # logged at level DEBUG, since they come every few seconds

log = logging.getLogger(__name__)


class RequestLog:
    """Pure ASGI middleware that gives each request an id, logs and counts it, and answers unhandled errors with 500.

    Starlette's `BaseHTTPMiddleware` would halve the throughput.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        context = begin_request(scope, request_id)
        add_attributes({"request_id": request_id})
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), _VERSION]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request %s failed", request_id)
            if status:  # the response has started, so the server can only abort the connection
                raise
            await internal_error(request_id)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.request(route_of(scope), scope["method"], status, seconds)
            level = logging.DEBUG if scope["path"] in _PROBES else logging.INFO
            fields = {
                "id": request_id,
                "method": scope["method"],
                "path": quote(scope["path"]),  # a decoded path may contain line breaks
                "route": route_of(scope),
                "status": status,
                "ms": round(1000 * seconds, 1),
                "caller": context.caller.name or "-",
                **context.log_fields,
            }
            if log.isEnabledFor(level):
                log.handle(make_record(log.name, level, "request", fields))


def _request_id(scope: Scope) -> str:
    """Return the id that the client sent, if it has only harmless characters, or a random one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value.decode("latin-1")):
            return value.decode("latin-1")
    return secrets.token_hex(8)
