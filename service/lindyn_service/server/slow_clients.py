"""Timeouts for slow clients, and the limit on connections, which bound the memory and file descriptors in use."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lindyn_service.errors import BusyError, ServiceError
from lindyn_service.server.connections import ConnectionKind, Connections
from lindyn_service.server.request_heads import BoundedHeads

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BODY_MARGIN_SECONDS = 2.0  # lets the reader of the body answer first, with 408

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClientTimeouts:
    """The timeouts of a connection.

    Attributes:
        head_seconds: time from the connection, or the first byte of a request, to the end of its head.
        body_seconds: time from the end of the head to the end of the body.
        stalled_seconds: time without a byte read by the client while data waits beyond the send buffer of the system.
    """

    head_seconds: float
    body_seconds: float
    stalled_seconds: float


class _ProtocolWithTimeouts(BoundedHeads):
    """Uvicorn's protocol with timeouts for heads, bodies and answers; uvicorn has them only for idle connections.

    Attributes:
        timeouts: the timeouts.
        open_connections: all open connections of the service.
    """

    timeouts: ClassVar[ClientTimeouts]
    open_connections: ClassVar[Connections]

    _receive_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        if self.open_connections.add(self):
            self._start_receive_timer("head", self.timeouts.head_seconds)
        else:
            busy = BusyError("the limit of connections is reached, and all of them are being served; try again later")
            self.refuse_request(busy, lingering=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.remove(self)
        self._cancel_receive_timer()
        if self._send_timer is not None:
            self._send_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        idle = self.timeout_keep_alive_task
        super().data_received(data)
        if self.in_head or self.in_body:
            if self._receive_timer is None:  # most requests arrive whole and need no timer
                self._start_receive_timer(*self._receive_timeout())
        elif idle is not None and self.cycle.response_complete:  # empty lines do not start a request
            self.timeout_keep_alive_task = self.loop.call_at(idle.when(), self.timeout_keep_alive_handler)
        self._update_kind()

    def on_headers_complete(self) -> None:
        self._cancel_receive_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._cancel_receive_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_last_answer()
        self._update_kind()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_last_answer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_send_progress(None)
        self._update_kind()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
        self._watch_last_answer()
        self._update_kind()

    def refuse_request(self, error: ServiceError, *, lingering: bool = True) -> None:
        self._cancel_receive_timer()
        super().refuse_request(error, lingering=lingering)

    def end(self) -> None:
        """Close the connection immediately."""
        self.transport.abort()

    def _receive_timeout(self) -> tuple[str, float]:
        """Return the part of the request that is awaited, and its timeout in seconds."""
        if self.in_head:
            return "head", self.timeouts.head_seconds
        return "body", self.timeouts.body_seconds + BODY_MARGIN_SECONDS

    def _start_receive_timer(self, part: str, seconds: float) -> None:
        self._receive_timer = self.loop.call_later(seconds, self._on_receive_timeout, part, seconds)

    def _cancel_receive_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    def _on_receive_timeout(self, part: str, seconds: float) -> None:
        if self.flow.read_paused:  # the service does not read at present, so the client is not to blame
            self._start_receive_timer(part, seconds)
            return
        log.warning("a client did not send the %s of its request within %g s", part, seconds)
        self.transport.abort()

    def _watch_last_answer(self) -> None:
        """Start the send timer if the connection is closing and a part of its last answer is still to be sent."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._check_send_progress(None)

    def _check_send_progress(self, previous_unsent: int | None) -> None:
        """Abort the connection if the client reads nothing for `stalled_seconds`.

        Args:
            previous_unsent: number of unsent bytes at the previous check, or None at the first one.
        """
        if self._send_timer is not None:
            self._send_timer.cancel()
        unsent = self.transport.get_write_buffer_size()
        if unsent == previous_unsent:
            log.warning("a client read nothing of its answer for %g s", self.timeouts.stalled_seconds)
            self.transport.abort()
        else:
            self._send_timer = self.loop.call_later(self.timeouts.stalled_seconds, self._check_send_progress, unsent)

    def _update_kind(self) -> None:
        """Note what the connection waits for."""
        if self.flow.write_paused:
            kind = ConnectionKind.READING
        elif not self.cycle or self.cycle.response_complete:
            kind = ConnectionKind.IDLE
        elif self.in_body:
            kind = ConnectionKind.SENDING
        else:
            kind = ConnectionKind.SERVED
        self.open_connections.set_kind(self, kind)


def protocol_with_timeouts(
    timeouts: ClientTimeouts, connections: Connections, refusal: Callable[[ServiceError], "ASGIApp"]
) -> type[BoundedHeads]:
    """Create a protocol class with these parameters, since uvicorn instantiates the class by itself per connection."""
    attributes = {"timeouts": timeouts, "open_connections": connections, "refusal": staticmethod(refusal)}
    return type("ProtocolWithTimeouts", (_ProtocolWithTimeouts,), attributes)
