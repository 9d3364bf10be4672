"""The processor time of a worker process, read from outside, so that it is known even when the worker is killed."""

import sys
import time

_OF_PROCESS = 2  # CPUCLOCK_SCHED; `clock_getcpuclockid` builds clock ids from process ids in the same way


def processor_seconds(process: int | None) -> float | None:
    """Return the processor time that a process has used so far, or None where it is unknown, as on other systems."""
    if process is None or sys.platform != "linux":
        return None
    try:
        return time.clock_gettime(~process << 3 | _OF_PROCESS)
    except OSError:
        return None


class Meter:
    """Measures the processor time of one call."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._started_at: float | None = None
        self._latest: float | None = None

    def start(self, process: int | None) -> None:
        """Start the measurement of a process that begins to run the call."""
        self._process = process
        self._started_at = processor_seconds(process)

    def sample(self) -> None:
        """Read the processor time of the process; after its death the last value is kept."""
        self._latest = processor_seconds(self._process) or self._latest

    def seconds(self) -> float | None:
        """Return the processor time from `start` to the last `sample`, or None where it is unknown."""
        return None if self._started_at is None or self._latest is None else self._latest - self._started_at
