"""Successive times, and the intervals in which those that are dense enough are interpolated."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import Interval

DEGREE = 32
"""Of the polynomials: about what generic networks need on intervals of the length below."""

FEWEST_TIMES = 42
"""Of an interval, below which interpolation saves little."""

_BATCH_ENTRIES = 2**19  # four megabytes: flatter products take longer
_LENGTH = 0.75  # of the intervals, in the logarithm of time
_SHORTEST = 1e-300  # length: places within a shorter interval have no digits left


@dataclass(frozen=True)
class TimeInterval:
    """Successive times, with an interval to interpolate them in, or None to evaluate at each."""

    times: slice
    interval: Interval | None

    @property
    def n_nodes(self) -> int:
        """At how many times the solution is evaluated."""
        return self.times.stop - self.times.start if self.interval is None else self.interval.degree + 1

    def weights(
        self, times: Float[np.ndarray, " time"], n_entries: int
    ) -> Iterator[tuple[slice, Float[np.ndarray, "time node"]]]:
        """Of the values at the nodes in those at the times of an interval, in batches that fit a core's cache.

        Args:
            times: all of them.
            n_entries: of the matrices that are interpolated.
        """
        if self.interval is None:
            return
        size = min(max(_BATCH_ENTRIES // n_entries, 32), 1024)
        for start in range(self.times.start, self.times.stop, size):
            batch = slice(start, min(start + size, self.times.stop))
            yield batch, self.interval.weights(times[batch])

    def halves(self, times: Float[np.ndarray, " time"], room: int) -> "list[TimeInterval]":
        """Two parts of half the length in the logarithm of time; what has no interval stays."""
        if self.interval is None:
            return [self]
        middle = np.searchsorted(times[self.times], self.interval.middle, side="right")
        return _parts(
            times, self.interval.unit, (self.times.start, self.times.start + int(middle), self.times.stop), room
        )


def time_intervals(times: Float[np.ndarray, " time"], unit: float, room: int) -> list[TimeInterval]:
    """Divide ascending times: those that are few are left to evaluation.

    Args:
        times: ascending.
        unit: of the fastest change.
        room: largest number of times in a part that is evaluated.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: what decides about the degree
    is how far singularities keep away, relative to the length.
    """
    first, last = float(times[0]), float(times[-1])
    n_intervals = math.ceil(math.log1p((last - first) / (first + unit)) / _LENGTH)
    edges = [(last + unit) * math.exp(-_LENGTH * i) - unit for i in range(n_intervals - 1, 0, -1)]
    inner = [int(np.searchsorted(times, edge, side="right")) for edge in edges]
    return _parts(times, unit, (0, *inner, len(times)), room)


def evaluated(start: int, stop: int, room: int) -> list[TimeInterval]:
    """Parts without intervals, of at most some number of times.

    Source: plain division.
    """
    return [TimeInterval(slice(first, min(first + room, stop)), None) for first in range(start, stop, room)]


def _parts(times: Float[np.ndarray, " time"], unit: float, bounds: Sequence[int], room: int) -> list[TimeInterval]:
    """Intervals between indices, and parts without where there are too few times or all are one, which are joined."""
    found: list[TimeInterval] = []
    straight = bounds[0]
    for start, stop in pairwise(bounds):
        if stop - start < FEWEST_TIMES:
            continue
        interval = Interval(float(times[start]), float(times[stop - 1]), unit, DEGREE)
        if interval.length > _SHORTEST:
            found += evaluated(straight, start, room)
            found.append(TimeInterval(slice(start, stop), interval))
            straight = stop
    return [*found, *evaluated(straight, bounds[-1], room)]
