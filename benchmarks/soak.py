"""Memory, file descriptors and errors of a service at 70 % of its capacity, over minutes.

Run it as `python benchmarks/soak.py --minutes 10`. The limits of both caches are small, so that the caches are soon
full and later growth is a leak.
"""

import argparse
from dataclasses import astuple, dataclass

import psutil
import uvloop
from load import Clients, Responses
from servers import lindyn_service

from lindyn_service.configuration.processors import usable_processors

LOAD = 0.7
SAMPLE_SECONDS = 30.0
SETTLE_SECONDS = 60.0  # for caches and allocators to reach their size
SETTINGS = {
    "memory_cache_bytes": 2**20,
    "embedded_cache_bytes": 8 * 2**20,
    "queue": 1000,  # other programs may use the machine for a while, which is not an error of the service
    "queue_seconds": 10,
}


@dataclass(frozen=True)
class Sample:
    """Megabytes of each kind of process, and the number of file descriptors."""

    service_mb: float
    workers_mb: float
    valkey_mb: float
    descriptors: int

    def __str__(self) -> str:
        return "service {:6.1f} MB   workers {:6.1f} MB   Valkey {:5.1f} MB   descriptors {:3d}".format(*astuple(self))


def main() -> None:
    """Print a line every half minute, and the ratio of the last one to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=usable_processors())
    parser.add_argument("--width", type=int, default=20, help="width of the networks")
    parser.add_argument("--times", type=int, default=100, help="number of times of each trajectory")
    chosen = parser.parse_args()
    with lindyn_service(workers=chosen.workers, **SETTINGS) as server:
        uvloop.run(soak(Clients(server.port, chosen.width, chosen.times), server.process, chosen))


async def soak(clients: Clients, process: psutil.Process, chosen: argparse.Namespace) -> None:
    await clients.closed_loop(2 * chosen.workers, 5.0)
    capacity = (await clients.closed_loop(2 * chosen.workers, 15.0)).goodput
    print(f"capacity {capacity:.1f}/s, load {LOAD * capacity:.1f}/s")
    total = await clients.open_loop(LOAD * capacity, SETTLE_SECONDS)
    first = last = sample(process)
    print(f"  start   {first}")
    for number in range(1, round(60 * chosen.minutes / SAMPLE_SECONDS) + 1):
        total += await clients.open_loop(LOAD * capacity, SAMPLE_SECONDS)
        last = sample(process)
        print(f"{number * SAMPLE_SECONDS / 60:5.1f} min {last}", flush=True)
    clients.close()
    report(first, last, total)


def report(first: Sample, last: Sample, total: Responses) -> None:
    """Print ratios of the end to the start, and the statuses of all responses."""
    for name in ("service_mb", "workers_mb", "valkey_mb", "descriptors"):
        print(f"{name:12} {getattr(last, name) / getattr(first, name):.3f} of the start")
    p50, p99 = 1000 * total.quantile(0.5), 1000 * total.quantile(0.99)
    print(f"{total.statuses.total()} requests: {dict(total.statuses)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def sample(process: psutil.Process) -> Sample:
    """Measure the service, its workers and its Valkey."""
    children = [(child, " ".join(child.cmdline())) for child in process.children()]
    workers = sum(child.memory_info().rss for child, command in children if "to_process" in command)
    valkey = sum(child.memory_info().rss for child, command in children if "valkey-server" in command)
    descriptors = process.num_fds() + sum(child.num_fds() for child, _ in children)
    return Sample(process.memory_info().rss / 1e6, workers / 1e6, valkey / 1e6, descriptors)


if __name__ == "__main__":
    main()
