"""Bytes to a service as no client sends them, and what it says to them."""

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
    """Connect as the service listens, with options of the socket by their names."""
    address = urlsplit(service.url)
    connection = socket.socket(socket.AF_UNIX if address.port is None else socket.AF_INET)
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(f"{service.folder}/http" if address.port is None else (address.hostname or "", address.port))
    return connection


def all_of(connection: socket.socket) -> bytes:
    """What is said until the connection ends."""
    said = bytearray()
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            said += part
    return bytes(said)


def said(service: Service, *parts: bytes) -> bytes:
    """What is said to these parts until the connection ends; what cannot be sent any more is not sent."""
    with connect(service) as connection:
        send(connection, parts)
        return all_of(connection)


def send(connection: socket.socket, parts: Iterable[bytes]) -> int:
    """Send parts until the connection ends; tells how many bytes were sent."""
    sent = 0
    with suppress(ConnectionError):
        for part in parts:
            connection.sendall(part)
            sent += len(part)
    return sent


def answer(connection: socket.socket, method: str = "GET") -> httpx.Response:
    """The next answer on a connection, which goes on."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return httpx.Response(response.status, headers=response.getheaders(), content=response.read())


def answers(said: bytes, method: str = "GET") -> list[httpx.Response]:
    """All answers in what was said."""
    stream, found = io.BytesIO(said), list[httpx.Response]()
    while stream.tell() < len(said):
        response = http.client.HTTPResponse(_Stream(stream), method=method)  # pyright: ignore[reportArgumentType]
        response.begin()
        found.append(httpx.Response(response.status, headers=response.getheaders(), content=response.read()))
    return found


class _Stream:
    """What `HTTPResponse` takes for a socket; it reads on where the answer before it ended."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def makefile(self, _: str) -> "_Kept":
        return _Kept(self._stream)


class _Kept(io.BufferedIOBase):
    def __init__(self, stream: io.BytesIO) -> None:
        self.read, self.readline, self.readinto = stream.read, stream.readline, stream.readinto
