"""Gradient flow of linear networks in double-double arithmetic, for problems that float64 cannot resolve."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.collocation_step import ROUNDING, Step, StepTooLongError, collocation_step
from lindyn_service.dynamics.double_double import DoubleDouble, exact, two_sum
from lindyn_service.dynamics.flow import FlowError
from lindyn_service.dynamics.flow_velocity import VelocityField
from lindyn_service.dynamics.layers import Layers

_BATCH_NUMBERS = 2**18
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class NetworkStates:
    """Network at some times.

    Errors include those of the integration, of its polynomials and of rounding to float64. They do not include errors
    of the initial weights and of the task, which count as exact. They are at most 1.

    Attributes:
        times: (time,), in units of the time constant.
        layers: (time, width l+1, width l) each, first layer first.
        residual: (time, out, in), sigma_yx - W sigma_xx, rounded to float64 after the subtraction.
        layers_error: (time,), estimated Frobenius norm of the error of all layers together, relative to their norm.
        residual_error: (time,), estimated Frobenius norm of the error of the residual, relative to its norm.
    """

    times: Float[np.ndarray, " time"]
    layers: Layers
    residual: Float[np.ndarray, "time out in"]
    layers_error: Float[np.ndarray, " time"]
    residual_error: Float[np.ndarray, " time"]

    def repeated(self, count: int) -> "NetworkStates":
        """States with each time repeated."""
        return NetworkStates(
            np.repeat(self.times, count),
            tuple(np.repeat(layer, count, axis=0) for layer in self.layers),
            np.repeat(self.residual, count, axis=0),
            np.repeat(self.layers_error, count),
            np.repeat(self.residual_error, count),
        )


@dataclass(frozen=True)
class _Position:
    """State of an integration.

    Attributes:
        time: in units of the time constant.
        state: (number,), all layers.
        error: (number,), sample of the error of the state.
        length: length of the next attempted step.
    """

    time: float
    state: DoubleDouble
    error: Float[np.ndarray, " number"]
    length: float


class PreciseFlow:
    """Double-double integrator of dW_l/dt = (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        sigma_yx: (out, in).
        sigma_xx: (in, in); None for white inputs.
        max_steps: largest number of attempted steps.
        weight_decay: gamma_l of each layer, which adds -gamma_l W_l to its velocity, in units of the task; empty for
            none.
        stop: predicate that is called with the network at the end of each step; the integration ends when it returns
            True.

    Attributes:
        steps: number of attempted steps.
        reached: network at the time up to which the flow is integrated.

    All arguments count as exact. A step is at most about 5 / (fastest rate) long, also when everything is learned, so
    that late times need as many steps as early ones.

    Errors are estimated by one random sample: the initial weights have an error of the size of a step's rounding, each
    step adds one of the size of its rounding and truncation errors, and the derivative of the flow propagates them, so
    that they grow like small differences of the weights. Weights that are exactly zero at all times have no error.
    """

    def __init__(
        self,
        weights: Layers,
        sigma_yx: Float[np.ndarray, "out in"],
        sigma_xx: Float[np.ndarray, "in in"] | None,
        *,
        max_steps: int,
        weight_decay: tuple[float, ...] = (),
        stop: Callable[[NetworkStates], bool] | None = None,
    ) -> None:
        self._field = VelocityField(tuple((len(w), w.shape[1]) for w in weights), sigma_yx, sigma_xx, weight_decay)
        self._start = exact(self._field.joined(weights))
        self._first_length = _first_length(weights, sigma_yx, sigma_xx, weight_decay)
        self._max_steps = max_steps
        self._stop = stop
        self.steps = 0
        self.reached = self._network(self._initial_position(), 0.0)

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, NetworkStates]]:
        """Integrate from 0 to ascending, non-negative times, and yield the states in batches of bounded size.

        Times after a stop are not yielded.

        Raises:
            FlowError: the steps are too small for float64, or there are too many of them.
        """
        self.steps = 0
        position = self._initial_position()
        self.reached = self._network(position, 0.0)
        done = int(np.searchsorted(times, 0.0, side="right"))
        yield from self._repeated(0, done)
        while done < len(times):
            before = position
            step, position = self._advance(before, float(times[-1]))
            self.reached = self._network(position, step.inherited_residual_error)
            stopped = self._stop is not None and self._stop(self.reached)
            inside = int(np.searchsorted(times, position.time))
            for batch in self._batch_slices(done, inside):
                yield batch, self._interpolated(step, before, position, times[batch])
            done = int(np.searchsorted(times, position.time, side="right"))
            yield from self._repeated(inside, done)
            if stopped:
                return

    def _advance(self, before: _Position, end: float) -> tuple[Step, _Position]:
        """Attempt a step that does not exceed the end, and shorten it until it succeeds."""
        length = before.length
        while True:
            time = min(before.time + length, end)
            span = time - before.time
            if span <= 0:
                raise FlowError(before.time, "the required step size is below the spacing of float64 numbers there")
            if self.steps == self._max_steps:
                raise FlowError(before.time, f"it takes more than {self._max_steps} steps")
            self.steps += 1
            exact_span = DoubleDouble(*two_sum(np.array([[time]]), np.array([[-before.time]])))
            try:
                step = collocation_step(self._field, before.state, before.error, exact_span)
            except StepTooLongError as failure:
                length = span * failure.factor
            else:
                error = step.error + self._draw(step.local_error)
                return step, _Position(time, step.end, _limited(error, step.end.high), span * step.factor)

    def _initial_position(self) -> _Position:
        numbers = self._start.high
        error = self._draw(np.where(numbers == 0, 0.0, ROUNDING * self._field.largest(numbers[None])))
        return _Position(0.0, self._start, error, self._first_length)

    def _draw(self, sizes: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
        """Gaussian numbers with given standard deviations, the same for each integration of the same flow."""
        return sizes * np.random.default_rng(self.steps).standard_normal(len(sizes))

    def _interpolated(
        self, step: Step, before: _Position, after: _Position, times: Float[np.ndarray, " time"]
    ) -> NetworkStates:
        """States within a step, by its polynomials."""
        fractions = (times - before.time) / (after.time - before.time)
        return self._states(
            times,
            step.states_at(fractions),
            step.residuals_at(fractions),
            step.states_error,
            step.residuals_error,
        )

    def _network(self, position: _Position, residual_error: float) -> NetworkStates:
        """Network at the end of a step, or at time 0."""
        time, state = np.array([position.time]), position.state
        with np.errstate(over="ignore", invalid="ignore"):  # weights that overflow fail at the first step
            error = float(np.linalg.norm(position.error))
            return self._states(time, state.high[None], self._field.residual(state)[None], error, residual_error)

    def _states(
        self,
        times: Float[np.ndarray, " time"],
        states: Float[np.ndarray, "time number"],
        residual: Float[np.ndarray, "time out in"],
        error: float,
        residual_error: float,
    ) -> NetworkStates:
        return NetworkStates(
            times,
            self._field.layers(states),
            residual,
            _relative(error, np.linalg.norm(states, axis=1)),
            _relative(residual_error, np.linalg.norm(residual, axis=(1, 2))),
        )

    def _batch_slices(self, start: int, end: int) -> Iterator[slice]:
        size = max(1, _BATCH_NUMBERS // len(self._start.high))
        return (slice(first, min(first + size, end)) for first in range(start, end, size))

    def _repeated(self, start: int, end: int) -> Iterator[tuple[slice, NetworkStates]]:
        """States for times that equal the one that is reached."""
        for batch in self._batch_slices(start, end):
            yield batch, self.reached.repeated(batch.stop - batch.start)


def _first_length(
    weights: Layers,
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    weight_decay: tuple[float, ...],
) -> float:
    """Inverse of a bound of the derivative of the flow at time 0."""
    with np.errstate(over="ignore"):
        norms = [float(np.linalg.norm(w)) for w in weights]
        inputs = 1.0 if sigma_xx is None else float(np.linalg.norm(sigma_xx))
        residual = float(np.linalg.norm(sigma_yx)) + inputs * prod(norms)
    rate = sum(weight_decay)
    for i in range(len(norms)):
        others = norms[:i] + norms[i + 1 :]
        rate += inputs * prod(others) * prod(others)
        rate += residual * sum(prod(others[:j] + others[j + 1 :]) for j in range(len(others)))
    if not np.isfinite(rate):
        return 0.0
    return 1 / rate if rate > 0 else np.inf


def _limited(error: Float[np.ndarray, " number"], state: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
    """Limit the norm of an error to that of the state, beyond which linear propagation of errors is meaningless."""
    size, largest = np.linalg.norm(error), np.linalg.norm(state)
    return error * (largest / size) if size > largest else error


def _relative(error: float, norms: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Relative errors, including rounding to float64, limited to 1; a zero is exact unless there is an error."""
    error_of_zeros = np.full_like(norms, np.inf if error > 0 else -_EPSILON)
    return np.minimum(1.0, _EPSILON + np.divide(error, norms, out=error_of_zeros, where=norms > 0))
