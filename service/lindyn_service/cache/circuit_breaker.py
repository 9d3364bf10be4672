"""Whether Redis is worth a call, so that a dead one costs a timeout now and then and not one per request."""

import logging
import math
import time
from typing import Literal

State = Literal["ok", "degraded"]

log = logging.getLogger(__name__)


class CircuitBreaker:
    """Remembers a failure, keeps callers away for a while, then lets a single one try.

    Args:
        retry_seconds: how long nobody calls after a failure.
    """

    def __init__(self, retry_seconds: float) -> None:
        self._retry_seconds = retry_seconds
        self._state: State = "ok"
        self._failed_at = -math.inf
        self._retry_at = -math.inf

    @property
    def state(self) -> State:
        """Whether the last call worked."""
        return self._state

    def enter(self) -> bool:
        """Ask to call. Whoever may must report by `succeed` or `fail`: others wait for it."""
        if self._state == "ok":
            return True
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = math.inf  # one tries, not all who come after the wait
        return True

    def succeed(self, started: float) -> None:
        """Report that a call worked.

        Args:
            started: the monotonic time at which it began. What began before the last failure proves nothing.
        """
        if self._state == "degraded" and started > self._failed_at:
            self._state = "ok"
            log.warning("redis answers again")

    def fail(self, error: Exception) -> None:
        """Report that a call did not work."""
        self._failed_at = time.monotonic()
        self._retry_at = self._failed_at + self._retry_seconds
        if self._state == "ok":
            self._state = "degraded"
            log.warning("redis does not work, going on without it (%s: %s)", type(error).__name__, error)
