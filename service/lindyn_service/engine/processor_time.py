"""The processor time of a worker process, read by the service: also where the worker cannot tell it any more."""

import sys
import time

_OF_PROCESS = 2  # CPUCLOCK_SCHED, as `clock_getcpuclockid` makes it of a process id


def processor_seconds(process: int | None) -> float | None:
    """How much processor time a process has taken so far; None where it is not known, as beyond Linux."""
    if process is None or sys.platform != "linux":
        return None
    try:
        return time.clock_gettime(~process << 3 | _OF_PROCESS)
    except OSError:
        return None


class Meter:
    """The processor time of one call."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._began: float | None = None
        self._last: float | None = None

    def begin(self, process: int | None) -> None:
        """Note that a process begins with the call."""
        self._process = process
        self._began = processor_seconds(process)

    def note(self) -> None:
        """Note how far the process is; what is noted after its death changes nothing."""
        self._last = processor_seconds(self._process) or self._last

    def seconds(self) -> float | None:
        """The time from `begin` to the last `note`; None where it is not known."""
        return None if self._began is None or self._last is None else self._last - self._began
