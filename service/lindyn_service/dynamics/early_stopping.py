"""When to stop training on one task for the sake of others: where their losses are least."""

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

_DEGREE = 16  # of the polynomials that losses are compared with
_LENGTH = 0.75  # of their pieces of time at first, in its logarithm
_SHORTEST = 0.25  # in units of the fastest motion, which leaves nothing to see
_MOST_PIECES = 4096
_RESOLVED = 1e-8  # what a polynomial may leave out, relative to the largest loss of its piece
_NOISE = 1e-6  # below which the rest falls fast with the length of a piece, unless it is rounding errors
_BETWEEN = 4  # parts of the way from node to node, on which a polynomial is looked at

_LAST_ONES = coefficients(_DEGREE, np.arange(_DEGREE - 4.0, _DEGREE))  # they show what is left out
_PLACES = (nodes(_DEGREE)[:-1, None] + np.diff(nodes(_DEGREE))[:, None] * np.arange(1, _BETWEEN) / _BETWEEN).ravel()
_VALUES = chebvander(_PLACES, _DEGREE) @ np.linalg.inv(chebvander(nodes(_DEGREE), _DEGREE))  # at places, from nodes

_MOST_ROOTS = 16
_SMALLEST = float(np.finfo(np.float64).tiny)
_ROUNDING = 64 * float(np.finfo(np.float64).eps)  # of a loss, relative to its terms
_LEVEL = 0.0  # within which losses are equal and rates are zero


@dataclass(frozen=True)
class Stop:
    """Where a task's loss is least while another one is trained.

    Attributes:
        time: since the start of the segment.
        loss: of the task.
        rate: of its loss.
        interior: whether the loss is stationary there, lower than at both ends of the segment.
    """

    time: float
    loss: float
    rate: float
    interior: bool


def best_stops(segment: Segment, olds: Sequence[ContinualTask]) -> list[Stop]:
    """Find the times of a segment at which the losses of some other tasks are least.

    The losses are followed by polynomials on pieces of time, which are halved until these leave nothing out. The loss
    of the trained task is among them: it falls whenever anything moves, so that no transition hides between two times.
    Rates that rise through zero are then bracketed, the lowest of them refined, and compared with the ends.

    Args:
        segment: training on one task.
        olds: the others.

    Returns:
        One stop for each.

    Source: thesis section 4.4: stopping times from the rate of forgetting, Theorem 4.4.1 corrected; Trefethen (2013),
    Approximation Theory and Approximation Practice, chapter 8: coefficients of an analytic function decay
    geometrically.
    """
    seen = _look(segment, olds)
    return [_best_stop(segment, old, seen.of(i)) for i, old in enumerate(olds)]


@dataclass(frozen=True)
class _Seen:
    """Losses and rates at ascending times."""

    times: Float[np.ndarray, " time"]
    losses: Float[np.ndarray, "time *task"]
    rates: Float[np.ndarray, "time *task"]

    def of(self, task: int) -> "_Seen":
        """Those of one task."""
        return _Seen(self.times, self.losses[:, task], self.rates[:, task])

    @staticmethod
    def joined(parts: "Sequence[_Seen]") -> "_Seen":
        """In the order of times, each once."""
        times, first = np.unique(np.concatenate([part.times for part in parts]), return_index=True)
        losses, rates = (
            np.concatenate(each)[first] for each in zip(*((p.losses, p.rates) for p in parts), strict=True)
        )
        return _Seen(times, losses, rates)


