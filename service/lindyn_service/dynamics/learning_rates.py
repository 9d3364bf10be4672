"""Learning rates that differ by layer, and schedules of them, by a change of variables and of the clock.

tau dW_l/dt = -c_l g(t) grad_l is, for w_l = W_l / sqrt(c_l), the plain flow with the task sigma_yx / C, the same inputs
and the time C^2 u(t) / tau, where C is the product of all sqrt(c_l) and u the integral of g. The gradient of layer l
has the factor C / sqrt(c_l), and the residual sigma_yx - W sigma_xx is C (sigma_yx / C - w sigma_xx). Whatever solves
the plain flow solves this one. Source: Kunin et al. (2024), arXiv 2406.06158, section 3, for one hidden neuron.
"""

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

    Of every schedule, `elapsed` is the integral u of g from 0 to non-negative times, and `times` the earliest times at
    which u has non-negative values, infinity where it never has.
    """

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
            factor = self.floor + (1 - self.floor) * np.cos(np.pi * t / self.period / 2) ** 2
            t = np.minimum(t - np.divide(late, factor, out=np.zeros_like(late), where=factor > 0), self.period)
        return np.where(after, beyond, np.where(elapsed == whole, self.period, t))


@dataclass(frozen=True)
class ExponentialSchedule:
    """The factor g = 2^{-t / h}.

    Attributes:
        half_life: h, positive, in the unit of times.
    """

    half_life: float

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
        factors: one more, non-negative; the first holds before the first bound.
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
        """Its inverse, the earliest where factors are zero."""
        part = np.maximum(np.searchsorted(self._passed, elapsed, side="left") - 1, 0)
        ahead, factor = elapsed - self._passed[part], np.array(self.factors)[part]
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

    @property
    def scale(self) -> float:
        """C, by which the network function exceeds that of the plain flow; losses exceed its losses by the square."""
        return float(np.prod(np.sqrt(self.layers)))

    def plain_weights(self, weights: Layers) -> Layers:
        """Layers of the plain flow, W_l / sqrt(c_l), with any leading axes; `balanced` refers to these."""
        return tuple(w / np.sqrt(c) for w, c in zip(weights, self.layers, strict=True))

    def weights(self, plain: Layers) -> Layers:
        """Layers from those of the plain flow."""
        return tuple(w * np.sqrt(c) for w, c in zip(plain, self.layers, strict=True))

    def plain_task(self, sigma_yx: Float[np.ndarray, "out in"]) -> Float[np.ndarray, "out in"]:
        """Task of the plain flow, sigma_yx / C; the inputs are the same."""
        return sigma_yx / self.scale

    def plain_decay(self, gamma: float) -> tuple[float, ...]:
        """Weight decay of each layer in the plain flow, gamma c_l / C^2: one number for all if the rates are equal."""
        return tuple(gamma * c / self.scale**2 for c in self.layers)

    def plain_times(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times of the plain flow, whose time constant is 1."""
        return self.schedule.elapsed(times) * (self.scale**2 / self.time_constant)

    def times(self, plain: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Times from those of the plain flow; infinity where a schedule ends before."""
        return self.schedule.times(plain * (self.time_constant / self.scale**2))
