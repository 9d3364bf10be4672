"""A cheap load generator: new requests by raw HTTP/1.1 over asyncio in this process."""

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
class Loaded:
    """What came back in a phase.

    Attributes:
        wall_seconds: of the phase, up to its last arrival.
        statuses: how many answers had each status; 0 for a connection that broke.
        seconds: how long each answer of a status took.
    """

    wall_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter[int])
    seconds: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    def add(self, status: int, seconds: float) -> None:
        """Note an answer."""
        self.statuses[status] += 1
        self.seconds.setdefault(status, []).append(seconds)

    @property
    def goodput(self) -> float:
        """Answers in a second."""
        return self.statuses[200] / self.wall_seconds

    def quantile(self, q: float, status: int = 200) -> float:
        """Seconds that this part of the answers of a status took at most."""
        return float(np.quantile(self.seconds[status], q)) if self.seconds.get(status) else float("nan")

    def __add__(self, other: "Loaded") -> "Loaded":
        seconds = {
            status: [*self.seconds.get(status, []), *other.seconds.get(status, [])] for status in _both(self, other)
        }
        return Loaded(self.wall_seconds + other.wall_seconds, self.statuses + other.statuses, seconds)


def _both(one: Loaded, other: Loaded) -> set[int]:
    return {*one.seconds, *other.seconds}


class Clients:
    """Sends requests that were never sent before over connections that it keeps."""

    def __init__(self, port: int, width: int, num: int) -> None:
        self._port = port
        self._bodies = _bodies(width, num)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def closed(self, clients: int, seconds: float) -> Loaded:
        """So many clients, each of which asks again as soon as it is answered."""
        loaded, end = Loaded(wall_seconds=seconds), time.monotonic() + seconds

        async def work() -> None:
            while time.monotonic() < end:
                await self._ask(loaded)

        await asyncio.gather(*(work() for _ in range(clients)))
        return loaded

    async def open(self, rate: float, seconds: float, onset_seconds: float = 0.0) -> Loaded:
        """Arrivals at random, so many in a second whatever becomes of them; those of the onset do not count."""
        onset, loaded = Loaded(), Loaded(wall_seconds=seconds)
        asking, chance = set[asyncio.Task[None]](), random.Random(1)
        begun = at = time.monotonic() + onset_seconds
        at -= onset_seconds
        while (at := at + chance.expovariate(rate)) < begun + seconds:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            task = asyncio.create_task(self._ask(onset if at < begun else loaded))
            asking.add(task)
            task.add_done_callback(asking.discard)
        await asyncio.gather(*asking)
        return loaded

    async def _ask(self, loaded: Loaded) -> None:
        body, started = next(self._bodies), time.perf_counter()
        try:
            status = await self._exchange(body)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        loaded.add(status, time.perf_counter() - started)

    async def _exchange(self, body: bytes) -> int:
        """Over a connection that is kept, or over a new one where the service has closed that meanwhile."""
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
        """Disconnect."""
        for _, writer in self._idle:
            writer.close()


def _bodies(width: int, num: int) -> Iterator[bytes]:
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
