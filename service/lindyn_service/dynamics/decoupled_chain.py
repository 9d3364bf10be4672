"""Modes of deep networks that learn alone, with one unit in each layer and any imbalance between layers.

The squares of all strengths of a mode differ by constants. With w the smallest strength, of either sign, and e_l the
differences of the others' squares from its own, the network function is a = w g(w), g = prod sqrt(w^2 + e_l), and
tau dw/dt = g(w) (s - d a): the time is an integral over w. It is done by Gauss-Legendre quadrature, far from the end
in asinh(w / root of the least e), in which all singularities of the integrand but that of the end have the imaginary
part pi/2, and near the end in the residual s - d a, whose logarithm is almost linear in time.
"""

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss

_NODES = 24
_LONGEST = 1.0  # panel: half a radius of convergence for few layers
_TURNS = 4.0  # panels are at most this over the depth long: the other roots of s = d a are 2 pi / depth away
_NEAR = 0.5  # of the task: the residual from which on the late clock is used
_SQUARED_AWAY = 1e-9  # of a step of Newton's method, relative: the error that is left is about its square
_ITERATIONS = 20  # of Newton's method: on monotone functions, bracketed or from where they are convex
_PANELS = 4000  # enough for strengths to become subnormal
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Chain:
    """One mode; times are in units of the time constant.

    Attributes:
        s: singular value of the task, non-negative.
        d: input variance, positive.
        w: strengths of the layers at time 0, first layer first.
    """

    s: float
    d: float
    w: Float[np.ndarray, " layer"]

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time layer"], Float[np.ndarray, " time"]]:
        """Strengths of the layers and residuals s - d a at non-negative times; small residuals keep their digits."""
        if self._rests:
            return np.repeat(self.w[None], len(times), axis=0), np.full(len(times), self._residual_at(self._start))
        early = times < self._turn_time
        w, residuals = np.empty(len(times)), np.empty(len(times))
        w[early] = self._early(times[early])
        residuals[early] = self._residual(w[early])
        if not np.all(early):
            residuals[~early] = self._late(times[~early])
            w[~early] = self._inverse((self.s - residuals[~early]) / self.d)
        return self._layers(w), residuals

    @cached_property
    def _least(self) -> int:
        return int(np.argmin(np.abs(self.w)))

    @cached_property
    def _others(self) -> Float[np.ndarray, " other"]:
        """Excess of the squares of the other strengths."""
        rest, least = np.abs(np.delete(self.w, self._least)), abs(self.w[self._least])
        return (rest - least) * (rest + least)

    @cached_property
    def _signs(self) -> Float[np.ndarray, " layer"]:
        """Signs of the layers but the smallest one, whose sign makes a positive w a positive strength."""
        signs = np.where(self.w < 0, -1.0, 1.0)
        signs[self._least] = np.prod(np.delete(signs, self._least))
        return signs

    @property
    def _start(self) -> float:
        return float(self.w[self._least] * self._signs[self._least])

    @cached_property
    def _rests(self) -> bool:
        """Whether nothing moves: at the end, at a saddle or without a task where nothing is learned."""
        tied = bool(np.any(self._others == 0))
        return bool((tied and self._start == 0) or self._residual_at(self._start) == 0)

    @cached_property
    def _unit(self) -> float:
        """Scale of w in the early clock; 0 for a logarithm, where w ends at zero or two layers are equal."""
        return float(np.sqrt(np.min(self._others))) if self.s else 0.0

    def _product(self, w: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The product g of the other strengths."""
        return np.prod(np.sqrt(np.square(w)[..., None] + self._others), axis=-1)

    def _residual(self, w: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        return self.s - self.d * w * self._product(w)

    def _residual_at(self, w: float) -> float:
        return float(self._residual(np.array([w]))[0])

    def _layers(self, w: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time layer"]:
        layers = np.sqrt(np.square(w)[:, None] + np.insert(self._others, self._least, 0.0))
        layers[:, self._least] = w
        return layers * self._signs

    def _inverse(self, a: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The w of positive a, by Newton's method in logarithms from above, where it is convex."""
        roots = np.sort(np.sqrt(self._others))[::-1]
        bounds = [(a / np.prod(roots[:k])) ** (1 / (len(roots) + 1 - k)) for k in range(np.count_nonzero(roots) + 1)]
        x = np.log(np.min(bounds, axis=0))
        for _ in range(_ITERATIONS):  # pragma: no branch -- converges before
            square = np.exp(2 * x)[..., None]
            off = x + 0.5 * np.sum(np.log(square + self._others), axis=-1) - np.log(a)
            step = off / (1 + np.sum(square / (square + self._others), axis=-1))
            x = x - step
            if np.all(np.abs(step) <= _SQUARED_AWAY):
                break
        return np.exp(x)

    # the early clock

    def _strength(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        return self._unit * np.sinh(x) if self._unit else math.copysign(1.0, self._start) * np.exp(x)

    def _position(self, w: float) -> float:
        return math.asinh(w / self._unit) if self._unit else math.log(abs(w))

    def _pace(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Time per change of the coordinate."""
        w = self._strength(x)
        if not self.s:
            return -1 / (self.d * np.square(self._product(w)))
        slope = self._unit * np.cosh(x) if self._unit else w
        return slope / (self._product(w) * self._residual(w))

    @cached_property
    def _turn(self) -> float | None:
        """The w from which on the late clock is used; None without a task, or where a negative w only rises to zero."""
        if not self.s or (self._start < 0 and not self._unit):
            return None
        start = self._residual_at(self._start)
        if abs(start) <= _NEAR * self.s:
            return self._start
        return float(self._inverse(np.array([(1 - math.copysign(_NEAR, start)) * self.s / self.d]))[0])

    @cached_property
    def _panels(self) -> tuple[Float[np.ndarray, " bound"], Float[np.ndarray, " bound"]]:
        """Bounds of panels of the early clock, and the times at them."""
        start, longest = self._position(self._start), min(_LONGEST, _TURNS / len(self.w))
        if self._turn is None:
            bounds = start - longest * np.arange(_PANELS)  # towards zero, for ever
        else:
            bounds = self._bounds(start, self._position(self._turn), longest)
        if len(bounds) < 2:
            return bounds, np.zeros(len(bounds))
        with np.errstate(all="ignore"):  # beyond the smallest and the largest numbers
            pieces = self._elapsed(bounds[:-1], bounds[1:])
        passed = np.concatenate([[0.0], np.cumsum(pieces)])
        known = np.isfinite(passed) & np.concatenate([[True], pieces > 0])
        return bounds[known], passed[known]

    def _bounds(self, start: float, turn: float, longest: float) -> Float[np.ndarray, " bound"]:
        """Panels that are no longer than their distance from the end, where the integrand has a pole."""
        end = self._position(float(self._inverse(np.array([self.s / self.d]))[0]))
        bounds = [turn]
        while bounds[-1] != start:
            length = min(longest, abs(bounds[-1] - end), abs(bounds[-1] - start))
            bounds.append(bounds[-1] + math.copysign(length, start - turn))
            if abs(bounds[-1] - start) <= 4 * _EPS * max(1.0, abs(start)):
                bounds[-1] = start
        return np.array(bounds[::-1])

    @property
    def _turn_time(self) -> float:
        bounds, passed = self._panels
        reached = self._turn is not None and bounds[-1] == self._position(self._turn)
        return float(passed[-1]) if reached else np.inf

    def _elapsed(self, start: Float[np.ndarray, " any"], stop: Float[np.ndarray, " any"]) -> Float[np.ndarray, " any"]:
        nodes, weights = _rule()
        half = (stop - start) / 2
        return half * (self._pace((start + half)[:, None] + half[:, None] * nodes) @ weights)

    def _early(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        bounds, passed = self._panels
        at = np.clip(np.searchsorted(passed, times, side="right") - 1, 0, len(passed) - 2)
        low, high = bounds[at], bounds[at + 1]
        x = low + (high - low) * (times - passed[at]) / (passed[at + 1] - passed[at])
        left, right = np.minimum(low, high), np.maximum(low, high)
        x = np.clip(x, left, right)  # after the last panel nothing is left to move
        for _ in range(_ITERATIONS):
            late = passed[at] + self._elapsed(low, x) - times
            ahead = (late > 0) == (high > low)
            left, right = np.where(ahead, left, x), np.where(ahead, x, right)
            x = np.clip(x - late / self._pace(x), left, right)
        return self._strength(x)

    # the late clock

    def _kernel(self, residual: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Rate at which the residual decays, d times the sum over layers of the squared product of the others."""
        a = (self.s - residual) / self.d
        w = self._inverse(a)
        return self.d * np.square(a) * np.sum(1 / (np.square(w)[..., None] + np.append(self._others, 0.0)), axis=-1)

    def _late(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Residuals, from the time for each h = log(residual at the turn / residual)."""
        start, passed = self._residual_at(self._turn or 0.0), times - self._turn_time
        end = float(self._kernel(np.zeros(1))[0])
        nodes, weights = _rule()
        h = passed * end
        for _ in range(_ITERATIONS):  # pragma: no branch -- converges before
            residual = start * np.exp(-h)
            half = (start - residual) / 2
            between = residual[:, None] + half[:, None] * (1 + nodes)
            bend = (1 / self._kernel(between) - 1 / end) / between @ weights * half
            step = (h / end + bend - passed) * self._kernel(residual)
            h = np.maximum(h - step, 0.0)
            if np.all(np.abs(step) <= _SQUARED_AWAY * h):
                break
        return start * np.exp(-h)


@cache
def _rule() -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    return leggauss(_NODES)
