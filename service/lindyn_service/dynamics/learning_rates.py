"""Learning rates by layer and schedules of learning rates, by a change of variables and of time.

Let tau dW_l/dt = -c_l g(t) grad_l, let C be the product of all sqrt(c_l) and u the integral of g. The scaled layers
w_l = W_l / sqrt(c_l) then follow the plain flow, with equal learning rates, for the task sigma_yx / C and the same
inputs, at the time C^2 u(t) / tau: the gradient with respect to w_l has the factor C / sqrt(c_l), and the residual
sigma_yx - W sigma_xx is C (sigma_yx / C - w sigma_xx). Every solution of the plain flow thus yields one of this flow.
Source: Kunin et al. (2024), arXiv 2406.06158, section 3, for one hidden neuron.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.flow import Layers
from lindyn_service.dynamics.phi import phi

_ITERATIONS = 100  # of Newton's method, which reduces the error by 1/3 in each if the factor tends to 0 at T


@dataclass(frozen=True)
class ConstantSchedule:
    """Factor g = 1 at all times.

    The methods of every schedule are `elapsed`, the integral u of g from 0 to non-negative times, and `times`, the
    earliest times at which u has given non-negative values, or infinity if it never has.
    """

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factor, t."""
        return times

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of `elapsed`, t."""
        return elapsed


@dataclass(frozen=True)
class CosineSchedule:
    """Factor g = r + (1 - r) (1 + cos(pi t / T)) / 2 until T, and r afterwards.

    Attributes:
        period: T, positive, in the unit of times.
        floor: r, 0 to 1.
    """

    period: float
    floor: float

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factor, r t + (1 - r) (t + sin(pi t / T) T / pi) / 2 until T."""
        inside = np.minimum(times, self.period)
        wave = self.period / np.pi * np.sin(np.pi * inside / self.period)
        return self.floor * times + (1 - self.floor) * (inside + wave) / 2

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of `elapsed`, by Newton's method from below, since u is concave."""
        whole = self.period * (1 + self.floor) / 2
        after = elapsed > whole
        beyond = np.full(len(elapsed), np.inf)
        if self.floor:
            beyond = self.period + (elapsed - whole) / self.floor
        t = goal = np.minimum(elapsed, whole)
        for _ in range(_ITERATIONS):
            late = self.elapsed(t) - goal
            factor = self.floor + (1 - self.floor) * np.cos(np.pi * t / self.period / 2) ** 2
            t = np.minimum(t - np.divide(late, factor, out=np.zeros_like(late), where=factor > 0), self.period)
        return np.where(after, beyond, np.where(elapsed == whole, self.period, t))


@dataclass(frozen=True)
class ExponentialSchedule:
    """Factor g = 2^{-t / h}.

    Attributes:
        half_life: h, positive, in the unit of times.
    """

    half_life: float

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factor, (1 - 2^{-t / h}) h / log 2."""
        return times * phi(np.log(2) / self.half_life * times)

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of `elapsed`, which never exceeds h / log 2."""
        rate = np.log(2) / self.half_life
        reached = rate * elapsed < 1
        return np.where(reached, -np.log1p(-np.where(reached, rate * elapsed, 0.0)) / rate, np.inf)


@dataclass(frozen=True)
class PiecewiseSchedule:
    """Factor that is constant between given times.

    Attributes:
        bounds: ascending, positive times at which the factor changes.
        factors: non-negative factors, one more than bounds; the first applies before the first bound.
    """

    bounds: tuple[float, ...]
    factors: tuple[float, ...]

    @cached_property
    def _starts(self) -> Float[np.ndarray, " part"]:
        return np.array([0.0, *self.bounds])

    @cached_property
    def _passed(self) -> Float[np.ndarray, " part"]:
        return np.concatenate([[0.0], np.cumsum(np.diff(self._starts) * np.array(self.factors[:-1]))])

    def elapsed(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Integral of the factors."""
        part = np.searchsorted(self._starts, times, side="right") - 1
        return self._passed[part] + np.array(self.factors)[part] * (times - self._starts[part])

    def times(self, elapsed: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Inverse of `elapsed`; the earliest time where factors are zero."""
        part = np.maximum(np.searchsorted(self._passed, elapsed, side="left") - 1, 0)
        ahead, factor = elapsed - self._passed[part], np.array(self.factors)[part]
        beyond = np.where(ahead > 0, np.inf, 0.0)
        return self._starts[part] + np.divide(ahead, factor, out=beyond, where=factor > 0)


Schedule = ConstantSchedule | CosineSchedule | ExponentialSchedule | PiecewiseSchedule


@dataclass(frozen=True)
class LearningRates:
    """Learning rates c_l g(t) / tau, and the conversion to and from the equivalent plain flow.

    Attributes:
        layers: c_l of each layer, positive, first layer first.
        schedule: g.
        time_constant: tau, in the unit of times.
    """

    layers: tuple[float, ...]
    schedule: Schedule = ConstantSchedule()
    time_constant: float = 1.0

    @property
    def scale(self) -> float:
        """Ratio C of the network function to that of the plain flow; losses have the ratio C^2."""
        return float(np.prod(np.sqrt(self.layers)))

    def plain_weights(self, weights: Layers) -> Layers:
        """Layers of the plain flow, W_l / sqrt(c_l), with any leading axes; their balance is the conserved one."""
        return tuple(w / np.sqrt(c) for w, c in zip(weights, self.layers, strict=True))

    def weights(self, plain: Layers) -> Layers:
        """Layers from those of the plain flow."""
        return tuple(w * np.sqrt(c) for w, c in zip(plain, self.layers, strict=True))

    def plain_task(self, sigma_yx: Float[np.ndarray, "out in"]) -> Float[np.ndarray, "out in"]:
        """Task of the plain flow, sigma_yx / C."""
        return sigma_yx / self.scale

    def plain_decay(self, gamma: float) -> tuple[float, ...]:
        """Weight decay of each layer in the plain flow, gamma c_l / C^2."""
        return tuple(gamma * c / self.scale**2 for c in self.layers)

    def plain_times(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times of the plain flow, whose time constant is 1."""
        return self.schedule.elapsed(times) * (self.scale**2 / self.time_constant)

    def times(self, plain: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times from those of the plain flow; infinity if the schedule never reaches them."""
        return self.schedule.times(plain * (self.time_constant / self.scale**2))
