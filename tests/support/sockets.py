"""Raw bytes sent to a service, which no HTTP client would send, and its responses."""

import http.client
import io
import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

from support.processes import PATIENCE_SECONDS, Service

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
HEALTH = HEAD + b"\r\n"


def connect(service: Service, **options: int) -> socket.socket:
    """Connect to the address of the service, with socket options by name."""
    address = urlsplit(service.url)
    connection = socket.socket(socket.AF_UNIX if address.port is None else socket.AF_INET)
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(f"{service.folder}/http" if address.port is None else (address.hostname or "", address.port))
    return connection


def is_held(service: Service, connection: socket.socket) -> bool:
    """Whether the service, which listens on TCP, still has its end of a connection."""
    return any(held.raddr == connection.getsockname() for held in service.process.net_connections())


def receive_all(connection: socket.socket) -> bytes:
    """Receive all bytes until the connection ends."""
    received = bytearray()
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return bytes(received)


def exchange(service: Service, *parts: bytes) -> bytes:
    """Send parts as long as the connection accepts them, and return all received bytes."""
    with connect(service) as connection:
        send(connection, parts)
        return receive_all(connection)


def send(connection: socket.socket, parts: Iterable[bytes]) -> int:
    """Send parts until the connection ends, and return the number of sent bytes."""
    sent = 0
    with suppress(ConnectionError):
        for part in parts:
            connection.sendall(part)
            sent += len(part)
    return sent


def answer(connection: socket.socket, method: str = "GET") -> httpx.Response:
    """Read the next response on a connection, which stays open."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return httpx.Response(response.status, headers=response.getheaders(), content=response.read())


def answers(received: bytes, method: str = "GET") -> list[httpx.Response]:
    """Parse all responses in received bytes."""
    stream, responses = io.BytesIO(received), list[httpx.Response]()
    while stream.tell() < len(received):
        response = http.client.HTTPResponse(_Stream(stream), method=method)  # pyright: ignore[reportArgumentType]
        response.begin()
        responses.append(httpx.Response(response.status, headers=response.getheaders(), content=response.read()))
    return responses


class _Stream:
    """A substitute for the socket of `HTTPResponse`, which continues after the previous response."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def makefile(self, _: str) -> "_OpenStream":
        return _OpenStream(self._stream)


class _OpenStream(io.BufferedIOBase):
    def __init__(self, stream: io.BytesIO) -> None:
        self.read, self.readline, self.readinto = stream.read, stream.readline, stream.readinto
