"""Memory of the service and throughput for a response of 1 GB, compared with the same file served statically.

The response is the output of 32-32-32 at as many times as make about 10^9 bytes of npz. The first request computes
it, and later ones are served from the cache, in turn with `GET` of the same file from a FastAPI application with a
single `FileResponse` on the same uvicorn. The client discards the bytes. Memory is the resident set of the service
process, without its worker, sampled every 20 ms during the responses, minus its size before. The table has medians over
the rounds, also for the ratio within a round.
"""

import argparse
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
from history import record
from servers import bare_service, lindyn_service
from serving import PATH

WIDTH = 32
SAMPLE_SECONDS = 0.02
PIECE = bytearray(2**20)


class Peak:
    """Largest resident set of a process, in bytes."""

    def __init__(self, process: psutil.Process) -> None:
        self.bytes = 0
        self._process = process
        self._done = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample the resident set during the block."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        yield
        self._done.set()
        thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, self._process.memory_info().rss)


def request(size: int) -> bytes:
    """A request whose response has about `size` bytes."""
    document = {
        "network": {"kind": "balanced", "dims": [WIDTH] * 3, "lambda": 1.0, "seed": 1},
        "task": {"kind": "spectrum", "singular_values": np.linspace(0.1, 3, WIDTH).tolist(), "seed": 2},
        "times": {"start": 0, "stop": 10, "num": size // (8 * WIDTH**2)},
        "quantities": ["output"],
    }
    content = json.dumps(document).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/x-npz\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def fetch(port: int, request_bytes: bytes, into: Path | None = None) -> tuple[int, float]:
    """Bytes of a response, and its duration in seconds."""
    started = time.perf_counter()
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        file = None if into is None else stack.enter_context(into.open("wb"))
        connection.sendall(request_bytes)
        head, _, beginning = connection.recv(2**16).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"got {head!r} {beginning!r}")
        size = missing = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        if file is not None:
            file.write(beginning)
        missing -= len(beginning)
        while missing:
            received = connection.recv_into(PIECE)
            missing -= received
            if file is not None:
                file.write(memoryview(PIECE)[:received])
    return size, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=10**9)
    parser.add_argument("--record", action="store_true", help="append the row to history/memory.jsonl")
    chosen = parser.parse_args()
    request_bytes = request(chosen.bytes)
    largest = 2 * chosen.bytes
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(
            lindyn_service(
                workers=1, max_answer_bytes=largest, max_work_bytes=largest, deadline_seconds=300, spool_bytes=largest
            )
        )
        fetch(service.port, request(10**5))
        before = service.process.memory_info().rss
        peak = Peak(service.process)
        with peak.watched():
            size, first = fetch(service.port, request_bytes, folder / "answer")
            bare = stack.enter_context(bare_service(folder))
            static = b"GET /answer HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            pairs = [
                (fetch(service.port, request_bytes)[1], fetch(bare.port, static)[1]) for _ in range(chosen.rounds + 1)
            ][1:]
    ours, theirs = (size / np.array(each) / 1e9 for each in zip(*pairs, strict=True))
    row: dict[str, object] = {
        "bytes": size,
        "first_seconds": first,
        "growth_bytes": peak.bytes - before,
        "ours_gb_per_s": float(np.median(ours)),
        "static_gb_per_s": float(np.median(theirs)),
        "ratio": float(np.median(ours / theirs)),
    }
    print(f"response of {size / 1e9:.2f} GB: first {first:.1f} s, service grew by {(peak.bytes - before) / 1e6:.0f} MB")
    print(
        "from the cache at {ours_gb_per_s:.2f} GB/s, static {static_gb_per_s:.2f} GB/s, ratio {ratio:.2f}".format(**row)
    )
    if chosen.record:
        record("memory", [row])


if __name__ == "__main__":
    main()
