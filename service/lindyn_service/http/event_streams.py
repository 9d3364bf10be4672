"""Limits on open event streams, which leave connections for other requests."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from lindyn_service.access.in_flight import counting
from lindyn_service.errors import BusyError, RateLimitedError

_RETRY_AFTER_SECONDS = 5


class EventStreams:
    """The open event streams of one process.

    Args:
        connections: limit of the process; streams may take half of them.
        requests_at_once: limit of each key; its streams may take half of them. 0 means no limit; the streams of a key
            may then take a quarter of all streams.
    """

    def __init__(self, connections: int, requests_at_once: int) -> None:
        self.max_open = max(1, connections // 2)
        self.max_open_per_key = max(1, requests_at_once // 2 if requests_at_once else self.max_open // 4)
        self._open: Counter[str | None] = Counter()

    @contextmanager
    def open(self, name: str | None) -> Generator[None]:
        """Count an open stream for the length of the block; callers without a name have only the common limit.

        Raises:
            RateLimitedError: the key has too many open streams.
            BusyError: the process has too many open streams.
        """
        if name is not None and self._open[name] >= self.max_open_per_key:
            raise RateLimitedError(
                f"{self._open[name]} streams of events are open with the key of {name}, the limit is "
                f"{self.max_open_per_key}; close one, or ask for the state of the job instead (GET /v1/jobs/{{id}})",
                _RETRY_AFTER_SECONDS,
            )
        if self._open.total() >= self.max_open:
            raise BusyError(
                f"{self.max_open} streams of events are open, which is the limit; ask for the state of the job instead "
                "(GET /v1/jobs/{id}), or try again later"
            )
        with counting(self._open, name):
            yield
