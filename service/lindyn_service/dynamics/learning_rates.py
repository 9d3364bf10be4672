"""Learning rates that differ between layers, and schedules of these, by changes of variables and of time.

Consider tau dW_l/dt = -c_l g(t) grad_l. Let c be the geometric mean of all c_l and u the integral of g. The rescaled
layers w_l = W_l / sqrt(c_l / c) follow the plain flow of the same task, whose time is c u(t) / tau: the product of all
layers is the same network function, and its gradient with respect to w_l is sqrt(c_l / c) grad_l. Every solution of the
plain flow thus gives one of this flow.

Source: Kunin et al. (2024), arXiv 2406.06158, section 3, for one hidden neuron.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.phi import phi

_ITERATIONS = 100  # of Newton's method, which reduces the error by 2/3 each if g tends to zero


@dataclass(frozen=True)
class ConstantSchedule:
    """The schedule g = 1.

    All schedules have the same methods. `factors` are the values of g at non-negative times, at a jump those after it.
    `elapsed` is the integral u of g from time 0, and `total` its value as t -> infinity. `times` is the inverse of u
    for non-negative values: the earliest times, or infinity for values that u never reaches.
    """

    @property
    def total(self) -> float:
        """Infinity."""
        return math.inf

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Values of g: ones."""
        return np.ones_like(times)

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral u of g: the times."""
        return times

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of u: its values."""
        return elapsed


@dataclass(frozen=True)
class CosineSchedule:
    """The schedule g = r + (1 - r) (1 + cos(pi t / T)) / 2 until T, and g = r afterwards.

    Attributes:
        period: T, positive, in the unit of times.
        floor: r, from 0 to 1.
    """

    period: float
    floor: float

    @property
    def total(self) -> float:
        """Integral until T if the factor is zero from there on, else infinity."""
        return math.inf if self.floor else self.period / 2

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Values of g, as r + (1 - r) cos^2(pi t / (2 T)), in which small values do not cancel."""
        return self.floor + (1 - self.floor) * np.cos(np.pi / 2 * np.minimum(times / self.period, 1.0)) ** 2

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral u of g, r t + (1 - r) (t + sin(pi t / T) T / pi) / 2 until T."""
        inside = np.minimum(times, self.period)
        wave = self.period / np.pi * np.sin(np.pi * inside / self.period)
        return self.floor * times + (1 - self.floor) * (inside + wave) / 2

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of u, by Newton's method from below, since u is concave."""
        at_period = self.period * (1 + self.floor) / 2
        after = np.full(len(elapsed), np.inf)
        if self.floor:
            after = self.period + (elapsed - at_period) / self.floor
        t = goal = np.minimum(elapsed, at_period)
        for _ in range(_ITERATIONS):
            excess = self.elapsed(t) - goal
            factor = self.factors(t)
            t = np.minimum(t - np.divide(excess, factor, out=np.zeros_like(excess), where=factor > 0), self.period)
        return np.where(elapsed > at_period, after, np.where(elapsed == at_period, self.period, t))


@dataclass(frozen=True)
class ExponentialSchedule:
    """The schedule g = 2^{-t / h}.

    Attributes:
        half_life: h, positive, in the unit of times.
    """

    half_life: float

    @property
    def total(self) -> float:
        """Integral h / log 2."""
        return self.half_life / math.log(2)

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Values of g."""
        return np.exp2(-times / self.half_life)

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral u of g, (1 - 2^{-t / h}) h / log 2."""
        return times * phi(np.log(2) / self.half_life * times)

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of u, which never reaches h / log 2."""
        rate = np.log(2) / self.half_life
        reached = rate * elapsed < 1
        return np.where(reached, -np.log1p(-np.where(reached, rate * elapsed, 0.0)) / rate, np.inf)


@dataclass(frozen=True)
class PiecewiseSchedule:
    """A piecewise constant schedule.

    Attributes:
        bounds: ascending, positive times at which g changes.
        values: non-negative values of g, one more than there are bounds; the first one holds before the first bound.
    """

    bounds: tuple[float, ...]
    values: tuple[float, ...]

    @cached_property
    def _starts(self) -> Float[np.ndarray, " part"]:
        return np.array([0.0, *self.bounds])

    @cached_property
    def _passed(self) -> Float[np.ndarray, " part"]:
        return np.concatenate([[0.0], np.cumsum(np.diff(self._starts) * np.array(self.values[:-1]))])

    @property
    def total(self) -> float:
        """Integral until the last time if the last factor is zero, else infinity."""
        return math.inf if self.values[-1] else float(self._passed[-1])

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Values of g."""
        return np.array(self.values)[np.searchsorted(self._starts, times, side="right") - 1]

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral u of g."""
        part = np.searchsorted(self._starts, times, side="right") - 1
        return self._passed[part] + np.array(self.values)[part] * (times - self._starts[part])

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of u; the earliest time if u is constant while g is zero."""
        part = np.maximum(np.searchsorted(self._passed, elapsed, side="left") - 1, 0)
        ahead, factor = elapsed - self._passed[part], np.array(self.values)[part]
        beyond = np.where(ahead > 0, np.inf, 0.0)
        return self._starts[part] + np.divide(ahead, factor, out=beyond, where=factor > 0)


Schedule = ConstantSchedule | CosineSchedule | ExponentialSchedule | PiecewiseSchedule


@dataclass(frozen=True)
class LearningRates:
    """Learning rates c_l g(t) / tau, and the transformation to the plain flow.

    Attributes:
        layers: c_l of each layer, positive, first layer first.
        schedule: schedule g.
        time_constant: tau, in the unit of times.
    """

    layers: tuple[float, ...]
    schedule: Schedule = ConstantSchedule()
    time_constant: float = 1.0

    @cached_property
    def mean(self) -> float:
        """Geometric mean c of all c_l."""
        first = self.layers[0]
        return first * float(np.exp(np.mean(np.log(np.array(self.layers) / first))))

    @cached_property
    def relative(self) -> tuple[float, ...]:
        """Ratios c_l / c, whose product is 1."""
        return tuple(c / self.mean for c in self.layers)

    @property
    def are_equal(self) -> bool:
        """Whether all layers have the same learning rate."""
        return len(set(self.layers)) == 1

    def plain_weights(self, weights: Layers) -> Layers:
        """Layers of the plain flow, W_l / sqrt(c_l / c), with any leading axes; their balance is conserved."""
        return tuple(w / np.sqrt(c) for w, c in zip(weights, self.relative, strict=True))

    def weights(self, plain: Layers) -> Layers:
        """Layers W_l from those of the plain flow."""
        return tuple(w * np.sqrt(c) for w, c in zip(plain, self.relative, strict=True))

    def plain_decay(self, gamma: float) -> tuple[float, ...]:
        """Weight decay of each layer in the plain flow, gamma c_l / c."""
        return tuple(gamma * c for c in self.relative)

    def plain_times(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times of the plain flow, c u(t) / tau."""
        return self.schedule.elapsed(times) * (self.mean / self.time_constant)

    @property
    def plain_total(self) -> float:
        """Time of the plain flow for t to infinity."""
        return self.schedule.total * (self.mean / self.time_constant)

    def times(self, plain: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times from those of the plain flow; infinity for times that the schedule never reaches."""
        return self.schedule.times(plain * (self.time_constant / self.mean))
