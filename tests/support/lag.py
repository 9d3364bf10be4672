"""How long the event loop of a service is held, and what requests cost it; whatever else the machine does.

It is measured in processor time of the loop's own thread: `loop_hold` for what requests take away from all others, and
`processor_seconds` for what some requests cost together. Compare either with the same of cheap requests.
"""

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.processes import Service

SETTLING = 20
LEAST_SECONDS = 1e-5  # where the clock of the thread is coarse


@dataclass
class Hold:
    """Processor seconds of the event loop in which a request of somebody else waited.

    Attributes:
        idle_seconds: for such a request when there is no other, the median of some.
        longest_seconds: for the one that waited longest in the block.
    """

    idle_seconds: float
    longest_seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times longer than on an idle loop the one waited that waited longest."""
        return self.longest_seconds / self.idle_seconds


def processor_seconds(service: Service) -> float:
    """Of the thread of the event loop, which is the first of the process, since it started."""
    process = service.process.pid
    precise = Path(f"/proc/{process}/task/{process}/schedstat")
    if precise.exists():
        return int(precise.read_text().split()[0]) / 1e9
    times = next(thread for thread in service.process.threads() if thread.id == process)
    return times.user_time + times.system_time


def all_processor_seconds(service: Service) -> float:
    """Of all threads of the process, since they started: one that holds the interpreter holds up the event loop."""
    total = 0.0
    for thread in Path(f"/proc/{service.process.pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            total += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return total


@contextmanager
def loop_hold(service: Service, clock: Callable[[Service], float] = processor_seconds) -> Iterator[Hold]:
    """Ask for /healthz all the time while the block lasts; the result is complete after it.

    Args:
        service: to ask.
        clock: what is measured while each request waits.
    """
    with service.client() as client:
        hold = Hold(statistics.median(sorted(_asked(service, client, clock) for _ in range(SETTLING))))
        ended = threading.Event()

        def ask() -> None:
            while not ended.is_set():
                hold.longest_seconds = max(hold.longest_seconds, _asked(service, client, clock))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield hold
        finally:
            ended.set()
            asking.join()


def _asked(service: Service, client: httpx.Client, clock: Callable[[Service], float]) -> float:
    before = clock(service)
    client.get("/healthz").raise_for_status()
    return max(clock(service) - before, LEAST_SECONDS)
