"""Requests with an `Upgrade` header, such as to HTTP/2, which are processed as if they had none."""

from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from array import array


class IgnoringUpgrades(HttpToolsProtocol):
    """Uvicorn's protocol, which ignores `Upgrade`; uvicorn itself loses the body of a request with an unknown one.

    A server may ignore the header and process the request as usual (RFC 9110, section 7.8). The parser has no option
    for that: it ends HTTP parsing after such a head. So the same head is parsed again without the header.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as uvicorn declares them)
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)

    def on_headers_complete(self) -> None:
        """Handle the end of a head, unless the head is to be parsed again."""
        if not self.parser.offers_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Handle the end of a request, unless its head is to be parsed again."""
        if not self.parser.offers_upgrade():
            super().on_message_complete()

    def head_without_upgrade(self) -> bytes:
        """Return the head that was parsed last, without its `Upgrade` header."""
        target = self.parser.get_method(), self.url, self.parser.get_http_version().encode()
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % target, *lines, b"", b""])

    def _unsupported_upgrade_warning(self) -> None:
        """Suppress the warning of uvicorn, since a refused CONNECT is logged like other requests."""


class _Parser(httptools.HttpRequestParser):
    def __init__(self, protocol: IgnoringUpgrades) -> None:
        self._protocol = protocol
        self._reset()

    def _reset(self) -> None:
        super().__init__(self._protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it

    def feed_data(self, data: "bytes | bytearray | memoryview | array[int]") -> None:
        while True:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as end:
                if not self.offers_upgrade():
                    raise
                data = self._protocol.head_without_upgrade() + data[end.args[0] :]
                self._reset()  # a parser that has seen `Connection: close` would read no more
            else:
                return

    def offers_upgrade(self) -> bool:
        """Return whether the head that was parsed last offers another protocol; CONNECT does not count as an offer."""
        return self.should_upgrade() and self.get_method() != b"CONNECT"
