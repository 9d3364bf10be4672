"""Network functions at many times from those at fewer, where that is as good as evaluating the solution."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.exact import Solution
from lindyn_service.dynamics.tasks import EPS

DEGREES = (48, 96, 192, 384)
"""Of the polynomials; each has the nodes of those before it."""

_FEWEST = 4  # times for each node, below which little is saved
_MOST = 6  # nodes for each pivot, above which interpolation takes as long as evaluation
_LARGEST_SAMPLES = 2**22  # entries, 32 megabytes
_BATCH_ENTRIES = 2**18
_ROUNDING = 4 * EPS  # of an entry by evaluation, relative to the size of its terms
_WORSE = 8.0  # than the rounding errors of evaluation
_RELATIVE = 1e-13  # error of the excess loss that needs no excuse
_LAST = 4  # coefficients that show what is left out
_HOPE = 1.2  # how much faster than so far the coefficients may decay from now on


@dataclass(frozen=True)
class Samples:
    """The network function u^T W v at the nodes of an interval of times."""

    interval: Interval
    strengths: Float[np.ndarray, "node out rank"]

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Float[np.ndarray, "time node"]]]:
        """Weights of the nodes at times of the interval, for batches of bounded size."""
        size = int(np.clip(_BATCH_ENTRIES // self.strengths[0].size, 16, 256))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            yield part, self.interval.weights(times[part])


def worthwhile(solution: Solution, n_times: int) -> tuple[int, ...]:
    """Degrees with which interpolation at some number of times is faster than evaluation, and bounded in memory.

    Source: 4 d n^2 floating-point operations a time at degree d and equal widths n, against about 10 n^3.
    """
    entries = len(solution.modes.u) * len(solution.modes.v)
    most = min(n_times / _FEWEST, _MOST * len(solution.echelon.pivots), _LARGEST_SAMPLES / entries)
    degrees = tuple(degree for degree in DEGREES if degree < most)
    # most runs need the second one
    return degrees if len(degrees) > 1 else ()


def sample(solution: Solution, times: Float[np.ndarray, " time"], degrees: Sequence[int]) -> Samples | None:
    """Evaluate a solution at as many Chebyshev nodes as interpolation of the network function needs.

    The degree grows until the loss and the network function between the nodes are known as they are by evaluation: the
    coefficients must have decayed to rounding errors, and no early or late values may be so much larger than others
    that their rounding errors matter to these.

    Args:
        solution: of a problem on white inputs.
        times: ascending, in units of the time constant.
        degrees: that may be tried, ascending, each a multiple of those before it.

    Returns:
        The samples, or None where the function is too rough for these degrees.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the coefficients of an
    analytic function decay geometrically.
    """
    fastest = float(np.max(solution.modes.kappa))
    if not fastest or times[0] == times[-1]:
        return None
    found: _Evaluated | None = None
    needed = 0.0
    for degree in degrees:
        if degree < needed:
            continue
        found = _evaluate(solution, Interval(float(times[0]), float(times[-1]), 1 / fastest, degree), found)
        if found.has_decayed() and found.as_good_as_evaluation(solution.modes.s):
            return Samples(found.interval, found.strengths)
        needed = found.degree_needed()
    return None


@dataclass(frozen=True)
class _Evaluated:
    """The network function at nodes; its entries are sums of terms of the given sizes."""

    interval: Interval
    strengths: Float[np.ndarray, "node out rank"]
    sizes: Float[np.ndarray, "node out rank"]

    def has_decayed(self) -> bool:
        """Whether the last coefficients may be rounding errors."""
        degree = self.interval.degree
        end = np.max(np.abs(self._coefficients(degree - _LAST, degree)))
        return bool(end <= _WORSE * _ROUNDING * np.max(self.sizes))

    def as_good_as_evaluation(self, s: Float[np.ndarray, " mode"]) -> bool:
        """Whether neither the function nor the loss loses digits between the nodes."""
        degree = self.interval.degree
        tail = np.max(np.abs(self._coefficients(degree - _LAST, degree)), axis=0)
        nodes = np.arange(degree + 1)
        # the weight of a node decays with the distance from it, and rounding errors are independent
        spread = 1 / (1 + 2 * np.abs(nodes[:, None] - nodes)) ** 2
        rounding = _ROUNDING * self.sizes
        doubt = np.sqrt(np.tensordot(spread, rounding**2, 1)) + tail
        error = self.strengths.copy()
        modes = np.arange(len(s))
        error[:, modes, modes] -= s
        np.abs(error, out=error)
        function = _sums(doubt, doubt) <= _WORSE**2 * _sums(rounding, rounding)
        loss = _sums(error, doubt) <= _WORSE * _sums(error, rounding) + _RELATIVE * _sums(error, error)
        return bool(np.all(function & loss))

    def degree_needed(self) -> float:
        """At which the coefficients reach rounding errors if they go on to decay as they do, or a bit faster."""
        degree = self.interval.degree
        middle = np.max(np.abs(self._coefficients(degree // 2 - _LAST, degree // 2)))
        end = np.max(np.abs(self._coefficients(degree - _LAST, degree)))
        goal = _ROUNDING * np.max(self.sizes)
        if not goal < end < middle:
            return np.inf
        rate = _HOPE * np.log(middle / end) / (degree - degree // 2)
        return degree + np.log(end / goal) / rate

    def _coefficients(self, start: int, stop: int) -> Float[np.ndarray, "order out rank"]:
        return np.tensordot(self.interval.coefficients(np.arange(start, stop, dtype=float)), self.strengths, 1)


def _evaluate(solution: Solution, interval: Interval, known: _Evaluated | None) -> _Evaluated:
    """Evaluate at the nodes that are not known from a lower degree."""
    shape = (interval.degree + 1, len(solution.modes.u), len(solution.modes.v))
    strengths, sizes = np.empty(shape), np.empty(shape)
    new: Bool[np.ndarray, " node"] = np.ones(shape[0], dtype=bool)
    if known is not None:
        shared = slice(None, None, interval.degree // known.interval.degree)
        strengths[shared], sizes[shared], new[shared] = known.strengths, known.sizes, False
    places, times = np.flatnonzero(new), interval.times[new]
    for part, factors in solution.batches(times):
        strengths[places[part]] = factors.out @ factors.into.transpose(0, 2, 1)
        out, into = np.linalg.norm(factors.out, axis=2), np.linalg.norm(factors.into, axis=2)
        sizes[places[part]] = out[:, :, None] * into[:, None, :]
    return _Evaluated(interval, strengths, sizes)


def _sums(a: Float[np.ndarray, "node out rank"], b: Float[np.ndarray, "node out rank"]) -> Float[np.ndarray, " node"]:
    return np.vecdot(a.reshape(len(a), -1), b.reshape(len(b), -1))