@dataclass(frozen=True)
class _Scale:
    """Times of a segment by numbers x from 0 to 1: evenly spaced at first, by factors later."""

    duration: float
    phase: float

    def times(self, x: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Both ends are exact."""
        grown = np.expm1(self.phase * x) / math.expm1(self.phase) if self.phase > 0 else x
        return self.duration * np.where(x < 1.0, np.minimum(grown, 1.0), 1.0)


@dataclass(frozen=True)
class _Pieces:
    """Parts of 0 to 1, and what polynomials left out of the losses on the piece that each is half of."""

    left: Float[np.ndarray, " piece"]
    right: Float[np.ndarray, " piece"]
    rest: Float[np.ndarray, "piece task"]

    def at(self, x: Float[np.ndarray, " place"]) -> Float[np.ndarray, "piece place"]:
        """Places between -1 and 1 of each piece, of which the ends are the same in neighbours."""
        share = (x + 1) / 2
        return self.left[:, None] * (1 - share) + self.right[:, None] * share

    def halves(self, rest: Float[np.ndarray, "piece task"], which: Bool[np.ndarray, " piece"]) -> "_Pieces":
        """Of some pieces, in their order."""
        left, right = self.left[which], self.right[which]
        middle = (left + right) / 2
        bounds = np.stack([left, middle, right], axis=1)
        return _Pieces(bounds[:, :-1].ravel(), bounds[:, 1:].ravel(), np.repeat(rest[which], 2, axis=0))


def _look(segment: Segment, olds: Sequence[ContinualTask]) -> _Seen:
    """Measure the losses at so many times that none of their minima is hidden between two of them."""
    tasks, speed = [*olds, segment.task], _speed(segment)
    terms = np.array([task.variance * float(np.sum(task.sigma_yx**2)) for task in tasks])
    scale = _Scale(segment.duration, math.log1p(segment.duration * speed))
    edges = np.linspace(0.0, 1.0, max(1, math.ceil(scale.phase / _LENGTH)) + 1)
    pieces = _Pieces(edges[:-1], edges[1:], np.full((len(edges) - 1, len(tasks)), np.inf))
    seen: list[_Seen] = []
    looked_at = 0
    while len(pieces.left) and looked_at < _MOST_PIECES:
        looked_at += len(pieces.left)
        times = scale.times(pieces.at(nodes(_DEGREE)))
        seen.append(_measured(segment, tasks, times))
        losses = seen[-1].losses.reshape(*times.shape, len(tasks))
        largest, rest = np.max(losses, axis=1), np.max(np.abs(_LAST_ONES @ losses), axis=1)
        floor = _RESOLVED * largest + _ROUNDING * (terms + largest)
        is_noise = (rest < _NOISE * largest) & (rest > 0.5 * pieces.rest)
        still = (times[:, -1] - times[:, 0]) * speed < _SHORTEST
        done = np.all((rest <= floor) | is_noise, axis=1) | still
        hidden = _dips(losses, floor) & done[:, None]
        between = scale.times(pieces.at(_PLACES)).reshape(*hidden.shape, -1)
        seen.append(_measured(segment, tasks, between[hidden]))
        pieces = pieces.halves(rest, ~done)
    return _Seen.joined(seen)


def _speed(segment: Segment) -> float:
    return segment.task.variance * fastest_rate(segment.solution)


def _measured(segment: Segment, tasks: Sequence[ContinualTask], times: Float[np.ndarray, "..."]) -> _Seen:
    return _Seen(times.ravel(), *measure(segment, tasks, times.ravel()))


def _dips(
    losses: Float[np.ndarray, "piece node task"], floor: Float[np.ndarray, "piece task"]
) -> Bool[np.ndarray, "piece gap"]:
    """Where a polynomial is lower between two nodes than at both."""
    between = (_VALUES @ losses).reshape(len(losses), _DEGREE, _BETWEEN - 1, -1)
    ends = np.minimum(losses[:, :-1], losses[:, 1:])
    return np.any(np.min(between, axis=2) < ends - floor[:, None], axis=2)


def _best_stop(segment: Segment, old: ContinualTask, seen: _Seen) -> Stop:
    """The lowest of the minima between the ends and of the ends that the loss falls to, as far as rounding tells."""
    times, losses, rates = seen.times, seen.losses, seen.rates
    level = _LEVEL * old.variance * (float(np.sum(old.sigma_yx**2)) + float(np.min(losses)))
    steady = level * _speed(segment)
    ends = [i for i, inwards in ((0, -rates[0]), (-1, rates[-1])) if not inwards > steady]
    found = [Stop(float(times[i]), float(losses[i]), float(rates[i]), False) for i in ends]
    least = min((stop.loss for stop in found), default=math.inf) - level
    brackets = np.flatnonzero((rates[:-1] < 0) & (rates[1:] >= 0))
    lowest = brackets[np.argsort(np.minimum(losses[brackets], losses[brackets + 1]), kind="stable")][:_MOST_ROOTS]
    minima = (_stationary(segment, old, times[i : i + 2], rates[i : i + 2]) for i in lowest)
    found += [stop for stop in minima if stop.loss < least]
    return min(found, key=lambda stop: stop.loss)


def _stationary(
    segment: Segment, old: ContinualTask, ends: Float[np.ndarray, "2"], rates: Float[np.ndarray, "2"]
) -> Stop:
    """Refine a bracket; the rates at its ends are those that were seen, whose signs rounding cannot change here."""
    known = {float(time): float(rate) for time, rate in zip(ends, rates, strict=True)}

    def rate(time: float) -> float:
        return known[time] if time in known else float(measure(segment, (old,), np.array([time]))[1][0, 0])

    time = float(brentq(rate, float(ends[0]), float(ends[1]), xtol=_SMALLEST, rtol=1e-15, maxiter=1000))
    found_losses, found_rates = measure(segment, (old,), np.array([time]))
    return Stop(time, float(found_losses[0, 0]), float(found_rates[0, 0]), True)
