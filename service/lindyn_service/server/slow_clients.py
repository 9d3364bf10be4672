"""Connections of clients that are too slow, or too many, which would otherwise hold memory and descriptors for ever."""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lindyn_service.errors import BusyError, ServiceError
from lindyn_service.server.connections import ConnectionKind, Connections
from lindyn_service.server.request_heads import BoundedHeads

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BODY_MARGIN_SECONDS = 2.0  # whoever reads the body answers first, with 408

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClientTimeouts:
    """How long a connection may stand still.

    Attributes:
        head_seconds: from the connection, or the first byte of a request, to the end of its head.
        body_seconds: from there to the end of its body.
        stalled_seconds: without a byte read by the client while there is more to send than the system takes.
    """

    head_seconds: float
    body_seconds: float
    stalled_seconds: float


class _Impatient(BoundedHeads):
    """Uvicorn's protocol with time limits, which it has only for connections that wait in silence between two requests.

    Attributes:
        patience: the limits.
        crowd: all connections of the service.
    """

    patience: ClassVar[ClientTimeouts]
    crowd: ClassVar[Connections]

    _late: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        if self.crowd.enter(self):
            self._expect("head", self.patience.head_seconds)
        else:
            busy = BusyError("as many connections as the service takes are being served; try again later")
            self.refuse_request(busy, lingering=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        self._settle()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        idle = self.timeout_keep_alive_task
        super().data_received(data)
        if self.in_head or self.in_body:
            if self._late is None:  # most requests come whole, and need no timer
                self._expect(*self._due())
        elif idle is not None and self.cycle.response_complete:  # empty lines begin no request
            self.timeout_keep_alive_task = self.loop.call_at(idle.when(), self.timeout_keep_alive_handler)
        self._place()

    def on_headers_complete(self) -> None:
        self._settle()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._settle()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_reader_of_the_rest()
        self._place()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reader_of_the_rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader(None)
        self._place()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
        self._expect_reader_of_the_rest()
        self._place()

    def refuse_request(self, error: ServiceError, *, lingering: bool = True) -> None:
        self._settle()
        super().refuse_request(error, lingering=lingering)

    def end(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _due(self) -> tuple[str, float]:
        if self.in_head:
            return "head", self.patience.head_seconds
        return "body", self.patience.body_seconds + BODY_MARGIN_SECONDS

    def _expect(self, part: str, seconds: float) -> None:
        self._late = self.loop.call_later(seconds, self._give_up, part, seconds)

    def _settle(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self, part: str, seconds: float) -> None:
        if self.flow.read_paused:  # we do not read
            self._expect(part, seconds)
            return
        log.warning("a client did not send the %s of its request in %g s", part, seconds)
        self.transport.abort()

    def _expect_reader_of_the_rest(self) -> None:
        """Of an answer after which the connection ends, and which the system has not taken yet."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._expect_reader(None)

    def _expect_reader(self, unsent: int | None) -> None:
        """Look again and again whether anything was taken."""
        if self._stalled is not None:
            self._stalled.cancel()
        now = self.transport.get_write_buffer_size()
        if now == unsent:
            log.warning("a client took nothing of its answer for %g s", self.patience.stalled_seconds)
            self.transport.abort()
        else:
            self._stalled = self.loop.call_later(self.patience.stalled_seconds, self._expect_reader, now)

    def _place(self) -> None:
        if self.flow.write_paused:
            kind = ConnectionKind.READING
        elif not self.cycle or self.cycle.response_complete:
            kind = ConnectionKind.IDLE
        elif self.in_body:
            kind = ConnectionKind.SENDING
        else:
            kind = ConnectionKind.SERVED
        self.crowd.place(self, kind)


def protocol_with_timeouts(patience: ClientTimeouts, crowd: Connections, refuse: "ASGIApp") -> type[BoundedHeads]:
    """The protocol with these limits; uvicorn makes one of it for each connection, with arguments of its own."""
    return type("Impatient", (_Impatient,), {"patience": patience, "crowd": crowd, "refuse": staticmethod(refuse)})
