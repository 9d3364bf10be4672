"""Connections of clients that are too slow, which would otherwise hold memory and descriptors for ever."""

import asyncio
import logging
from typing import Any, cast

from lindyn_service.offers import Unswayed

log = logging.getLogger(__name__)


class _Impatient(Unswayed):
    """Uvicorn's protocol with time limits, which it has only for connections that wait between two requests.

    Attributes:
        head_seconds: from the connection, or the first byte of a request, to the end of its head.
        stalled_seconds: without a byte read by the client while there is more to send than the system takes.
    """

    head_seconds: float
    stalled_seconds: float

    _in_head = False
    _head: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and self._head is None:  # most heads come whole, and need no timer
            self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head is not None:
            self._head.cancel()
            self._head = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader(None)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self._give_up)

    def _expect_reader(self, unsent: int | None) -> None:
        """Look again and again whether anything was taken."""
        now = self._transport().get_write_buffer_size()
        if now == unsent:
            log.warning("a client took nothing of its answer for %g s", self.stalled_seconds)
            self._transport().abort()
        else:
            self._stalled = self.loop.call_later(self.stalled_seconds, self._expect_reader, now)

    def _give_up(self) -> None:
        log.warning("a client did not send the head of its request in %g s", self.head_seconds)
        self._transport().abort()

    def _forget(self) -> None:
        for timer in (self._head, self._stalled):
            if timer is not None:
                timer.cancel()

    def _transport(self) -> asyncio.Transport:
        return cast("Any", self).transport


def impatient(head_seconds: float, stalled_seconds: float) -> type[Unswayed]:
    """The protocol with these limits; uvicorn makes one of it for each connection, with arguments of its own."""
    return type("Impatient", (_Impatient,), {"head_seconds": head_seconds, "stalled_seconds": stalled_seconds})
