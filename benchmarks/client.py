"""Time of a response of 64 MB in the client, relative to np.load of the same file plus a copy of it through loopback.

`python benchmarks/client.py` prints medians of one run. Times depend on the machine; the ratio is the result.
"""

import socket
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from servers import lindyn_service

import lindyn

REPEATS = 9
REQUEST = {
    "network": lindyn.balanced([64, 64, 64], lam=1.0, seed=1),
    "task": lindyn.spectrum(np.linspace(0.1, 3.0, 64), seed=2),
    "times": np.linspace(0, 10, 2048),
    "quantities": ["output"],
}


def main() -> None:
    """Print times, their ratio, and the peak memory relative to the size of the response."""
    with (
        lindyn_service(workers=1) as server,
        lindyn.Client(server.url) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = client.trajectory(**REQUEST).save(Path(folder, "answer.npz"))
        payload = file.stat().st_size
        answer = seconds(lambda: client.trajectory(**REQUEST))
        loading = seconds(lambda: load(file))
        content = file.read_bytes()
        copying = seconds(lambda: copy(content))
        peak = largest(lambda: client.trajectory(**REQUEST))
    print(f"answer of {payload / 1e6:.0f} MB, from the service's cache")
    print(f"  client             {1e3 * answer:7.0f} ms")
    print(f"  np.load            {1e3 * loading:7.0f} ms")
    print(f"  loopback copy      {1e3 * copying:7.0f} ms")
    print(f"  client over both   {answer / (loading + copying):7.2f}   (at most 3)")
    print(f"  memory / payload   {peak / payload:7.2f}   (less than 2.5)")


def seconds(action: Callable[[], object]) -> float:
    """Median duration after one warm-up run."""
    action()
    return median(_once(action) for _ in range(REPEATS))


def _once(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def load(file: Path) -> list[np.ndarray]:
    """Load all arrays of the file with numpy."""
    with np.load(file, allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def copy(payload: bytes) -> bytearray:
    """Send bytes through a TCP connection of this machine, and return the received copy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, payload))
        thread.start()
        received = bytearray(len(payload))
        view, at = memoryview(received), 0
        with socket.create_connection(server.getsockname()) as connection:
            while at < len(payload):
                at += connection.recv_into(view[at:])
        thread.join()
    return received


def _serve(server: socket.socket, payload: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(payload)


def largest(action: Callable[[], object]) -> int:
    """Peak of the memory that Python and numpy allocate during an action, in bytes."""
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    main()
