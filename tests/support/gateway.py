"""A proxy in front of a real service, with configurable faults of the connection."""

import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from support.processes import PATIENCE_SECONDS

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "date", "server")


@dataclass(frozen=True)
class Drop:
    """Close the connection before the request is forwarded or, with `after`, before the response is returned."""

    after: bool = False


@dataclass(frozen=True)
class Cut:
    """Send half of the response and close the connection."""


@dataclass(frozen=True)
class Answer:
    """Respond instead of the service."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def problem(status: int, code: str, **headers: str) -> Answer:
    """Build a problem response like those of the service."""
    body = {
        "type": f"/problems/{code}",
        "code": code,
        "title": code,
        "status": status,
        "detail": f"{code}, says a test",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"Content-Type": "application/problem+json", **named}, json.dumps(body).encode())


class Gateway:
    """A proxy that forwards requests; each act in `acts` applies to one request, in order.

    Attributes:
        seen: all received requests, as (method, path, headers).
        streams: act that applies to every stream of events.
        overrides: headers added to all responses.
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.acts: deque[Drop | Cut | Answer] = deque()
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.streams: Cut | Answer | None = None
        self.overrides: dict[str, str] = {}

    def __enter__(self) -> Self:
        gateway = self

        class Handler(_Handler):
            owner = gateway

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._http = httpx.Client(timeout=PATIENCE_SECONDS)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._http.close()

    def paths(self) -> list[str]:
        """Methods and paths of the received requests, in order."""
        return [f"{method} {path}" for method, path, _ in self.seen]

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        return self._http.request(method, self.backend + path, headers=headers, content=body)

    def stream(self, method: str, path: str, headers: dict[str, str]) -> Any:
        return self._http.stream(method, self.backend + path, headers=headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that have disconnected."""


class _Handler(BaseHTTPRequestHandler):
    owner: Gateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.owner.seen.append((self.command, self.path, dict(self.headers)))
        events = self.path.endswith("/events")
        act = self.owner.streams if events else self.owner.acts.popleft() if self.owner.acts else None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in (*HOP_BY_HOP, "host")}
        if act == Drop():
            self._hang_up()
            return
        if isinstance(act, Answer):
            self._answer(act)
            return
        if events:
            self._stream(headers, cut=act is not None)
            return
        response = self.owner.ask(self.command, self.path, headers, body)
        if isinstance(act, Drop):
            self._hang_up()
            return
        kept = {name: value for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP}
        self._answer(
            Answer(
                response.status_code,
                kept | {name.lower(): value for name, value in self.owner.overrides.items()},
                response.content,
            ),
            act,
        )

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, answer: Answer, act: Cut | None = None) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body if act is None else answer.body[: len(answer.body) // 2])
        if act is not None:
            self._hang_up()

    def _stream(self, headers: dict[str, str], *, cut: bool) -> None:
        with self.owner.stream(self.command, self.path, headers) as response:
            self.send_response(response.status_code)
            self.send_header("Content-Type", response.headers["content-type"])
            self.send_header("Connection", "close")
            self.end_headers()
            for line in response.iter_raw():
                self.wfile.write(line)
                self.wfile.flush()
                if cut:
                    self._hang_up()
                    return
        self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
