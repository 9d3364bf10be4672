"""Connections of clients that offer to go on in another protocol, such as HTTP/2: the offer is ignored."""

from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from array import array


class WithoutUpgrades(HttpToolsProtocol):
    """Uvicorn's protocol, which by itself loses the body of a request with an `Upgrade` that it does not know.

    A server may ignore the offer, and the request then is one like any other (RFC 9110, section 7.8). The parser cannot
    be told so: for it, HTTP ends with such a head. So it gets the same head again without the offer, which counts.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 (uvicorn's own)
        super().__init__(*arguments, **more)
        self.parser = _Parser(self)

    def on_headers_complete(self) -> None:
        """Begin a request, unless its head comes again."""
        if not self.parser.offers():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request, unless its head comes again."""
        if not self.parser.offers():
            super().on_message_complete()

    def head_without_offer(self) -> bytes:
        """The head that was read last."""
        target = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % target, *lines, b"", b""])

    def _unsupported_upgrade_warning(self) -> None:
        """For CONNECT, which has its line in the log."""


class _Parser(httptools.HttpRequestParser):
    def __init__(self, protocol: WithoutUpgrades) -> None:
        self._protocol = protocol
        self._begin()

    def _begin(self) -> None:
        super().__init__(self._protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def feed_data(self, data: "bytes | bytearray | memoryview | array[int]") -> None:
        while True:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as end:
                if not self.offers():
                    raise
                data = self._protocol.head_without_offer() + data[end.args[0] :]
                self._begin()  # one whose head says `Connection: close` reads no more
            else:
                return

    def offers(self) -> bool:
        """Whether the head that was read last offers another protocol; CONNECT asks for one."""
        return self.should_upgrade() and self.get_method() != b"CONNECT"
