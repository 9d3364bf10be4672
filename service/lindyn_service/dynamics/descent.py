"""Full-batch gradient descent of networks of any depth, for several networks along leading batch axes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.back_propagation import NetworkGradient, run
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.learning_rates import Schedule

State = tuple[Float[np.ndarray, "..."], ...]
"""Arrays that determine all further steps of a training run."""

_MAX_WEIGHT = 1e100
_STEPS_BETWEEN_CHECKS = 100


class DivergedError(ValueError):
    """Training diverged.

    Attributes:
        step_number: first step after which a weight is not finite or exceeds 1e100 in magnitude.
    """

    def __init__(self, step_number: int) -> None:
        super().__init__(
            f"weights are not finite or exceed {_MAX_WEIGHT:g} after step {step_number}: use a smaller learning rate"
        )
        self.step_number = step_number


@dataclass(frozen=True)
class StepRates:
    """Parameters of the steps W_l <- W_l - step c_l g(t) (dL/dW_l + gamma W_l), with the time t at which a step begins.

    Attributes:
        layers: learning rate c_l of each layer.
        schedule: schedule g.
        length: duration of a step, in the unit of times.
        weight_decay: gamma, in units of the task.
    """

    layers: tuple[float, ...]
    schedule: Schedule
    length: float
    weight_decay: float

    def factors(self, first: int, count: int) -> Float[np.ndarray, " step"]:
        """Values of g at `count` steps from number `first`; the first step of the run has number 0."""
        return self.schedule.factors(self.length * np.arange(first, first + count, dtype=np.float64))


@runtime_checkable
class Moving(Protocol):
    """A training run, which advances in steps."""

    taken: int
    """Number of steps taken so far."""

    def weights(self) -> Layers:
        """Return the present weights, which the next step may overwrite."""
        ...

    def advance(self, steps: int) -> None:
        """Take steps, without floating-point warnings if numbers overflow."""
        ...

    def saved(self) -> State:
        """Return a copy of the present state, for `restore`."""
        ...

    def restore(self, saved: State, taken: int) -> None:
        """Return to a saved state, which was reached after `taken` steps."""
        ...


def walk(moving: Moving, recorded: Sequence[int]) -> Iterator[int]:
    """Advance a run to each of the recorded numbers of steps, and yield the index of each of these when it is reached.

    Args:
        moving: training run, which has taken no more steps than the first recorded number.
        recorded: ascending numbers of steps.

    Raises:
        DivergedError: training diverged; weights are checked every 100 steps.
    """
    checked, saved = moving.taken, moving.saved()
    for row, number in enumerate(recorded):
        while moving.taken < number:
            moving.advance(min(number, checked + _STEPS_BETWEEN_CHECKS) - moving.taken)
            if moving.taken == checked + _STEPS_BETWEEN_CHECKS or moving.taken == recorded[-1]:
                if not _are_bounded(moving.weights()):
                    moving.restore(saved, checked)
                    raise DivergedError(_first_out_of_bounds(moving))
                checked, saved = moving.taken, moving.saved()
        yield row


def every_step(moving: Moving, last: int, most_numbers: int) -> Iterator[tuple[slice, Layers]]:
    """Move a network to a number of steps, and yield its layers after each step in bounded batches.

    Args:
        moving: has taken no step.
        last: number of steps.
        most_numbers: weights in a batch, of at least one step.

    Raises:
        DivergedError: the weights grew without bound.
    """
    size = max(1, most_numbers // sum(w.size for w in moving.weights()))
    for first in range(0, last + 1, size):
        part = range(first, min(first + size, last + 1))
        kept = tuple(np.empty((len(part), *w.shape)) for w in moving.weights())
        for row in walk(moving, part):
            for record, w in zip(kept, moving.weights(), strict=True):
                record[row] = w
        yield slice(part.start, part.stop), kept


def descend(
    layers: Layers, gradient: NetworkGradient, step: float, recorded: Sequence[int], rates: StepRates | None = None
) -> tuple[Float[np.ndarray, "recorded *batch _ _"], ...]:
    """Repeat W <- W - step dL/dW, and return the weights after the recorded steps.

    After n steps, the weights are those of gradient flow at time n * step in units of tau, up to O(step). For linear
    networks `LinearDescent` is more accurate.

    Args:
        layers: initial weights, (*batch, width l+1, width l) with the same batch axes.
        gradient: gradient of the loss.
        step: learning rate divided by the time constant.
        recorded: ascending numbers of steps; 0 stands for the initial weights.
        rates: learning rates of layers, schedule and weight decay; None without these.

    Raises:
        DivergedError: training diverged.
    """
    moving = NetworkDescent(layers, gradient, step, rates)
    kept = tuple(np.empty((len(recorded), *w.shape)) for w in layers)
    for row in walk(moving, recorded):
        for record, w in zip(kept, moving.weights(), strict=True):
            record[row] = w
    return kept


class NetworkDescent:
    """Steps W <- W - step dL/dW along a gradient, with arguments as for `descend`.

    Source: Cauchy (1847), the method of gradient descent.
    """

    def __init__(self, layers: Layers, gradient: NetworkGradient, step: float, rates: StepRates | None) -> None:
        self._layers, self._step, self._rates = tuple(w.copy() for w in layers), step, rates
        self._operations, self._changes = gradient.operations(self._layers)
        if rates is None:
            for w, change in zip(self._layers, self._changes, strict=True):
                self._operations += [(np.multiply, (change, step), change), (np.subtract, (w, change), w)]
        self.taken = 0

    def weights(self) -> Layers:
        """As they are now; the next step overwrites them."""
        return self._layers

    def advance(self, steps: int) -> None:
        """Take steps, without warnings where numbers overflow."""
        factors = np.ones(steps) if self._rates is None else self._rates.factors(self.taken, steps)
        with np.errstate(all="ignore"):
            for factor in factors:
                run(self._operations)
                if self._rates is not None:
                    self._take(self._rates, self._step * factor)
        self.taken += steps

    def _take(self, rates: StepRates, step: float) -> None:
        for w, change, rate in zip(self._layers, self._changes, rates.layers, strict=True):
            np.subtract(w, step * rate * (change + rates.weight_decay * w), out=w)

    def saved(self) -> Layers:
        """A copy of the layers, for `restore`."""
        return tuple(w.copy() for w in self._layers)

    def restore(self, saved: Layers, taken: int) -> None:
        """Go back to where it was after `taken` steps."""
        for w, before in zip(self._layers, saved, strict=True):
            np.copyto(w, before)
        self.taken = taken


def _are_bounded(weights: Layers) -> bool:
    return all(np.max(np.abs(w)) <= _MAX_WEIGHT for w in weights)  # false for NaN


def _first_out_of_bounds(moving: Moving) -> int:
    """Advance step by step, and return the number of the first step after which the weights are out of bounds."""
    while _are_bounded(moving.weights()):
        moving.advance(1)
    return moving.taken
