"""Early stopping in continual learning: times at which the losses of other tasks are least during training on one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.polynomial.chebyshev import chebvander
from scipy.optimize import brentq

from lindyn_service.dynamics.chebyshev import coefficients, nodes
from lindyn_service.dynamics.continual import ContinualTask, Segment, measure
from lindyn_service.dynamics.convergence import fastest_rate
from lindyn_service.dynamics.search_axis import SearchAxis

_DEGREE = 16  # of the polynomials that approximate losses
_MAX_INITIAL_LENGTH = 0.75  # of pieces before they are halved, in the logarithm of time
_MIN_LENGTH = 0.25  # relative to the time scale of the fastest motion; losses are smooth on shorter pieces
_MAX_PIECES = 4096
_TOLERANCE = 1e-8  # of the error of a polynomial, relative to the largest loss of its piece
_NOISE_THRESHOLD = 1e-6  # smaller tails shrink rapidly when pieces are halved, unless they are rounding errors
_SUBDIVISIONS = 4  # of the distance between two nodes, for evaluating a polynomial between them

_LAST_COEFFICIENTS = coefficients(_DEGREE, np.arange(_DEGREE - 4.0, _DEGREE))  # they estimate the truncation error
_GAPS = np.diff(nodes(_DEGREE))[:, None]
_BETWEEN_NODES = (nodes(_DEGREE)[:-1, None] + _GAPS * np.arange(1, _SUBDIVISIONS) / _SUBDIVISIONS).ravel()
_INTERPOLATION = chebvander(_BETWEEN_NODES, _DEGREE) @ np.linalg.inv(chebvander(nodes(_DEGREE), _DEGREE))

_MAX_ROOTS = 16
_TINY = float(np.finfo(np.float64).tiny)
_ROUNDING = 64 * float(np.finfo(np.float64).eps)  # rounding error of a loss, relative to the terms that it sums
_LEVEL_TOLERANCE = 0.0  # relative difference below which losses count as equal and rates as zero


@dataclass(frozen=True)
class Stop:
    """Time at which the loss of a task is least while another task is trained.

    Attributes:
        time: time since the start of the segment, in units of the time constant.
        loss: excess loss of the task at this time.
        rate: time derivative of the loss at this time.
        interior: whether this is an interior minimum, with a lower loss than at both ends of the segment.
    """

    time: float
    loss: float
    rate: float
    interior: bool


def best_stops(segment: Segment, others: Sequence[ContinualTask]) -> list[Stop]:
    """Find the times of a segment at which the losses of other tasks are least.

    The losses are approximated by polynomials on pieces of the segment, which are halved until the polynomials
    converge. The loss of the trained task is approximated, too: it decreases whenever the weights move, so that no
    transition is missed between two times. Sign changes of the rates then bracket the minima, the lowest of which are
    refined and compared with the ends of the segment.

    Args:
        segment: training on one task.
        others: other tasks.

    Returns:
        One stop for each of the other tasks.

    Source: thesis section 4.4: stopping times from the rate of forgetting, Theorem 4.4.1 corrected; Trefethen (2013),
    Approximation Theory and Approximation Practice, chapter 8: coefficients of an analytic function decay
    geometrically.
    """
    samples = _sample(segment, others)
    return [_best_stop(segment, old, samples.of(i)) for i, old in enumerate(others)]


@dataclass(frozen=True)
class _Samples:
    """Losses of tasks and their time derivatives at ascending times."""

    times: Float[np.ndarray, " time"]
    losses: Float[np.ndarray, "time *task"]
    rates: Float[np.ndarray, "time *task"]

    def of(self, task: int) -> "_Samples":
        """Samples of one task."""
        return _Samples(self.times, self.losses[:, task], self.rates[:, task])

    @staticmethod
    def joined(parts: "Sequence[_Samples]") -> "_Samples":
        """Samples in ascending order of times, without duplicates."""
        times, first = np.unique(np.concatenate([part.times for part in parts]), return_index=True)
        losses, rates = (
            np.concatenate(each)[first] for each in zip(*((p.losses, p.rates) for p in parts), strict=True)
        )
        return _Samples(times, losses, rates)


@dataclass(frozen=True)
class _Pieces:
    """Pieces of [0, 1], and the truncation errors of the losses on the pieces that they are halves of."""

    left: Float[np.ndarray, " piece"]
    right: Float[np.ndarray, " piece"]
    tail: Float[np.ndarray, "piece task"]

    def at(self, x: Float[np.ndarray, " place"]) -> Float[np.ndarray, "piece place"]:
        """Map points of [-1, 1] to each piece; the common end of two neighbouring pieces is the same number in both."""
        share = (x + 1) / 2
        return self.left[:, None] * (1 - share) + self.right[:, None] * share

    def halves(self, tail: Float[np.ndarray, "piece task"], which: Bool[np.ndarray, " piece"]) -> "_Pieces":
        """Halves of some pieces, in ascending order."""
        left, right = self.left[which], self.right[which]
        middle = (left + right) / 2
        bounds = np.stack([left, middle, right], axis=1)
        return _Pieces(bounds[:, :-1].ravel(), bounds[:, 1:].ravel(), np.repeat(tail[which], 2, axis=0))


def _sample(segment: Segment, others: Sequence[ContinualTask]) -> _Samples:
    """Evaluate the losses at times that are dense enough to resolve all their minima."""
    tasks, speed = [*others, segment.task], _speed(segment)
    loss_scales = np.array([task.variance * float(np.sum(task.sigma_yx**2)) for task in tasks])
    scale = SearchAxis(segment.duration, math.log1p(segment.duration * speed))
    edges = np.linspace(0.0, 1.0, max(1, math.ceil(scale.phase / _MAX_INITIAL_LENGTH)) + 1)
    pieces = _Pieces(edges[:-1], edges[1:], np.full((len(edges) - 1, len(tasks)), np.inf))
    samples: list[_Samples] = []
    n_pieces = 0
    while len(pieces.left) and n_pieces < _MAX_PIECES:
        n_pieces += len(pieces.left)
        times = scale.times(pieces.at(nodes(_DEGREE)))
        samples.append(_samples_at(segment, tasks, times))
        losses = samples[-1].losses.reshape(*times.shape, len(tasks))
        largest, tail = np.max(losses, axis=1), np.max(np.abs(_LAST_COEFFICIENTS @ losses), axis=1)
        floor = _TOLERANCE * largest + _ROUNDING * (loss_scales + largest)
        is_noise = (tail < _NOISE_THRESHOLD * largest) & (tail > 0.5 * pieces.tail)
        is_short = (times[:, -1] - times[:, 0]) * speed < _MIN_LENGTH
        done = np.all((tail <= floor) | is_noise, axis=1) | is_short
        has_dip = _has_dip(losses, floor) & done[:, None]
        between = scale.times(pieces.at(_BETWEEN_NODES)).reshape(*has_dip.shape, -1)
        samples.append(_samples_at(segment, tasks, between[has_dip]))
        pieces = pieces.halves(tail, ~done)
    return _Samples.joined(samples)


def _speed(segment: Segment) -> float:
    return segment.task.variance * fastest_rate(segment.solution)


def _samples_at(segment: Segment, tasks: Sequence[ContinualTask], times: Float[np.ndarray, "..."]) -> _Samples:
    return _Samples(times.ravel(), *measure(segment, tasks, times.ravel()))


def _has_dip(
    losses: Float[np.ndarray, "piece node task"], floor: Float[np.ndarray, "piece task"]
) -> Bool[np.ndarray, "piece gap"]:
    """Whether a polynomial is lower between two nodes than at both of them."""
    interpolated = (_INTERPOLATION @ losses).reshape(len(losses), _DEGREE, _SUBDIVISIONS - 1, -1)
    ends = np.minimum(losses[:, :-1], losses[:, 1:])
    return np.any(np.min(interpolated, axis=2) < ends - floor[:, None], axis=2)


def _best_stop(segment: Segment, old: ContinualTask, samples: _Samples) -> Stop:
    """Lowest of the interior minima and of the ends of the segment towards which the loss decreases."""
    times, losses, rates = samples.times, samples.losses, samples.rates
    level = _LEVEL_TOLERANCE * old.variance * (float(np.sum(old.sigma_yx**2)) + float(np.min(losses)))
    steady = level * _speed(segment)
    ends = [i for i, inwards in ((0, -rates[0]), (-1, rates[-1])) if not inwards > steady]
    candidates = [Stop(float(times[i]), float(losses[i]), float(rates[i]), False) for i in ends]
    lowest_end = min((stop.loss for stop in candidates), default=math.inf) - level
    brackets = np.flatnonzero((rates[:-1] < 0) & (rates[1:] >= 0))
    lowest = brackets[np.argsort(np.minimum(losses[brackets], losses[brackets + 1]), kind="stable")][:_MAX_ROOTS]
    minima = (_stationary(segment, old, times[i : i + 2], rates[i : i + 2]) for i in lowest)
    candidates += [stop for stop in minima if stop.loss < lowest_end]
    return min(candidates, key=lambda stop: stop.loss)


def _stationary(
    segment: Segment, old: ContinualTask, ends: Float[np.ndarray, "2"], rates: Float[np.ndarray, "2"]
) -> Stop:
    """Refine a bracketed minimum; the sampled rates at the ends are reused, so that their signs stay opposite."""
    known_rates = {float(time): float(rate) for time, rate in zip(ends, rates, strict=True)}

    def rate(time: float) -> float:
        return known_rates[time] if time in known_rates else float(measure(segment, (old,), np.array([time]))[1][0, 0])

    time = float(brentq(rate, float(ends[0]), float(ends[1]), xtol=_TINY, rtol=1e-15, maxiter=1000))
    losses, end_rates = measure(segment, (old,), np.array([time]))
    return Stop(time, float(losses[0, 0]), float(end_rates[0, 0]), True)
