"""Closed-loop load generator over persistent connections, whose own processor time is negligible."""

import asyncio
import time
from dataclasses import dataclass

import uvloop

_LENGTH = b"content-length: "


@dataclass(frozen=True)
class Burst:
    """Number of responses, responses per second, and quantiles of the latency in seconds."""

    answers: int
    per_second: float
    p50: float
    p99: float


def burst(port: int, request: bytes, connections: int, seconds: float) -> Burst:
    """Send the same request repeatedly over each connection, each time after the previous response.

    Raises:
        RuntimeError: the status of a response is not 200, or a connection was lost.
    """
    return uvloop.run(_burst(port, request, connections, seconds))


async def _burst(port: int, request: bytes, connections: int, seconds: float) -> Burst:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    pairs = [
        await loop.create_connection(lambda: _Client(request, started + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    latencies = [latency for _, client in pairs for latency in await client.done]
    elapsed = time.perf_counter() - started
    latencies.sort()
    quantiles = [latencies[int(quantile * len(latencies))] for quantile in (0.5, 0.99)]
    return Burst(len(latencies), len(latencies) / elapsed, *quantiles)


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, end: float) -> None:
        self._request = request
        self._end = end
        self._latencies: list[float] = []
        self._missing = 0
        self.done: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._missing == 0:
            head = data.index(b"\r\n\r\n") + 4  # the head fits into one segment
            start = data.lower().index(_LENGTH, 0, head) + len(_LENGTH)
            if not data.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(RuntimeError(f"got {data[:500]!r}"))
                self._transport.close()
                return
            self._missing = head + int(data[start : data.index(b"\r", start)])
        self._missing -= len(data)
        if self._missing == 0:
            now = time.perf_counter()
            self._latencies.append(now - self._sent)
            if now < self._end:
                self._send()
            else:
                self.done.set_result(self._latencies)
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the connection was lost: {exc}"))

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)
