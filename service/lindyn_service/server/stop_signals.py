"""Signals to stop that arrive before the server handles them."""

import signal
import time

_POLL_SECONDS = 0.1


class StopSignals:
    """Records SIGINT and SIGTERM from its construction on, without interrupting what runs.

    A handler that raised SystemExit instead would not always stop the process: an exception amid an import may become
    another one, with a traceback, and one in a callback of the garbage collector is ignored. A `threading.Event` would
    deadlock if the signal arrived while the main thread holds its lock.

    Attributes:
        received: whether the process is to stop.
    """

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.set)

    def set(self, *_: object) -> None:
        """Record that the process is to stop, in any thread."""
        self.received = True

    def wait(self, seconds: float) -> bool:
        """Wait until the process is to stop, but not longer than this time, and return whether it is to stop."""
        deadline = time.monotonic() + seconds
        while not self.received and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_SECONDS))
        return self.received
