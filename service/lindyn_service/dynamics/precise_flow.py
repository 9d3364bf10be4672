"""Gradient flow of any linear network in 32 digits, for where rounding in float64 decides what is learned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.collocation_step import ROUNDING, Step, StepTooLongError, collocation_step
from lindyn_service.dynamics.double_double import DoubleDouble, exact, two_sum
from lindyn_service.dynamics.flow import FlowError, Layers
from lindyn_service.dynamics.flow_velocity import VelocityField

_BATCH_NUMBERS = 2**18
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class NetworkStates:
    """A network at some times.

    The errors are those of the integration, of its polynomials and of rounding to float64; the weights and the task
    are taken as exact. They are at most 1.

    Attributes:
        times: (time,), in units of the time constant.
        layers: (time, width l+1, width l) each, first layer first.
        residual: (time, out, in), sigma_yx - W sigma_xx, rounded after the subtraction.
        layers_error: (time,), estimate of the Frobenius norm of the error of all layers together, relative to theirs.
        residual_error: (time,), the same of the residual.
    """

    times: Float[np.ndarray, " time"]
    layers: Layers
    residual: Float[np.ndarray, "time out in"]
    layers_error: Float[np.ndarray, " time"]
    residual_error: Float[np.ndarray, " time"]

    def repeated(self, count: int) -> "NetworkStates":
        """Each of the times several times."""
        return NetworkStates(
            np.repeat(self.times, count),
            tuple(np.repeat(layer, count, axis=0) for layer in self.layers),
            np.repeat(self.residual, count, axis=0),
            np.repeat(self.layers_error, count),
            np.repeat(self.residual_error, count),
        )


@dataclass(frozen=True)
class _Position:
    """Where an integration stands.

    Attributes:
        time: in units of the time constant.
        state: (number,), all layers.
        error: (number,), a draw of the error of the state.
        length: of the step to be tried next.
    """

    time: float
    state: DoubleDouble
    error: Float[np.ndarray, " number"]
    length: float


class PreciseFlow:
    """Integrates dW_l/dt = (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T in 32 digits.

    Args:
        weights: initial layers, (width l+1, width l), first layer first; taken as exact.
        sigma_yx: (out, in), taken as exact.
        sigma_xx: (in, in), taken as exact; None for white inputs.
        max_steps: largest number of steps that may be tried.
        weight_decay: gamma_l, taken as exact, by which each layer has the velocity -gamma_l W_l besides; in units of
            the task. Empty for none.
        stop: called at the end of each step with the network there, one time; the integration ends where it is True.

    Attributes:
        steps: number of steps that were tried.
        reached: the network, at one time, up to which the flow is integrated.

    A step is at most about 5 long in units of the inverse of the fastest rate, learned or not, so that late times, when
    everything is learned, take as many steps as early ones.

    The errors come from one random draw: the initial weights get an error of the size of a step's rounding, each step
    adds one of the size of its rounding and truncation, and the derivative of the flow carries them on. They grow
    as small differences of the weights do. Weights that are exactly zero all the time have no error.
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
        self.reached = self._network(self._beginning(), 0.0)

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, NetworkStates]]:
        """Integrate from 0 to ascending, non-negative times; yields these in bounded batches, up to where it stops.

        Raises:
            FlowError: steps became too small for float64, or there were too many of them.
        """
        self.steps = 0
        position = self._beginning()
        self.reached = self._network(position, 0.0)
        done = int(np.searchsorted(times, 0.0, side="right"))
        yield from self._repeated(0, done)
        while done < len(times):
            before = position
            step, position = self._advance(before, float(times[-1]))
            self.reached = self._network(position, step.inherited_residual_error)
            stopped = self._stop is not None and self._stop(self.reached)
            inside = int(np.searchsorted(times, position.time))
            for part in self._parts(done, inside):
                yield part, self._within(step, before, position, times[part])
            done = int(np.searchsorted(times, position.time, side="right"))
            yield from self._repeated(inside, done)
            if stopped:
                return

    def _advance(self, before: _Position, end: float) -> tuple[Step, _Position]:
        """Try shorter and shorter steps, none beyond the end."""
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
                return step, _Position(time, step.end, _at_most(error, step.end.high), span * step.factor)

    def _beginning(self) -> _Position:
        numbers = self._start.high
        error = self._draw(np.where(numbers == 0, 0.0, ROUNDING * self._field.largest(numbers[None])))
        return _Position(0.0, self._start, error, self._first_length)

    def _draw(self, sizes: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
        """Random numbers of some sizes, the same each time that the same flow is integrated."""
        return sizes * np.random.default_rng(self.steps).standard_normal(len(sizes))

    def _within(
        self, step: Step, before: _Position, after: _Position, times: Float[np.ndarray, " time"]
    ) -> NetworkStates:
        """Evaluate the polynomials of a step."""
        fractions = (times - before.time) / (after.time - before.time)
        return self._states(
            times,
            step.states_at(fractions),
            step.residuals_at(fractions),
            step.states_error,
            step.residuals_error,
        )

    def _network(self, position: _Position, residual_error: float) -> NetworkStates:
        """The network at the end of a step, or at the beginning."""
        time, state = np.array([position.time]), position.state
        with np.errstate(over="ignore", invalid="ignore"):  # weights that are too large fail at the first step
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

    def _parts(self, start: int, end: int) -> Iterator[slice]:
        size = max(1, _BATCH_NUMBERS // len(self._start.high))
        return (slice(first, min(first + size, end)) for first in range(start, end, size))

    def _repeated(self, start: int, end: int) -> Iterator[tuple[slice, NetworkStates]]:
        """What is reached, for equal times."""
        for part in self._parts(start, end):
            yield part, self.reached.repeated(part.stop - part.start)


def _first_length(
    weights: Layers,
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    weight_decay: tuple[float, ...],
) -> float:
    """The inverse of a bound of the flow's derivative at the beginning."""
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


def _at_most(error: Float[np.ndarray, " number"], state: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
    """An error that is no larger than the state: beyond, the derivative of the flow says nothing."""
    size, largest = np.linalg.norm(error), np.linalg.norm(state)
    return error * (largest / size) if size > largest else error


def _relative(error: float, norms: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Relative errors with those of rounding to float64, at most 1; zeros are exact unless there is an error."""
    of_zeros = np.full_like(norms, np.inf if error > 0 else -_EPSILON)
    return np.minimum(1.0, _EPSILON + np.divide(error, norms, out=of_zeros, where=norms > 0))
