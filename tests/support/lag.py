"""How long requests block the event loop of a service, independently of other programs.

The unit is processor time of the thread of the loop: `loop_hold` measures how long other requests wait meanwhile, and
`processor_seconds` the total of some requests. Compare either with the same of cheap requests.
"""

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.processes import Service

WARM_UP_REQUESTS = 20
MIN_SECONDS = 1e-5  # if the clock of the thread is coarse


@dataclass
class Hold:
    """Processor seconds of the event loop during which another request waited.

    Attributes:
        idle_seconds: median for such a request on an idle loop.
        longest_seconds: maximum in the block.
    """

    idle_seconds: float
    longest_seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """Longest wait divided by the wait on an idle loop."""
        return self.longest_seconds / self.idle_seconds


def processor_seconds(service: Service) -> float:
    """Processor seconds of the thread of the event loop, the first of the process, since it started."""
    process = service.process.pid
    precise = Path(f"/proc/{process}/task/{process}/schedstat")
    if precise.exists():
        return int(precise.read_text().split()[0]) / 1e9
    times = next(thread for thread in service.process.threads() if thread.id == process)
    return times.user_time + times.system_time


def all_processor_seconds(service: Service) -> float:
    """Processor seconds of all threads of the process; one that holds the GIL blocks the event loop."""
    total = 0.0
    for thread in Path(f"/proc/{service.process.pid}/task").iterdir():
        with suppress(OSError):  # the thread has ended
            total += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return total


@contextmanager
def loop_hold(service: Service, clock: Callable[[Service], float] = processor_seconds) -> Iterator[Hold]:
    """Request /healthz repeatedly during the block; the yielded result is complete after it.

    Args:
        service: service to request.
        clock: clock that is read before and after each request.
    """
    with service.client() as client:
        hold = Hold(
            statistics.median(sorted(_time_of_request(service, client, clock) for _ in range(WARM_UP_REQUESTS)))
        )
        ended = threading.Event()

        def ask() -> None:
            while not ended.is_set():
                hold.longest_seconds = max(hold.longest_seconds, _time_of_request(service, client, clock))

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield hold
        finally:
            ended.set()
            thread.join()


def _time_of_request(service: Service, client: httpx.Client, clock: Callable[[Service], float]) -> float:
    before = clock(service)
    client.get("/healthz").raise_for_status()
    return max(clock(service) - before, MIN_SECONDS)
