"""Full-batch gradient descent of networks of any depth, vectorized over leading batch axes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

Layers = tuple[Float[np.ndarray, "*batch _ _"], ...]
Gradient = Callable[[Layers], Layers]  # returns new arrays, which the caller may overwrite
Activation = Literal["relu", "tanh"]
State = tuple[Float[np.ndarray, "..."], ...]
"""Copies of the arrays that change with each step."""

_MAX_WEIGHT = 1e100
_STEPS_BETWEEN_CHECKS = 100


class DivergedError(ValueError):
    """Descent diverged: after step `step_number`, and not before, a weight is not finite or exceeds 1e100."""

    def __init__(self, step_number: int) -> None:
        super().__init__(
            f"weights are not finite or exceed {_MAX_WEIGHT:g} after step {step_number}: use a smaller learning rate"
        )
        self.step_number = step_number


def network_gradient(
    inputs: Float[np.ndarray, "*data sample in"],
    targets: Float[np.ndarray, "*data sample out"],
    activation: Activation,
) -> Gradient:
    """Gradient of 1/(2P) sum ||f(x) - y||^2 by backpropagation; hidden layers have the activation, the last has none.

    The derivative of a rectifier at 0 is 0.

    Args:
        inputs: inputs, whose rows are samples; batch axes broadcast to those of the layers.
        targets: targets, whose rows are samples; batch axes broadcast likewise.
        activation: activation function of all layers but the last.

    Source: Rumelhart, Hinton & Williams (1986), 10.1038/323533a0.
    """
    n_samples = inputs.shape[-2]

    def gradient(layers: Layers) -> Layers:
        signals = _signals(layers, inputs, activation)
        delta = signals.pop() - targets
        delta /= n_samples
        gradients: list[np.ndarray] = []
        for w in layers[:0:-1]:
            signal = signals.pop()
            gradients.append(delta.mT @ signal)
            delta = delta @ w
            delta *= signal > 0 if activation == "relu" else 1 - signal * signal
        gradients.append(delta.mT @ inputs)
        return tuple(reversed(gradients))

    return gradient


def network_loss(
    layers: Layers,
    inputs: Float[np.ndarray, "*data sample in"],
    targets: Float[np.ndarray, "*data sample out"],
    activation: Activation,
) -> Float[np.ndarray, "*batch"]:
    """Loss 1/(2P) sum ||f(x) - y||^2 of each network; not finite where its square overflows.

    Source: thesis (2.3), with the activation between the layers.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        error = _signals(layers, inputs, activation)[-1] - targets
        return np.asarray(np.einsum("...so,...so->...", error, error) / (2 * inputs.shape[-2]))


@runtime_checkable
class Moving(Protocol):
    """Network whose weights change in discrete steps."""

    steps_taken: int
    """Number of steps since the initial weights."""

    def weights(self) -> Layers:
        """Current weights, which the next step may overwrite."""
        ...

    def advance(self, steps: int) -> None:
        """Take steps, without warnings about overflow."""
        ...

    def saved(self) -> State:
        """Copy of the state, for `restore`."""
        ...

    def restore(self, saved: State, steps_taken: int) -> None:
        """Restore the state after `steps_taken` steps."""
        ...


def walk(moving: Moving, recorded: Sequence[int]) -> Iterator[int]:
    """Advance a network to each recorded number of steps, and yield the index of this number.

    Args:
        moving: network that has taken at most the first number of steps.
        recorded: ascending numbers of steps.

    Raises:
        DivergedError: the weights diverged; this is noticed at most 100 steps later.
    """
    checked, saved = moving.steps_taken, moving.saved()
    for row, number in enumerate(recorded):
        while moving.steps_taken < number:
            moving.advance(min(number, checked + _STEPS_BETWEEN_CHECKS) - moving.steps_taken)
            if moving.steps_taken == checked + _STEPS_BETWEEN_CHECKS or moving.steps_taken == recorded[-1]:
                if not _are_bounded(moving.weights()):
                    moving.restore(saved, checked)
                    raise DivergedError(_first_out_of_bounds(moving))
                checked, saved = moving.steps_taken, moving.saved()
        yield row


def descend(
    layers: Layers, gradient: Gradient, step: float, recorded: Sequence[int]
) -> tuple[Float[np.ndarray, "recorded *batch _ _"], ...]:
    """Iterate W <- W - step dL/dW, and return the weights after the recorded numbers of steps.

    This is the explicit Euler method for gradient flow: the weights after n steps are those of the flow at the time
    n * step in units of tau, up to O(step). For linear networks, `LinearDescent` is faster.

    Args:
        layers: initial weights, (*batch, out_l, in_l), with the same batch axes.
        gradient: gradient of the loss.
        step: learning rate divided by the time constant.
        recorded: ascending numbers of steps; 0 records the initial weights.

    Raises:
        DivergedError: the weights diverged.
    """
    moving = _Descent(layers, gradient, step)
    kept = tuple(np.empty((len(recorded), *w.shape)) for w in layers)
    for row in walk(moving, recorded):
        for record, w in zip(kept, moving.weights(), strict=True):
            record[row] = w
    return kept


class _Descent:
    """Descent along a given gradient."""

    def __init__(self, layers: Layers, gradient: Gradient, step: float) -> None:
        self._layers, self._gradient, self._step = tuple(w.copy() for w in layers), gradient, step
        self.steps_taken = 0

    def weights(self) -> Layers:
        return self._layers

    def advance(self, steps: int) -> None:
        with np.errstate(all="ignore"):
            for _ in range(steps):
                for w, change in zip(self._layers, self._gradient(self._layers), strict=True):
                    np.multiply(change, self._step, out=change)
                    np.subtract(w, change, out=w)
        self.steps_taken += steps

    def saved(self) -> Layers:
        return tuple(w.copy() for w in self._layers)

    def restore(self, saved: Layers, steps_taken: int) -> None:
        for w, before in zip(self._layers, saved, strict=True):
            np.copyto(w, before)
        self.steps_taken = steps_taken


def _signals(
    layers: Layers, inputs: Float[np.ndarray, "*data sample in"], activation: Activation
) -> list[Float[np.ndarray, "... sample _"]]:
    """Output of each layer, whose rows are samples; the last is the function of the network."""
    signals: list[np.ndarray] = []
    signal = inputs
    for w in layers[:-1]:
        signal = signal @ w.mT
        if activation == "relu":
            np.maximum(signal, 0.0, out=signal)
        else:
            np.tanh(signal, out=signal)
        signals.append(signal)
    signals.append(signal @ layers[-1].mT)
    return signals


def _are_bounded(weights: Layers) -> bool:
    return all(np.max(np.abs(w)) <= _MAX_WEIGHT for w in weights)  # also false for NaN


def _first_out_of_bounds(moving: Moving) -> int:
    """Number of the first step after which a weight is out of bounds, by single steps."""
    while _are_bounded(moving.weights()):
        moving.advance(1)
    return moving.steps_taken
