"""Heads of requests within bounds, and the answers to what is beyond them or no HTTP at all."""

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from lindyn_service.errors import HeadTooLargeError, MalformedRequestError, ServiceError, TargetTooLongError
from lindyn_service.server.upgrade_offers import WithoutUpgrades

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_HEAD_BYTES = 65_536
MOST_HEADERS = 100
MOST_TARGET_BYTES = 8_192
MOST_WAITING = 100  # requests on one connection that were sent before the answer to an earlier one
LINGER_SECONDS = 2.0  # a connection that ends with unread bytes loses its last answer
_NAMED = 100
_PIECE_BYTES = 16_384  # by so much a line that has not ended may be longer than a head


class BoundedHeads(WithoutUpgrades):
    """Uvicorn's protocol, which by itself keeps heads and trailers of any size, and answers what is no HTTP in its way.

    Trailers count as part of the head and are dropped: nothing of a request that is served may change its head.

    Attributes:
        refuse: answers a request whose state has the error, `refused`, as any other error is answered.
    """

    refuse: ClassVar["ASGIApp"]

    in_head = False
    in_body = False

    _deaf = False
    _moved = False
    _standing_bytes = 0
    _head_bytes = 0
    _lines = 0
    _closing: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Read some bytes, in pieces, so that it is known how many of them are of one head."""
        self._unset_keepalive_if_required()
        most = MOST_HEAD_BYTES if self.in_body else _PIECE_BYTES  # bodies are read in larger ones, for speed
        for at in range(0, len(data), most):
            if self._deaf:
                return
            self._read(data if len(data) <= most else memoryview(data)[at : at + most])

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes."""
        if self._closing is not None:
            self._closing.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self.in_head = self._moved = True
        self._head_bytes = self._lines = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        if len(self.url) > MOST_TARGET_BYTES:
            raise TargetTooLongError(
                f"the path with its query has more than {MOST_TARGET_BYTES} bytes, the limit; send the rest in a body"
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head; lines of a trailer are dropped."""
        self._lines += 1
        self._head_bytes += len(name) + len(value) + len(": \r\n")
        if self._lines > MOST_HEADERS or self._head_bytes > MOST_HEAD_BYTES:
            raise _too_large()
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to serve a request."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise MalformedRequestError(f"got {hosts} Host headers; send one with each request (RFC 9112, section 3.2)")
        super().on_headers_complete()
        self.in_head, self.in_body, self._moved = False, True, True
        if len(self.pipeline) > MOST_WAITING:
            raise MalformedRequestError(
                f"more than {MOST_WAITING} requests wait for an earlier one on this connection, the limit; open another"
            )

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self.in_body, self._moved = False, True
        super().on_message_complete()

    def refuse_request(self, error: ServiceError, *, lingering: bool = True) -> None:
        """Answer this in the place of the request that is read, after those before it, and read no more."""
        self._deaf = True
        cut, before = self.in_body, self.cycle
        if not self.in_head:
            super().on_message_begin()
        self.in_head = self.in_body = False
        self.cycle = self._last_cycle(
            error, cast("asyncio.Transport", _Farewell(self)) if lingering else self.transport
        )
        if self.pipeline:
            if cut:
                self.pipeline.popleft()  # the request itself, which never begins
            self.pipeline.appendleft((self.cycle, cast("Any", self.refuse)))
        elif not before or (before.response_complete and not cut):
            self._start_asgi_task(self.cycle, cast("Any", self.refuse))
        elif not cut:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, cast("Any", self.refuse)))
        elif before.response_started:
            self.transport.close()  # one answer to a request
        else:
            before.disconnected = True
            before.message_event.set()
            self._start_asgi_task(self.cycle, cast("Any", self.refuse))

    def linger(self) -> None:
        """End the connection when the client has had time to read its last answer; what it sends meanwhile is lost."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._closing = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _read(self, data: bytes | memoryview) -> None:
        self._moved = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # CONNECT, which has its line in the log
        except httptools.HttpParserError as error:
            self.refuse_request(_reason(error))
            return
        self._standing_bytes = 0 if self._moved else self._standing_bytes + len(data)
        if self._standing_bytes > MOST_HEAD_BYTES and (self.in_head or self.in_body):
            self.refuse_request(_too_large())  # one line of a head or a trailer, or one extension of a chunk

    def _last_cycle(self, error: ServiceError, transport: asyncio.Transport) -> RequestResponseCycle:
        known = bool(self.url)
        path = self.url.partition(b"?")[0][:_NAMED]
        state = {**self.app_state, "refused": error}
        self.scope.update(
            {
                "method": self.parser.get_method().decode() if known else "-",
                "path": path.decode("latin-1"),
                "raw_path": path,
                "query_string": b"",
                "state": state,
            }
        )
        cycle = RequestResponseCycle(
            scope=self.scope,
            transport=transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        return cycle


class _Farewell:
    """The transport for the last answer of a connection."""

    def __init__(self, protocol: BoundedHeads) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.linger()


def _too_large() -> HeadTooLargeError:
    return HeadTooLargeError(
        f"the head has more than {MOST_HEAD_BYTES} bytes or {MOST_HEADERS} lines, the limits; send fewer headers"
    )


def _reason(error: httptools.HttpParserError) -> ServiceError:
    if isinstance(error.__context__, ServiceError):
        return error.__context__
    return MalformedRequestError("what was sent is no HTTP/1.1; see the log of the proxy or the client for what it is")
