"""HEAD requests on every path that answers GET."""

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Innermost pure ASGI middleware: answers HEAD as GET without the body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get: Scope = {**scope, "method": "GET"}
        with CancelScope() as get_request:

            async def send_head(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b""})
                    get_request.cancel()  # its body may be a large file or an endless event stream

            try:
                await self._app(as_get, receive, send_head)
            finally:
                # the router stores the route, which the log needs, in the copy of the scope that it was given
                scope.update(as_get, method="HEAD")
