"""Limits on the heads of requests, and the answers to requests that exceed them or are not valid HTTP."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from lindyn_service.errors import HeadTooLargeError, MalformedRequestError, ServiceError, TargetTooLongError
from lindyn_service.server.upgrade_offers import IgnoringUpgrades

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn._types import ASGI3Application

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 100
MAX_TARGET_BYTES = 8_192
MAX_PIPELINED = 100  # requests that a connection may send before the answer to an earlier one
LINGER_SECONDS = 2.0  # closing a connection with unread bytes could discard its last answer
_LOGGED_PATH_BYTES = 100
_CHUNK_BYTES = 16_384  # an unfinished line may exceed the limit of a head by at most this much


class BoundedHeads(IgnoringUpgrades):
    """Uvicorn's protocol with limits on heads and trailers, which uvicorn lacks, and with this service's error answers.

    Trailers count towards the limits and are dropped, so that they cannot change the head of a request.

    Attributes:
        refusal: returns the ASGI application that answers a request with an error.
    """

    refusal: ClassVar[Callable[[ServiceError], "ASGIApp"]]

    in_head = False
    in_body = False

    _discarding = False
    _progressed = False
    _unparsed_bytes = 0
    _head_bytes = 0
    _lines = 0
    _closing: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse bytes in chunks, so that the size of an unfinished line is known."""
        self._unset_keepalive_if_required()
        step = MAX_HEAD_BYTES if self.in_body else _CHUNK_BYTES  # larger chunks for bodies, for speed
        for start in range(0, len(data), step):
            if self._discarding:
                return
            self._parse(data if len(data) <= step else memoryview(data)[start : start + step])

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection."""
        if self._closing is not None:
            self._closing.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Handle the start of a request."""
        super().on_message_begin()
        self.in_head = self._progressed = True
        self._head_bytes = self._lines = 0

    def on_url(self, url: bytes) -> None:
        """Handle a part of the request target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise TargetTooLongError(
                f"the path with its query has more than {MAX_TARGET_BYTES} bytes, the limit; send the rest in a body"
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Handle a header line; lines of a trailer are dropped."""
        self._lines += 1
        self._head_bytes += len(name) + len(value) + len(": \r\n")
        if self._lines > MAX_HEADERS or self._head_bytes > MAX_HEAD_BYTES:
            raise _head_too_large()
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Handle the end of a head."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise MalformedRequestError(
                f"got {hosts} Host headers; send exactly one with each request (RFC 9112, section 3.2)"
            )
        super().on_headers_complete()
        self.in_head, self.in_body, self._progressed = False, True, True
        if len(self.pipeline) > MAX_PIPELINED:
            raise MalformedRequestError(
                f"more than {MAX_PIPELINED} requests wait on this connection, the limit; open another connection"
            )

    def on_body(self, body: bytes) -> None:
        """Handle a part of the body."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Handle the end of a request."""
        self.in_body, self._progressed = False, True
        super().on_message_complete()

    def refuse_request(self, error: ServiceError, *, lingering: bool = True) -> None:
        """Answer the current request with an error, after earlier requests, and discard all further input.

        Args:
            error: the error to answer with.
            lingering: whether to keep the connection open for `LINGER_SECONDS` after the answer.
        """
        self._discarding = True
        is_incomplete, previous = self.in_body, self.cycle
        if not self.in_head:
            super().on_message_begin()
        self.in_head = self.in_body = False
        self.cycle = self._refusal_cycle(
            cast("asyncio.Transport", _LingeringTransport(self)) if lingering else self.transport
        )
        refuse = cast("ASGI3Application", type(self).refusal(error))
        if self.pipeline:
            if is_incomplete:
                self.pipeline.popleft()  # the current request, which is never processed
            self.pipeline.appendleft((self.cycle, refuse))
        elif not previous or (previous.response_complete and not is_incomplete):
            self._start_asgi_task(self.cycle, refuse)
        elif not is_incomplete:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, refuse))
        elif previous.response_started:
            self.transport.close()  # the request has an answer already
        else:
            previous.disconnected = True
            previous.message_event.set()
            self._start_asgi_task(self.cycle, refuse)

    def linger(self) -> None:
        """Close the connection after the client has had time to read its last answer; further input is discarded."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._closing = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _parse(self, data: bytes | memoryview) -> None:
        self._progressed = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # CONNECT, which is answered and logged like other requests
        except httptools.HttpParserError as error:
            self.refuse_request(_service_error(error))
            return
        self._unparsed_bytes = 0 if self._progressed else self._unparsed_bytes + len(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES and (self.in_head or self.in_body):
            self.refuse_request(
                _head_too_large()
            )  # a single line of a head or trailer, or a chunk extension, exceeds the limit

    def _refusal_cycle(self, transport: asyncio.Transport) -> RequestResponseCycle:
        has_target = bool(self.url)
        path = self.url.partition(b"?")[0][:_LOGGED_PATH_BYTES]
        self.scope.update(
            {
                "method": self.parser.get_method().decode() if has_target else "-",
                "path": path.decode("latin-1"),
                "raw_path": path,
                "query_string": b"",
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


class _LingeringTransport:
    """The transport for the last answer of a connection, which closes with a delay."""

    def __init__(self, protocol: BoundedHeads) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.linger()


def _head_too_large() -> HeadTooLargeError:
    return HeadTooLargeError(
        f"the head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} lines, the limits; send fewer headers"
    )


def _service_error(error: httptools.HttpParserError) -> ServiceError:
    if isinstance(error.__context__, ServiceError):
        return error.__context__
    return MalformedRequestError(
        "the bytes received are not an HTTP/1.1 request; see the log of the proxy or the client for what it sent"
    )
