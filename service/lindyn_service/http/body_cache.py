"""Bodies that were answered before, or that nobody has time for: found by their bytes, without being parsed."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from anyio import to_thread
from cachetools import LRUCache
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn.wire import npz
from lindyn_service.access.in_flight import counting
from lindyn_service.answers.service import AnswerService
from lindyn_service.configuration.settings import Settings
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.errors import ServiceError
from lindyn_service.http.content_negotiation import listed, wanted_format
from lindyn_service.http.problems import problem_response
from lindyn_service.http.request_body import whole_body
from lindyn_service.http.request_record import Solved, note_answer
from lindyn_service.http.security_headers import has_tag, tag_of
from lindyn_service.telemetry.tracing import name_route
from lindyn_service.translate.body import JSON
from lindyn_service.translate.encode import Format

MOST_BODIES = 4096
_HASHED_AT_ONCE_BYTES = 2**20

_MEDIA_TYPES = (JSON.encode(), npz.MEDIA_TYPE.encode())

Words = tuple[str, bytes, Format, bytes]
"""Path, content type, format of the answer, and the digest of the body."""

_RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Known:
    """What a body asks for, and what was noted when it was answered."""

    key: str
    form: Format
    solved: Solved


class KnownBodies:
    """The bodies that were answered last, by their digests; the bodies themselves are not kept."""

    def __init__(self) -> None:
        self._known: LRUCache[Words, Known] = LRUCache(MOST_BODIES)
        self._asked: Counter[Words] = Counter()

    def get(self, words: Words) -> Known | None:
        """What these words ask for."""
        return self._known.get(words)

    def remember(self, words: Words, known: Known) -> None:
        """Only what asks for the same each time: a body without all its seeds asks for something new."""
        self._known[words] = known

    @property
    def asked(self) -> int:
        """How many different ones somebody waits for."""
        return len(self._asked)

    def is_asked(self, words: Words) -> bool:
        """Whether somebody waits for the same."""
        return words in self._asked

    def asking(self, words: Words) -> AbstractContextManager[None]:
        """While somebody waits."""
        return counting(self._asked, words)


class Recall:
    """Pure ASGI middleware inside `Access` and `Throttle`: answers what is known and still in memory.

    All else goes on to the routes, with the body that was read, or with what went wrong at that, for them to raise; or
    is turned away unread where far too many ask, unless the same is being answered.

    Args:
        app: the routes.
        routes: by path, those that answer the same body the same way.
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
        try:
            body = scope["state"]["body"] = await whole_body(receive, self._settings)
        except (ServiceError, ClientDisconnect) as error:
            scope["state"]["body"] = error
            await self._app(scope, receive, send)
            return
        words = scope["path"], media_type, wanted_format(scope["headers"]), await _digest(body)
        del body  # whoever parses it lets go of it
        if not await self._answer(scope, words, started, send):
            await self._pass_on(scope, words, receive, send)

    async def _answer(self, scope: Scope, words: Words, started: float, send: Send) -> bool:
        application = scope["app"].state
        known = application.bodies.get(words)
        if known is None:
            return False
        self._name_route(scope)
        if has_tag(listed(scope["headers"], b"if-none-match"), tag_of(known.key, known.form)):
            _let_go(scope)
            await _send(send, 304, _common(known), b"")
            return True
        answers: AnswerService = application.answers
        read = time.perf_counter()
        content = answers.held(known.solved.operation, known.key, known.form)
        if content is None:
            return False
        seconds = time.perf_counter() - read
        application.stage("read", read - started)
        note_answer(scope, known.solved, "hit", read - started, seconds)
        _let_go(scope)
        await _send(send, 200, _of_hit(known, content, seconds), content)
        return True

    async def _pass_on(self, scope: Scope, words: Words, receive: Receive, send: Send) -> None:
        bodies: KnownBodies = scope["app"].state.bodies
        engine: ProcessEngine = scope["app"].state.engine
        busy = None if bodies.is_asked(words) else engine.overload_error(bodies.asked)
        if busy is not None:
            self._name_route(scope)
            await problem_response(busy, scope["state"]["request_id"])(scope, receive, send)
            return
        scope["state"]["words"] = words
        with bodies.asking(words):
            await self._app(scope, receive, send)

    def _name_route(self, scope: Scope) -> None:
        scope["route"] = self._routes[scope["path"]]
        name_route(scope["method"], scope["path"])


async def _digest(body: bytes) -> bytes:
    """Of a large body by a thread, in which hashing holds nobody up."""
    if len(body) <= _HASHED_AT_ONCE_BYTES:
        return hashlib.sha256(body).digest()
    return await to_thread.run_sync(lambda: hashlib.sha256(body).digest())


def _let_go(scope: Scope) -> None:
    """Nobody needs the body any more; the client may take long to read its answer."""
    del scope["state"]["body"]
    scope["state"]["held"].give_back()


def _first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    for other, value in headers:
        if other == name:
            return value
    return b""


def _common(known: Known) -> _RawHeaders:
    return [(b"etag", tag_of(known.key, known.form).encode()), (b"vary", b"Accept")]


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
