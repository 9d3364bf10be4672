"""Learning rates that differ by layer, and schedules of them, by a change of variables and of the clock.

tau dW_l/dt = -c_l g(t) grad_l is, for w_l = W_l / sqrt(c_l / c) with the geometric mean c of all c_l, the plain flow of
the same task in the time c u(t) / tau, where u is the integral of g: the product of all layers is the same network
function, and its gradient by w_l is sqrt(c_l / c) grad_l. Whatever solves the plain flow solves this one.
Source: Kunin et al. (2024), arXiv 2406.06158, section 3, for one hidden neuron.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.flow import Layers
from lindyn_service.dynamics.phi import phi

_ITERATIONS = 100  # of Newton's method, by 2/3 of the error each where the factor ends at zero


@dataclass(frozen=True)
class ConstantSchedule:
    """The factor g = 1 at all times.

    Of every schedule, `factors` are the values of g at non-negative times, where it jumps those after the jump;
    `elapsed` is its integral u from 0 on, `total` the value of u for t to infinity, and `times` the earliest times at
    which u has non-negative values, infinity where it never has.
    """

    @property
    def total(self) -> float:
        """Infinity."""
        return math.inf

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Ones."""
        return np.ones_like(times)

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """The times themselves."""
        return times

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """The same back."""
        return elapsed


@dataclass(frozen=True)
class CosineSchedule:
    """The factor g = r + (1 - r) (1 + cos(pi t / T)) / 2 until T, then r.

    Attributes:
        period: T, positive, in the unit of times.
        floor: r, 0 to 1.
    """

    period: float
    floor: float

    @property
    def total(self) -> float:
        """Integral until T if the factor is zero from there on, else infinity."""
        return math.inf if self.floor else self.period / 2

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """The factor; r + (1 - r) cos^2(pi t / 2 T) keeps the digits of small ones."""
        return self.floor + (1 - self.floor) * np.cos(np.pi / 2 * np.minimum(times / self.period, 1.0)) ** 2

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factor, r t + (1 - r) (t + sin(pi t / T) T / pi) / 2 until T."""
        inside = np.minimum(times, self.period)
        wave = self.period / np.pi * np.sin(np.pi * inside / self.period)
        return self.floor * times + (1 - self.floor) * (inside + wave) / 2

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Its inverse, by Newton's method from below, since u is concave."""
        whole = self.period * (1 + self.floor) / 2
        after = elapsed > whole
        beyond = np.full(len(elapsed), np.inf)
        if self.floor:
            beyond = self.period + (elapsed - whole) / self.floor
        t = goal = np.minimum(elapsed, whole)
        for _ in range(_ITERATIONS):
            late = self.elapsed(t) - goal
            factor = self.factors(t)
            t = np.minimum(t - np.divide(late, factor, out=np.zeros_like(late), where=factor > 0), self.period)
        return np.where(after, beyond, np.where(elapsed == whole, self.period, t))


@dataclass(frozen=True)
class ExponentialSchedule:
    """The factor g = 2^{-t / h}.

    Attributes:
        half_life: h, positive, in the unit of times.
    """

    half_life: float

    @property
    def total(self) -> float:
        """Integral h / log 2."""
        return self.half_life / math.log(2)

    def factors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """The factor."""
        return np.exp2(-times / self.half_life)

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factor, (1 - 2^{-t / h}) h / log 2."""
        return times * phi(np.log(2) / self.half_life * times)

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Its inverse; it never exceeds h / log 2."""
        rate = np.log(2) / self.half_life
        reached = rate * elapsed < 1
        return np.where(reached, -np.log1p(-np.where(reached, rate * elapsed, 0.0)) / rate, np.inf)


@dataclass(frozen=True)
class PiecewiseSchedule:
    """Constant factors between times.

    Attributes:
        bounds: ascending, positive times at which the factor changes.
        values: factors, one more, non-negative; the first holds before the first bound.
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
        """The factors."""
        return np.array(self.values)[np.searchsorted(self._starts, times, side="right") - 1]

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factors."""
        part = np.searchsorted(self._starts, times, side="right") - 1
        return self._passed[part] + np.array(self.values)[part] * (times - self._starts[part])

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Its inverse, the earliest where factors are zero."""
        part = np.maximum(np.searchsorted(self._passed, elapsed, side="left") - 1, 0)
        ahead, factor = elapsed - self._passed[part], np.array(self.values)[part]
        beyond = np.where(ahead > 0, np.inf, 0.0)
        return self._starts[part] + np.divide(ahead, factor, out=beyond, where=factor > 0)


Schedule = ConstantSchedule | CosineSchedule | ExponentialSchedule | PiecewiseSchedule


@dataclass(frozen=True)
class LearningRates:
    """Learning rates c_l g(t) / tau, and the plain flow that they amount to.

    Attributes:
        layers: c_l of each layer, positive, first layer first.
        schedule: g.
        time_constant: tau, in the unit of times.
    """

    layers: tuple[float, ...]
    schedule: Schedule = ConstantSchedule()
    time_constant: float = 1.0

    @cached_property
    def mean(self) -> float:
        """The geometric mean c of all c_l."""
        first = self.layers[0]
        return first * float(np.exp(np.mean(np.log(np.array(self.layers) / first))))

    @cached_property
    def relative(self) -> tuple[float, ...]:
        """The ratios c_l / c, whose product is 1."""
        return tuple(c / self.mean for c in self.layers)

    @property
    def are_equal(self) -> bool:
        """Whether all layers learn at one rate."""
        return len(set(self.layers)) == 1

    def plain_weights(self, weights: Layers) -> Layers:
        """Layers of the plain flow, W_l / sqrt(c_l / c), with any leading axes; `balanced` refers to these."""
        return tuple(w / np.sqrt(c) for w, c in zip(weights, self.relative, strict=True))

    def weights(self, plain: Layers) -> Layers:
        """Layers from those of the plain flow."""
        return tuple(w * np.sqrt(c) for w, c in zip(plain, self.relative, strict=True))

    def plain_decay(self, gamma: float) -> tuple[float, ...]:
        """Weight decay of each layer in the plain flow, gamma c_l / c: one number for all if the rates are equal."""
        return tuple(gamma * c for c in self.relative)

    def plain_times(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times of the plain flow, whose time constant is 1."""
        return self.schedule.elapsed(times) * (self.mean / self.time_constant)

    @property
    def plain_total(self) -> float:
        """Time of the plain flow for t to infinity."""
        return self.schedule.total * (self.mean / self.time_constant)

    def times(self, plain: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times from those of the plain flow; infinity where a schedule ends before."""
        return self.schedule.times(plain * (self.time_constant / self.mean))
