"""Full-batch gradient descent of networks of any depth, many of them at once along leading batch axes."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

Layers = tuple[Float[np.ndarray, "*batch _ _"], ...]
Gradient = Callable[[Layers], Layers]  # gives new arrays, which the caller may overwrite
Activation = Literal["relu", "tanh"]

_LARGEST_WEIGHT = 1e100
_STEPS_BETWEEN_CHECKS = 100


class DivergedError(ValueError):
    """Descent left the numbers: `step_number` is the first step after which a weight is not finite or above 1e100."""

    def __init__(self, step_number: int) -> None:
        super().__init__(
            f"weights are not finite or exceed {_LARGEST_WEIGHT:g} after step {step_number}: take smaller steps"
        )
        self.step_number = step_number


def linear_gradient(
    sigma_yx: Float[np.ndarray, "*task out in"], sigma_xx: Float[np.ndarray, "*inputs in in"] | None
) -> Gradient:
    """Gradient of the loss of a linear network, from second moments: its cost is free of the number of samples.

    With W = W_L ... W_1, dL/dW_l = (W_L ... W_{l+1})^T (W sigma_xx - sigma_yx) (W_{l-1} ... W_1)^T.

    Args:
        sigma_yx: Y X^T / P; batch axes broadcast to those of the layers.
        sigma_xx: X X^T / P, likewise; None stands for the identity (white inputs).

    Source: Saxe et al. (2014), arXiv 1312.6120, for any number of layers.
    """

    def gradient(layers: Layers) -> Layers:
        below = [layers[0]]  # W_l ... W_1
        for w in layers[1:]:
            below.append(w @ below[-1])
        delta = below.pop() if sigma_xx is None else below.pop() @ sigma_xx
        delta = delta - sigma_yx
        gradients: list[np.ndarray] = []
        for w in layers[:0:-1]:
            gradients.append(delta @ below.pop().mT)
            delta = w.mT @ delta
        gradients.append(delta)
        return tuple(reversed(gradients))

    return gradient


def network_gradient(
    inputs: Float[np.ndarray, "*data sample in"],
    targets: Float[np.ndarray, "*data sample out"],
    activation: Activation,
) -> Gradient:
    """Gradient of 1/(2P) sum ||f(x) - y||^2 by backpropagation; hidden layers have the activation, the last has none.

    The slope of a rectifier at 0 is taken as 0.

    Args:
        inputs: rows are samples; batch axes broadcast to those of the layers.
        targets: likewise.
        activation: of all layers but the last.

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


def descend(
    layers: Layers, gradient: Gradient, step: float, recorded: Sequence[int]
) -> tuple[Float[np.ndarray, "recorded *batch _ _"], ...]:
    """Repeat W <- W - step dL/dW and keep the weights after the recorded steps.

    Step number n is the flow at time n * step in units of tau, up to O(step).

    Args:
        layers: initial weights, (*batch, out_l, in_l) with the same batch axes.
        gradient: of the loss.
        step: learning rate over time constant.
        recorded: ascending numbers of steps; 0 is the initial weights.

    Raises:
        DivergedError: the weights grew without bound.

    Source: the explicit Euler method on tau dW/dt = -dL/dW.
    """
    weights = tuple(w.copy() for w in layers)
    kept = tuple(np.empty((len(recorded), *w.shape)) for w in layers)
    taken, checked, bounded = 0, 0, weights
    with np.errstate(all="ignore"):
        for row, number in enumerate(recorded):
            while taken < number:
                if taken == checked:
                    bounded = tuple(w.copy() for w in weights)
                stop = min(number, checked + _STEPS_BETWEEN_CHECKS)
                _advance(weights, gradient, step, stop - taken)
                taken = stop
                if taken == checked + _STEPS_BETWEEN_CHECKS or taken == recorded[-1]:
                    if not _are_bounded(weights):
                        raise DivergedError(checked + _steps_to_divergence(bounded, gradient, step))
                    checked = taken
            for record, w in zip(kept, weights, strict=True):
                record[row] = w
    return kept


def _signals(
    layers: Layers, inputs: Float[np.ndarray, "*data sample in"], activation: Activation
) -> list[Float[np.ndarray, "... sample _"]]:
    """What each layer sends up, rows are samples; the last is the function of the network."""
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


def _advance(weights: Layers, gradient: Gradient, step: float, steps: int) -> None:
    """Take steps in place."""
    for _ in range(steps):
        for w, change in zip(weights, gradient(weights), strict=True):
            np.multiply(change, step, out=change)
            np.subtract(w, change, out=w)


def _are_bounded(weights: Layers) -> bool:
    return all(np.max(np.abs(w)) <= _LARGEST_WEIGHT for w in weights)  # false for NaN


def _steps_to_divergence(weights: Layers, gradient: Gradient, step: float) -> int:
    """Walk again, slowly, to the first step that is out of bounds."""
    steps = 0
    while _are_bounded(weights):
        _advance(weights, gradient, step, 1)
        steps += 1
    return steps
