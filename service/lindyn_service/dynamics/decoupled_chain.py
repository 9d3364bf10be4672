"""Independent modes of deep networks, with one unit in each layer and any imbalance between layers.

The squares of the strengths of a mode differ by constants. Let w be the smallest strength, of either sign, and e_l the
excess of the square of strength l over w^2. Then a = w g(w) with g = prod sqrt(w^2 + e_l), and
tau dw/dt = g(w) (s - d a), so that time is an integral over w. It is computed by Gauss-Legendre quadrature. Early in
training, the integration variable is x = asinh(w / sqrt(min e)): the singularities of the integrand other than the
limit of w have the imaginary part pi / 2. Late in training, it is the residual s - d a, whose logarithm is almost
linear in time.
"""

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss

_NODES = 24
_MAX_LENGTH = 1.0  # of a panel in x: half a radius of convergence for few layers
_MAX_LENGTH_TIMES_DEPTH = 4.0  # the complex roots of s = d a are 2 pi / depth apart
_LATE_RESIDUAL = 0.5  # relative to s; smaller residuals are computed by the late integral
_NEWTON_TOLERANCE = 1e-9  # of a relative step; the remaining error is about its square
_MAX_ITERATIONS = 20  # of Newton's method, on monotone functions, bracketed or started where they are convex
_MAX_PANELS = 4000  # enough for strengths to become subnormal
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Chain:
    """Solution for one mode; times are in units of the time constant.

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
        """Strengths of the layers at non-negative times, and residuals s - d a, accurate relative to each residual."""
        if self._is_fixed_point:
            return np.repeat(self.w[None], len(times), axis=0), np.full(len(times), self._residual_at(self._start))
        early = times < self._late_start_time
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
    def _excesses(self) -> Float[np.ndarray, " other"]:
        """Excess e_l of the squares of the other strengths over that of the smallest one."""
        rest, least = np.abs(np.delete(self.w, self._least)), abs(self.w[self._least])
        return (rest - least) * (rest + least)

    @cached_property
    def _signs(self) -> Float[np.ndarray, " layer"]:
        """Sign of each layer; that of the smallest strength is chosen so that a and w have the same sign."""
        signs = np.where(self.w < 0, -1.0, 1.0)
        signs[self._least] = np.prod(np.delete(signs, self._least))
        return signs

    @property
    def _start(self) -> float:
        return float(self.w[self._least] * self._signs[self._least])

    @cached_property
    def _is_fixed_point(self) -> bool:
        """Whether the mode is at a fixed point: at its limit or at a saddle."""
        tied = bool(np.any(self._excesses == 0))
        return bool((tied and self._start == 0) or self._residual_at(self._start) == 0)

    @cached_property
    def _unit(self) -> float:
        """Scale of w in x; 0 stands for x = log |w|, for s = 0, where w tends to zero, or for two equal strengths."""
        return float(np.sqrt(np.min(self._excesses))) if self.s else 0.0

    def _product(self, w: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Product g of the other strengths."""
        return np.prod(np.sqrt(np.square(w)[..., None] + self._excesses), axis=-1)

    def _residual(self, w: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        return self.s - self.d * w * self._product(w)

    def _residual_at(self, w: float) -> float:
        return float(self._residual(np.array([w]))[0])

    def _layers(self, w: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time layer"]:
        layers = np.sqrt(np.square(w)[:, None] + np.insert(self._excesses, self._least, 0.0))
        layers[:, self._least] = w
        return layers * self._signs

    def _inverse(self, a: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Value of w for positive a, by Newton's method in the logarithm of w, from above by convexity."""
        roots = np.sort(np.sqrt(self._excesses))[::-1]
        bounds = [(a / np.prod(roots[:k])) ** (1 / (len(roots) + 1 - k)) for k in range(np.count_nonzero(roots) + 1)]
        x = np.log(np.min(bounds, axis=0))
        for _ in range(_MAX_ITERATIONS):  # pragma: no branch -- converges before
            square = np.exp(2 * x)[..., None]
            excess = x + 0.5 * np.sum(np.log(square + self._excesses), axis=-1) - np.log(a)
            step = excess / (1 + np.sum(square / (square + self._excesses), axis=-1))
            x = x - step
            if np.all(np.abs(step) <= _NEWTON_TOLERANCE):
                break
        return np.exp(x)

    # early times: quadrature in x

    def _strength(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        return self._unit * np.sinh(x) if self._unit else math.copysign(1.0, self._start) * np.exp(x)

    def _position(self, w: float) -> float:
        return math.asinh(w / self._unit) if self._unit else math.log(abs(w))

    def _time_derivative(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Derivative dt/dx of the time."""
        w = self._strength(x)
        if not self.s:
            return -1 / (self.d * np.square(self._product(w)))
        slope = self._unit * np.cosh(x) if self._unit else w
        return slope / (self._product(w) * self._residual(w))

    @cached_property
    def _late_start(self) -> float | None:
        """Value of w at which the late integral begins; None if w tends to 0: for s = 0, or from below for ties."""
        if not self.s or (self._start < 0 and not self._unit):
            return None
        start = self._residual_at(self._start)
        if abs(start) <= _LATE_RESIDUAL * self.s:
            return self._start
        return float(self._inverse(np.array([(1 - math.copysign(_LATE_RESIDUAL, start)) * self.s / self.d]))[0])

    @cached_property
    def _panels(self) -> tuple[Float[np.ndarray, " bound"], Float[np.ndarray, " bound"]]:
        """Bounds of the panels in x, and the times at these."""
        start = self._position(self._start)
        longest = min(_MAX_LENGTH, _MAX_LENGTH_TIMES_DEPTH / len(self.w))
        if self._late_start is None:
            bounds = start - longest * np.arange(_MAX_PANELS)  # w tends to zero
        else:
            bounds = self._bounds(start, self._position(self._late_start), longest)
        if len(bounds) < 2:
            return bounds, np.zeros(len(bounds))
        with np.errstate(all="ignore"):  # panels that underflow or overflow are dropped below
            pieces = self._elapsed(bounds[:-1], bounds[1:])
        passed = np.concatenate([[0.0], np.cumsum(pieces)])
        known = np.isfinite(passed) & np.concatenate([[True], pieces > 0])
        return bounds[known], passed[known]

    def _bounds(self, start: float, late_start: float, longest: float) -> Float[np.ndarray, " bound"]:
        """Bounds of panels that are not longer than their distance from the limit, where the integrand has a pole."""
        end = self._position(float(self._inverse(np.array([self.s / self.d]))[0]))
        bounds = [late_start]
        while bounds[-1] != start:
            length = min(longest, abs(bounds[-1] - end), abs(bounds[-1] - start))
            bounds.append(bounds[-1] + math.copysign(length, start - late_start))
            if abs(bounds[-1] - start) <= 4 * _EPS * max(1.0, abs(start)):
                bounds[-1] = start
        return np.array(bounds[::-1])

    @property
    def _late_start_time(self) -> float:
        bounds, passed = self._panels
        reached = self._late_start is not None and bounds[-1] == self._position(self._late_start)
        return float(passed[-1]) if reached else np.inf

    def _elapsed(self, start: Float[np.ndarray, " any"], stop: Float[np.ndarray, " any"]) -> Float[np.ndarray, " any"]:
        nodes, weights = _rule()
        half = (stop - start) / 2
        return half * (self._time_derivative((start + half)[:, None] + half[:, None] * nodes) @ weights)

    def _early(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        bounds, passed = self._panels
        at = np.clip(np.searchsorted(passed, times, side="right") - 1, 0, len(passed) - 2)
        low, high = bounds[at], bounds[at + 1]
        x = low + (high - low) * (times - passed[at]) / (passed[at + 1] - passed[at])
        left, right = np.minimum(low, high), np.maximum(low, high)
        x = np.clip(x, left, right)  # after the last panel, the strengths have vanished
        for _ in range(_MAX_ITERATIONS):
            late = passed[at] + self._elapsed(low, x) - times
            ahead = (late > 0) == (high > low)
            left, right = np.where(ahead, left, x), np.where(ahead, x, right)
            x = np.clip(x - late / self._time_derivative(x), left, right)
        return self._strength(x)

    # late times: quadrature in the residual

    def _decay_rate(self, residual: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Rate at which the residual decays: d times the sum over layers of the squared product of the other layers."""
        a = (self.s - residual) / self.d
        w = self._inverse(a)
        return self.d * np.square(a) * np.sum(1 / (np.square(w)[..., None] + np.append(self._excesses, 0.0)), axis=-1)

    def _late(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Residuals, by Newton's method for h = log(first residual of the late integral / residual)."""
        start, passed = self._residual_at(self._late_start or 0.0), times - self._late_start_time
        end = float(self._decay_rate(np.zeros(1))[0])
        nodes, weights = _rule()
        h = passed * end
        for _ in range(_MAX_ITERATIONS):  # pragma: no branch -- converges before
            residual = start * np.exp(-h)
            half = (start - residual) / 2
            between = residual[:, None] + half[:, None] * (1 + nodes)
            bend = (1 / self._decay_rate(between) - 1 / end) / between @ weights * half
            step = (h / end + bend - passed) * self._decay_rate(residual)
            h = np.maximum(h - step, 0.0)
            if np.all(np.abs(step) <= _NEWTON_TOLERANCE * h):
                break
        return start * np.exp(-h)


@cache
def _rule() -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    return leggauss(_NODES)
