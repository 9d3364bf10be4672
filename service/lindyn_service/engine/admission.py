"""Admission control with an adaptive queue limit: long for a burst, short once the queue persists.

A queue that drains again absorbs a burst. A standing queue delays every answer without a gain in throughput. So the
queue may be long until it has persisted for some time, and from then on it is kept short until it has drained.

Source: Nichols & Jacobson (2012), 10.1145/2208917.2209336; Maurer (2015), 10.1145/2838344.2839461.
"""

import math

# waiting callers per worker; with two, the latency at five times the capacity was over twice that at half the capacity
SHORT = 1
# longest gap between refusals at which requests are refused unread: reading 170 requests per second only to refuse them
# took a fifth of two cores, which computations then lacked
UNREAD_SECONDS = 0.1


class AdmissionQueue:
    """Decides how many callers may wait for workers.

    Args:
        workers: number of calls that run concurrently.
        longest: number of callers that may wait in addition.
        persistence_seconds: time of continuous queueing after which only `SHORT` callers per worker may wait.
    """

    def __init__(self, workers: int, longest: int, persistence_seconds: float) -> None:
        self._workers = workers
        self._longest = longest
        self._short = longest if persistence_seconds == math.inf else min(longest, SHORT * workers)
        self._persistence_seconds = persistence_seconds
        self._empty_at = -math.inf
        self._refusing_since = self._refused_at = -math.inf

    def queue_limit(self, calls: int, now: float) -> int:
        """Return how many callers may wait now.

        Args:
            calls: number of calls that run or wait.
            now: time of a monotonic clock, in seconds.
        """
        if calls <= self._workers:
            self._empty_at = now
        persists = now - self._empty_at > self._persistence_seconds or self._is_refusing(now)
        return self._short if persists else self._longest

    def note_refusal(self, now: float) -> None:
        """Note that a caller was refused since the queue was full."""
        if not self._is_refusing(now):
            self._refusing_since = now
        self._refused_at = now

    def refuses_unread(self, calls: int, now: float) -> bool:
        """Return whether requests are to be refused unread: the queue is full, refusals persist and are frequent."""
        full = calls >= self._workers + self.queue_limit(calls, now)
        persists = now - self._refusing_since > self._persistence_seconds
        return full and persists and now - self._refused_at < UNREAD_SECONDS

    def _is_refusing(self, now: float) -> bool:
        return now - self._refused_at < self._persistence_seconds
