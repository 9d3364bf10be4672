"""Division of times into intervals, in which functions are interpolated if the times are dense enough."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import Interval

DEGREE = 40
"""Degree of the polynomials, about what generic networks need on intervals of length `_MAX_LENGTH`."""

MIN_TIMES = 50
"""Smallest number of times for which interpolation in an interval is faster than evaluation."""

_BATCH_ENTRIES = 2**19  # four megabytes; products with fewer rows are slower
_MAX_LENGTH = 1.5  # of intervals, in the logarithm of time
_MIN_LENGTH = 1e-300  # positions within a shorter interval cannot be represented


@dataclass(frozen=True)
class TimeInterval:
    """Range of successive times, with a Chebyshev interval for interpolation, or None to evaluate at each time."""

    times: slice
    interval: Interval | None

    @property
    def n_nodes(self) -> int:
        """Number of times at which the solution is evaluated."""
        return self.times.stop - self.times.start if self.interval is None else self.interval.degree + 1

    def evaluation_times(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " node"]:
        """Times at which the solution is evaluated."""
        return times[self.times] if self.interval is None else self.interval.times

    def weights(
        self, times: Float[np.ndarray, " time"], n_entries: int
    ) -> Iterator[tuple[slice, Float[np.ndarray, "time node"]]]:
        """Interpolation weights of the values at the nodes, in batches of times that fit into the cache of one core.

        Args:
            times: all times.
            n_entries: number of entries of the matrices that are interpolated.
        """
        if self.interval is None:
            return
        size = min(max(_BATCH_ENTRIES // n_entries, 32), 1024)
        for start in range(self.times.start, self.times.stop, size):
            batch = slice(start, min(start + size, self.times.stop))
            yield batch, self.interval.weights(times[batch])

    def halves(self, times: Float[np.ndarray, " time"], max_times: int) -> "list[TimeInterval]":
        """Two intervals of half the length in the logarithm of time; without interpolation, the interval itself."""
        if self.interval is None:
            return [self]
        middle = np.searchsorted(times[self.times], self.interval.middle, side="right")
        bounds = self.times.start, self.times.start + int(middle), self.times.stop
        return _divided(times, self.interval.unit, bounds, max_times, DEGREE)

    def refined(self) -> "TimeInterval":
        """Interval with twice the degree, whose nodes include those of this interval."""
        if self.interval is None:
            return self
        return replace(self, interval=replace(self.interval, degree=2 * self.interval.degree))


def time_intervals(
    times: Float[np.ndarray, " time"],
    unit: float,
    max_times: int,
    *,
    degree: int = DEGREE,
    max_length: float = _MAX_LENGTH,
) -> list[TimeInterval]:
    """Divide ascending times into intervals; those with few times are not interpolated.

    Args:
        times: ascending times.
        unit: time scale of the fastest change, in the unit of times.
        max_times: largest number of times in an interval without interpolation.
        degree: degree of the polynomials.
        max_length: largest length of an interval in the logarithm of time.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the degree depends on the
    distance of singularities from the interval, relative to its length.
    """
    first, last = float(times[0]), float(times[-1])
    n_intervals = math.ceil(math.log1p((last - first) / (first + unit)) / max_length)
    edges = [(last + unit) * math.exp(-max_length * i) - unit for i in range(n_intervals - 1, 0, -1)]
    inner = [int(np.searchsorted(times, edge, side="right")) for edge in edges]
    return _divided(times, unit, (0, *inner, len(times)), max_times, degree)


def evaluated(start: int, stop: int, max_times: int) -> list[TimeInterval]:
    """Divide a range of times into intervals without interpolation, of at most `max_times` times each."""
    return [TimeInterval(slice(first, min(first + max_times, stop)), None) for first in range(start, stop, max_times)]


def _divided(
    times: Float[np.ndarray, " time"], unit: float, bounds: Sequence[int], max_times: int, degree: int
) -> list[TimeInterval]:
    """Intervals between indices; successive ones with too few or equal times are merged and not interpolated."""
    intervals: list[TimeInterval] = []
    first_evaluated = bounds[0]
    for start, stop in pairwise(bounds):
        if stop - start < MIN_TIMES:
            continue
        interval = Interval(float(times[start]), float(times[stop - 1]), unit, degree)
        if interval.length > _MIN_LENGTH:
            intervals += evaluated(first_evaluated, start, max_times)
            intervals.append(TimeInterval(slice(start, stop), interval))
            first_evaluated = stop
    return [*intervals, *evaluated(first_evaluated, bounds[-1], max_times)]
