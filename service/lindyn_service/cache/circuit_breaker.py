"""A circuit breaker for calls to Redis: while Redis is down, only an occasional call has to wait for a timeout."""

import logging
import math
import time
from typing import Literal

State = Literal["ok", "degraded"]

log = logging.getLogger(__name__)


class CircuitBreaker:
    """Opens after a failed call, and after a pause permits a single trial call at a time.

    Args:
        retry_seconds: pause after a failure, in which no call is permitted.
    """

    def __init__(self, retry_seconds: float) -> None:
        self._retry_seconds = retry_seconds
        self._state: State = "ok"
        self._failed_at = -math.inf
        self._retry_at = -math.inf

    @property
    def state(self) -> State:
        """Whether the last call succeeded (`ok`) or failed (`degraded`)."""
        return self._state

    def acquire_permission(self) -> bool:
        """Return whether the caller may call Redis; if so, it must report the outcome by `succeed` or `fail`."""
        if self._state == "ok":
            return True
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = math.inf  # only one trial call is under way at a time
        return True

    def succeed(self, started: float) -> None:
        """Report a successful call.

        Args:
            started: the monotonic time at which the call began. A call that began before the last failure is ignored.
        """
        if self._state == "degraded" and started > self._failed_at:
            self._state = "ok"
            log.warning("Redis answers again")

    def fail(self, error: Exception) -> None:
        """Report a failed call."""
        self._failed_at = time.monotonic()
        self._retry_at = self._failed_at + self._retry_seconds
        if self._state == "ok":
            self._state = "degraded"
            log.warning("Redis failed; continuing without it (%s: %s)", type(error).__name__, error)
