"""Load generator with little overhead: new requests over raw HTTP/1.1 with asyncio."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Responses:
    """Responses during a phase of load.

    Attributes:
        wall_seconds: duration of the phase, up to its last request.
        statuses: number of responses with each status; 0 stands for lost connections.
        seconds: latencies of the responses, by status.
    """

    wall_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter[int])
    seconds: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    def add(self, status: int, seconds: float) -> None:
        """Record a response."""
        self.statuses[status] += 1
        self.seconds.setdefault(status, []).append(seconds)

    @property
    def goodput(self) -> float:
        """Successful responses per second."""
        return self.statuses[200] / self.wall_seconds

    def quantile(self, q: float, status: int = 200) -> float:
        """Quantile of the latencies of responses with a status, in seconds."""
        return float(np.quantile(self.seconds[status], q)) if self.seconds.get(status) else float("nan")

    def __add__(self, other: "Responses") -> "Responses":
        statuses = {*self.seconds, *other.seconds}
        seconds = {status: [*self.seconds.get(status, []), *other.seconds.get(status, [])] for status in statuses}
        return Responses(self.wall_seconds + other.wall_seconds, self.statuses + other.statuses, seconds)


class Clients:
    """Clients with persistent connections, each of whose requests is new to the service."""

    def __init__(self, port: int, width: int, num: int) -> None:
        self._port = port
        self._bodies = _bodies(width, num)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def closed_loop(self, clients: int, seconds: float) -> Responses:
        """Closed loop: each of a number of clients sends its next request after the response to the last one."""
        responses, end = Responses(wall_seconds=seconds), time.monotonic() + seconds

        async def work() -> None:
            while time.monotonic() < end:
                await self._send(responses)

        await asyncio.gather(*(work() for _ in range(clients)))
        return responses

    async def open_loop(self, rate: float, seconds: float, onset_seconds: float = 0.0) -> Responses:
        """Open loop: Poisson arrivals at a rate per second; those of the onset do not count."""
        onset, responses = Responses(), Responses(wall_seconds=seconds)
        tasks, rng = set[asyncio.Task[None]](), random.Random(1)
        measured_from = arrival = time.monotonic() + onset_seconds
        arrival -= onset_seconds
        while (arrival := arrival + rng.expovariate(rate)) < measured_from + seconds:
            await asyncio.sleep(max(0.0, arrival - time.monotonic()))
            task = asyncio.create_task(self._send(onset if arrival < measured_from else responses))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        return responses

    async def _send(self, responses: Responses) -> None:
        body, started = next(self._bodies), time.perf_counter()
        try:
            status = await self._exchange(body)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        responses.add(status, time.perf_counter() - started)

    async def _exchange(self, body: bytes) -> int:
        """Send a request over an idle connection, or over a new one if the service has closed the idle ones."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length is not None
        await reader.readexactly(int(length[1]))
        self._idle.append((reader, writer))
        return int(head[9:12])

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._idle:
            writer.close()


def _bodies(width: int, num: int) -> Iterator[bytes]:
    """Generate HTTP requests with different seeds, so that no response is in the cache."""
    seed = random.randrange(2**30)
    while True:
        seed += 1
        document = {
            "network": {"kind": "balanced", "dims": [width] * 3, "lambda": 0.5, "seed": seed},
            "task": {"kind": "spectrum", "singular_values": [3.0, 2.0, 1.0], "seed": 2},
            "times": {"start": 0, "stop": 10, "num": num},
            "quantities": ["weight_norms"],
        }
        content = json.dumps(document).encode()
        head = f"POST /v1/trajectories HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        yield head.encode() + b"Content-Type: application/json\r\n\r\n" + content
