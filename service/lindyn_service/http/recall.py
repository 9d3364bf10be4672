"""Bodies that were answered before: found by their bytes and answered from memory, without being parsed."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cachetools import LRUCache
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn.wire import npz
from lindyn_service.answer import Answers
from lindyn_service.errors import ServiceError
from lindyn_service.http.body import JSON, whole_body
from lindyn_service.http.headers import has_tag
from lindyn_service.http.record import Solved, note_answer
from lindyn_service.settings import Settings
from lindyn_service.tracing import name_route
from lindyn_service.translate.encode import Format

MOST_BODIES = 4096

_MEDIA_TYPES = (JSON.encode(), npz.MEDIA_TYPE.encode())

Words = tuple[str, bytes, bytes, bytes]
"""Path, content type and accept as they came, and the digest of the body."""

_RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Known:
    """What a body asks for, and what was noted when it was answered."""

    key: str
    form: Format
    route: object
    solved: Solved


class KnownBodies:
    """The bodies that were answered last, by their digests; the bodies themselves are not kept."""

    def __init__(self) -> None:
        self._known: LRUCache[Words, Known] = LRUCache(MOST_BODIES)

    def get(self, words: Words) -> Known | None:
        """What these words ask for."""
        return self._known.get(words)

    def remember(self, words: Words, known: Known) -> None:
        """Only what asks for the same each time: a body without all its seeds asks for something new."""
        self._known[words] = known


class Recall:
    """Pure ASGI middleware inside `Access` and `Throttle`: answers what is known and still in memory.

    All else goes on to the routes, with the body that was read, or with what went wrong at that, for them to raise.

    Args:
        app: the routes.
        paths: that answer the same body the same way.
        settings: bounds of bodies.
    """

    def __init__(self, app: ASGIApp, paths: frozenset[str], settings: Settings) -> None:
        self._app = app
        self._paths = paths
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        media_type = _first(scope["headers"], b"content-type")
        if media_type in _MEDIA_TYPES:
            started = time.perf_counter()
            try:
                scope["state"]["body"] = await whole_body(receive, self._settings)
            except (ServiceError, ClientDisconnect) as error:
                scope["state"]["body"] = error
            else:
                if await self._answer(scope, media_type, started, send):
                    return
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, media_type: bytes, started: float, send: Send) -> bool:
        state, application = scope["state"], scope["app"].state
        digest = hashlib.sha256(state["body"]).digest()
        words: Words = scope["path"], media_type, _first(scope["headers"], b"accept"), digest
        known = application.bodies.get(words)
        if known is None:
            state["words"] = words
            return False
        scope["route"] = known.route
        name_route(scope["method"], scope["path"])
        if has_tag(_first(scope["headers"], b"if-none-match").decode("latin-1"), known.key):
            await _send(send, 304, _common(known), b"")
            return True
        answers: Answers = application.answers
        read = time.perf_counter()
        content = answers.held(known.solved.operation, known.key, known.form)
        if content is None:
            return False
        seconds = time.perf_counter() - read
        application.stage("read", read - started)
        note_answer(scope, known.solved, "hit", read - started, seconds)
        await _send(send, 200, _of_hit(known, content, seconds), content)
        return True


def _first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    for other, value in headers:
        if other == name:
            return value
    return b""


def _common(known: Known) -> _RawHeaders:
    return [(b"etag", b'"%b"' % known.key.encode()), (b"vary", b"Accept")]


def _of_hit(known: Known, content: bytes, seconds: float) -> _RawHeaders:
    return [
        *_common(known),
        (b"x-cache", b"hit"),
        (b"server-timing", b"answer;dur=%.2f" % (1000 * seconds)),
        (b"content-length", b"%d" % len(content)),
        (b"content-type", _MEDIA_TYPES[known.form == "npz"]),
    ]


async def _send(send: Send, status: int, headers: _RawHeaders, content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
