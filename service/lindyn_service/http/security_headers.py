"""Headers of every answer, whoever made it: what browsers may do with it."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lindyn_service.translate.encode import Format

DEFAULTS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""For answers that say nothing else: data, of the caller alone, of which nothing is run, framed or shown elsewhere."""

OF_PICTURES = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
}
"""An SVG has styles, and a heat map in it is an image, but never a script."""


_RAW = tuple((name.lower().encode(), value.encode()) for name, value in DEFAULTS.items())


_TAG = re.compile('(?:W/)?("[^"]*")')


def tag_of(key: str, form: Format) -> str:
    """The ETag of an answer: each format has its own, since it has other bytes (RFC 9110, section 8.8.1)."""
    return f'"{key}"' if form == "json" else f'"{key}-{form}"'


def has_tag(tags: str, tag: str) -> bool:
    """Whether `If-None-Match` names this tag: the client has the answer."""
    return tag in _TAG.findall(tags)


def has_stored(tags: str, tag: str) -> bool:
    """The same for what is stored where it is asked for, of which `*` means any (RFC 9110, section 13.1.2)."""
    return tags.strip() == "*" or has_tag(tags, tag)


class SecurityHeaders:
    """Pure ASGI middleware, the outermost, so that no answer misses it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                names = {name for name, _ in headers}
                message["headers"] = headers + [header for header in _RAW if header[0] not in names]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
