"""Division of times into intervals, in which functions are interpolated if the times are dense enough."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import Interval

MIN_TIMES = 36
"""Smallest number of times that are interpolated in an interval."""

MAX_DEGREE = 60
"""Largest degree of polynomials that are not known to need more; for others, intervals are halved."""

DegreeOf = Callable[[Interval], int]
"""Degree with which a function is interpolated in an interval, whose own degree does not count."""

_MIN_TIMES_OF_NODE = 1.2  # with fewer times for each node, interpolation is slower than evaluation
_BATCH_ENTRIES = 2**19  # four megabytes; products with fewer rows are slower
_MAX_LENGTH = 3.2  # of intervals, in the logarithm of time
_UNKNOWN = 1  # degree of an interval whose degree is not chosen yet
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

    def halves(self, times: Float[np.ndarray, " time"], max_times: int, degree_of: DegreeOf) -> "list[TimeInterval]":
        """Two intervals of half the length in the logarithm of time; without interpolation, the interval itself."""
        if self.interval is None:
            return [self]
        middle = self.times.start + int(np.searchsorted(times[self.times], self.interval.middle, side="right"))
        bounds = self.times.start, middle, self.times.stop
        return _divided(times, self.interval.unit, bounds, max_times, degree_of)

    def refined(self) -> "TimeInterval":
        """Interval with twice the degree, whose nodes include those of this interval."""
        if self.interval is None:
            return self
        return replace(self, interval=replace(self.interval, degree=2 * self.interval.degree))


def time_intervals(
    times: Float[np.ndarray, " time"],
    unit: float,
    max_times: int,
    degree_of: DegreeOf,
) -> list[TimeInterval]:
    """Divide ascending times into intervals; those with few times are not interpolated.

    Args:
        times: ascending times.
        unit: time scale of the fastest change, in the unit of times.
        max_times: largest number of times in an interval without interpolation.
        degree_of: degree that an interval needs; intervals with degrees above `MAX_DEGREE` are halved.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the degree depends on the
    distance of singularities from the interval, relative to its length.
    """
    first, last = float(times[0]), float(times[-1])
    n_intervals = math.ceil(math.log1p((last - first) / (first + unit)) / _MAX_LENGTH)
    edges = [(last + unit) * math.exp(-_MAX_LENGTH * i) - unit for i in range(n_intervals - 1, 0, -1)]
    inner = [int(np.searchsorted(times, edge, side="right")) for edge in edges]
    return _divided(times, unit, (0, *inner, len(times)), max_times, degree_of)


def evaluated(start: int, stop: int, max_times: int) -> list[TimeInterval]:
    """Divide a range of times into intervals without interpolation, of at most `max_times` times each."""
    return [TimeInterval(slice(first, min(first + max_times, stop)), None) for first in range(start, stop, max_times)]


def _divided(
    times: Float[np.ndarray, " time"], unit: float, bounds: Sequence[int], max_times: int, degree_of: DegreeOf
) -> list[TimeInterval]:
    """Intervals between indices, and evaluation at the times between those that are interpolated."""
    intervals: list[TimeInterval] = []
    first_evaluated = bounds[0]
    for start, stop in pairwise(bounds):
        for part in _interpolated(times, unit, slice(start, stop), degree_of):
            intervals += [*evaluated(first_evaluated, part.times.start, max_times), part]
            first_evaluated = part.times.stop
    return [*intervals, *evaluated(first_evaluated, bounds[-1], max_times)]


def _interpolated(
    times: Float[np.ndarray, " time"], unit: float, own: slice, degree_of: DegreeOf
) -> Iterator[TimeInterval]:
    """Interval of some times or parts of it that need smaller degrees; nothing for too few or equal times."""
    if own.stop - own.start < MIN_TIMES:
        return
    interval = Interval(float(times[own.start]), float(times[own.stop - 1]), unit, _UNKNOWN)
    if interval.length <= _MIN_LENGTH:
        return
    degree = degree_of(interval)
    if degree <= MAX_DEGREE:
        if own.stop - own.start >= _MIN_TIMES_OF_NODE * (degree + 1):
            yield TimeInterval(own, replace(interval, degree=degree))
        return
    middle = own.start + int(np.searchsorted(times[own], interval.middle, side="right"))
    if middle < own.stop:
        yield from _interpolated(times, unit, slice(own.start, middle), degree_of)
        yield from _interpolated(times, unit, slice(middle, own.stop), degree_of)
