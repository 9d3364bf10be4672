"""How many callers may wait: all that a burst brings, few once there is no end to it.

A queue that lasts helps nobody: it makes every answer late and computes no more of them. A queue that empties again was
worth it. So a queue may be long until it has lasted for some time, and is short from then on until it is gone.

Source: Nichols & Jacobson (2012), 10.1145/2208917.2209336; Maurer (2015), 10.1145/2838344.2839461.
"""

import math

# callers a worker: with two, answers at five times of what can be done took over twice as long as at half of it
SHORT = 1
# to refuse what was read costs time that computations lack: 170 of those in a second took a fifth of two cores
UNREAD_SECONDS = 0.1


class AdmissionQueue:
    """The callers who wait for workers.

    Args:
        workers: how many calls run at the same time.
        longest: how many callers may wait beyond those.
        lasting_seconds: how long some may wait without a pause before only `SHORT` a worker may.
    """

    def __init__(self, workers: int, longest: int, lasting_seconds: float) -> None:
        self._workers = workers
        self._longest = longest
        self._short = longest if lasting_seconds == math.inf else min(longest, SHORT * workers)
        self._lasting_seconds = lasting_seconds
        self._empty_at = -math.inf
        self._refuses_since = self._refused_at = -math.inf

    def may_wait(self, calls: int, now: float) -> int:
        """How many may wait now.

        Args:
            calls: that run or wait.
            now: by a clock that nobody sets, in seconds.
        """
        if calls <= self._workers:
            self._empty_at = now
        lasts = now - self._empty_at > self._lasting_seconds or self._refuses(now)
        return self._short if lasts else self._longest

    def refuse(self, now: float) -> None:
        """Note that there was no place."""
        if not self._refuses(now):
            self._refuses_since = now
        self._refused_at = now

    def turns_away(self, calls: int, now: float) -> bool:
        """Whether somebody may be refused unread: there is no place, nor was there for long, and many ask."""
        full = calls >= self._workers + self.may_wait(calls, now)
        lasts = now - self._refuses_since > self._lasting_seconds
        return full and lasts and now - self._refused_at < UNREAD_SECONDS

    def _refuses(self, now: float) -> bool:
        return now - self._refused_at < self._lasting_seconds
