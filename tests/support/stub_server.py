"""Requests by either client, and a stub server with one fixed response."""

import ssl
import threading
import traceback
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest

import lindyn

FAR = "http://lab.invalid:8000"
DEAD = "http://127.0.0.1:9"


def ask_sync(url: str, **options: Any) -> dict[str, Any]:
    with lindyn.Client(url, patience_seconds=0, timeout_seconds=60, **options) as client:
        return client.about()


def ask_async(url: str, **options: Any) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with lindyn.AsyncClient(url, patience_seconds=0, timeout_seconds=60, **options) as client:
            return await client.about()

    return anyio.run(ask)


BOTH = pytest.mark.parametrize("ask", [ask_sync, ask_async])


def formatted(error: BaseException) -> str:
    """Format an error with its causes and contexts, including their arguments and attributes."""
    lines = traceback.format_exception(error)
    while error is not None:
        lines += [repr(error), str(error.args), str(vars(error))]
        error = error.__cause__ or error.__context__
    return "".join(lines)


@contextmanager
def server(answer: bytes = b"{}", status: int = 200, context: ssl.SSLContext | None = None, **headers: str):
    """Run a server with one fixed response, and yield its URL and the list of received paths and headers."""
    seen: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, dict(self.headers)))
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_CONNECT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore clients that reject the certificate."""

    with Server(("127.0.0.1", 0), Handler) as http:
        if context is not None:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        serving = threading.Thread(target=http.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"{'http' if context is None else 'https'}://127.0.0.1:{http.server_port}", seen
        finally:
            http.shutdown()
            serving.join()
