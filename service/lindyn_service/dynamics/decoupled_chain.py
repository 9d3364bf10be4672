"""Independent modes of deep networks, with one unit in each layer and any imbalance between layers.

Gradient flow conserves the differences of the squared strengths of the layers of a mode. Let w be the smallest strength
in absolute value, with its sign, and e_l the differences of the other squares to w^2. The strength of the mode is then
a = w g(w) with g = prod sqrt(w^2 + e_l), and tau dw/dt = g(w) (s - d a), so that time is an integral over w. The
integral is evaluated by Gauss-Legendre quadrature. At early times its variable is asinh(w / sqrt(min e)), in which all
singularities of the integrand, except the one at the limit, have the imaginary part pi/2. At late times it is the
residual s - d a, whose logarithm is nearly linear in time.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss

_NODES = 24
_MAX_PANEL = 1.0  # length of panels: half of the radius of convergence for few layers
_MAX_PANEL_TIMES_DEPTH = 4.0  # the other roots of s = d a are at the distance 2 pi / depth
_LATE_RESIDUAL = 0.5  # relative to s; at smaller residuals the variable of integration is the residual
_NEWTON_STEPS = 20  # sufficient, since iterates are bracketed or the function is monotone and convex
_MAX_PANELS = 4000  # sufficient for strengths to decay until they are subnormal
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
        """Strengths of the layers and residuals s - d a, accurate relative to each residual, at non-negative times."""
        if self._is_at_rest:
            return np.repeat(self.w[None], len(times), axis=0), np.full(len(times), self._residual_at(self._start))
        early = times < self._switch_time
        w, residuals = np.empty(len(times)), np.empty(len(times))
        w[early] = self._early_strengths(times[early])
        residuals[early] = self._residual(w[early])
        if not np.all(early):
            residuals[~early] = self._late_residuals(times[~early])
            w[~early] = self._inverse((self.s - residuals[~early]) / self.d)
        return self._layers(w), residuals

    @cached_property
    def _smallest(self) -> int:
        return int(np.argmin(np.abs(self.w)))

    @cached_property
    def _others(self) -> Float[np.ndarray, " other"]:
        """Differences e_l of the squares of the other strengths to the smallest square."""
        others, smallest = np.abs(np.delete(self.w, self._smallest)), abs(self.w[self._smallest])
        return (others - smallest) * (others + smallest)

    @cached_property
    def _signs(self) -> Float[np.ndarray, " layer"]:
        """Signs of the layers; that of the smallest layer is chosen so that the strength a has the sign of w."""
        signs = np.where(self.w < 0, -1.0, 1.0)
        signs[self._smallest] = np.prod(np.delete(signs, self._smallest))
        return signs

    @property
    def _start(self) -> float:
        return float(self.w[self._smallest] * self._signs[self._smallest])

    @cached_property
    def _is_at_rest(self) -> bool:
        """Whether the initial strengths are a fixed point: the limit or a saddle."""
        tied = bool(np.any(self._others == 0))
        return bool((tied and self._start == 0) or self._residual_at(self._start) == 0)

    @cached_property
    def _unit(self) -> float:
        """Scale of w in the early variable asinh(w / unit); 0 for log |w|, if w tends to 0 or two layers are equal."""
        return float(np.sqrt(np.min(self._others))) if self.s else 0.0

    def _product(self, w: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Product g of the other strengths."""
        return np.prod(np.sqrt(np.square(w)[..., None] + self._others), axis=-1)

    def _residual(self, w: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        return self.s - self.d * w * self._product(w)

    def _residual_at(self, w: float) -> float:
        return float(self._residual(np.array([w]))[0])

    def _layers(self, w: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time layer"]:
        layers = np.sqrt(np.square(w)[:, None] + np.insert(self._others, self._smallest, 0.0))
        layers[:, self._smallest] = w
        return layers * self._signs

    def _inverse(self, a: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Smallest strength w for a positive a, by Newton's method in logarithms from above, where it is convex."""
        roots = np.sort(np.sqrt(self._others))[::-1]
        bounds = [(a / np.prod(roots[:k])) ** (1 / (len(roots) + 1 - k)) for k in range(np.count_nonzero(roots) + 1)]
        x = np.log(np.min(bounds, axis=0))
        for _ in range(_NEWTON_STEPS):
            square = np.exp(2 * x)[..., None]
            defect = x + 0.5 * np.sum(np.log(square + self._others), axis=-1) - np.log(a)
            step = defect / (1 + np.sum(square / (square + self._others), axis=-1))
            x = x - step
        return np.exp(x)

    # early times: time as an integral over w

    def _strength(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        return self._unit * np.sinh(x) if self._unit else math.copysign(1.0, self._start) * np.exp(x)

    def _position(self, w: float) -> float:
        return math.asinh(w / self._unit) if self._unit else math.log(abs(w))

    def _time_derivative(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Derivative of time with respect to the early variable."""
        w = self._strength(x)
        if not self.s:
            return -1 / (self.d * np.square(self._product(w)))
        slope = self._unit * np.cosh(x) if self._unit else w
        return slope / (self._product(w) * self._residual(w))

    @cached_property
    def _switch(self) -> float | None:
        """Strength w at which late times begin; None without a task, or if a negative w rises only to 0."""
        if not self.s or (self._start < 0 and not self._unit):
            return None
        start = self._residual_at(self._start)
        if abs(start) <= _LATE_RESIDUAL * self.s:
            return self._start
        return float(self._inverse(np.array([(1 - math.copysign(_LATE_RESIDUAL, start)) * self.s / self.d]))[0])

    @cached_property
    def _panels(self) -> tuple[Float[np.ndarray, " bound"], Float[np.ndarray, " bound"]]:
        """Bounds of the panels of the early variable, and the times at these."""
        start, longest = self._position(self._start), min(_MAX_PANEL, _MAX_PANEL_TIMES_DEPTH / len(self.w))
        if self._switch is None:
            bounds = start - longest * np.arange(_MAX_PANELS)  # w tends to 0 and never reaches it
        else:
            bounds = self._bounds(start, self._position(self._switch), longest)
        if len(bounds) < 2:
            return bounds, np.zeros(len(bounds))
        with np.errstate(all="ignore"):  # the last panels may overflow; they are dropped below
            pieces = self._elapsed(bounds[:-1], bounds[1:])
        times = np.concatenate([[0.0], np.cumsum(pieces)])
        known = np.isfinite(times) & np.concatenate([[True], pieces > 0])
        return bounds[known], times[known]

    def _bounds(self, start: float, switch: float, longest: float) -> Float[np.ndarray, " bound"]:
        """Bounds of panels that are no longer than their distance to the limit, where the integrand has a pole."""
        end = self._position(float(self._inverse(np.array([self.s / self.d]))[0]))
        bounds = [switch]
        while bounds[-1] != start:
            length = min(longest, abs(bounds[-1] - end), abs(bounds[-1] - start))
            bounds.append(bounds[-1] + math.copysign(length, start - switch))
            if abs(bounds[-1] - start) <= 4 * _EPS * max(1.0, abs(start)):
                bounds[-1] = start
        return np.array(bounds[::-1])

    @property
    def _switch_time(self) -> float:
        bounds, passed = self._panels
        reached = self._switch is not None and bounds[-1] == self._position(self._switch)
        return float(passed[-1]) if reached else np.inf

    def _elapsed(self, start: Float[np.ndarray, " any"], stop: Float[np.ndarray, " any"]) -> Float[np.ndarray, " any"]:
        nodes, weights = leggauss(_NODES)
        half = (stop - start) / 2
        return half * (self._time_derivative((start + half)[:, None] + half[:, None] * nodes) @ weights)

    def _early_strengths(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        bounds, passed = self._panels
        at = np.clip(np.searchsorted(passed, times, side="right") - 1, 0, len(passed) - 2)
        low, high = bounds[at], bounds[at + 1]
        x = low + (high - low) * (times - passed[at]) / (passed[at + 1] - passed[at])
        left, right = np.minimum(low, high), np.maximum(low, high)
        for _ in range(_NEWTON_STEPS):
            excess_time = passed[at] + self._elapsed(low, x) - times
            is_beyond = (excess_time > 0) == (high > low)
            left, right = np.where(is_beyond, left, x), np.where(is_beyond, x, right)
            x = np.clip(x - excess_time / self._time_derivative(x), left, right)
        return self._strength(x)

    # late times: time as an integral over the residual

    def _residual_rate(self, residual: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Decay rate of the residual: d times the sum over layers of the squared product of the other strengths."""
        a = (self.s - residual) / self.d
        w = self._inverse(a)
        return self.d * np.square(a) * np.sum(1 / (np.square(w)[..., None] + np.append(self._others, 0.0)), axis=-1)

    def _late_residuals(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Residuals, by Newton's method on the time as a function of h = log(residual at the switch / residual)."""
        start, elapsed = self._residual_at(self._switch or 0.0), times - self._switch_time
        end = float(self._residual_rate(np.zeros(1))[0])
        nodes, weights = leggauss(_NODES)
        h = elapsed * end
        for _ in range(_NEWTON_STEPS):
            residual = start * np.exp(-h)
            half = (start - residual) / 2
            between = residual[:, None] + half[:, None] * (1 + nodes)
            correction = (1 / self._residual_rate(between) - 1 / end) / between @ weights * half
            step = (h / end + correction - elapsed) * self._residual_rate(residual)
            h = np.maximum(h - step, 0.0)
        return start * np.exp(-h)
