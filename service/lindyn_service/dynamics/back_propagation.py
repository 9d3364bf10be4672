"""Loss of networks with activation functions, and its gradient by back-propagation, for networks along batch axes."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.layers import Layers

Activation = Literal["relu", "tanh"]
Operation = tuple[np.ufunc, tuple[np.ndarray | float, ...], np.ndarray]
"""A function, its operands, and the array that it writes."""


class NetworkGradient:
    """Gradient of 1/(2P) sum ||f(x) - y||^2 as a function of the layers, by back-propagation.

    The derivative of the rectifier at 0 is taken as 0.

    Args:
        inputs: rows are samples; batch axes broadcast to those of the layers.
        targets: rows are samples; batch axes broadcast to those of the layers.
        activation: activation of the hidden layers; the last layer is linear.

    Source: Rumelhart, Hinton & Williams (1986), 10.1038/323533a0.
    """

    def __init__(
        self,
        inputs: Float[np.ndarray, "*data sample in"],
        targets: Float[np.ndarray, "*data sample out"],
        activation: Activation,
    ) -> None:
        self._inputs, self._targets = inputs, targets
        self._activation: Activation = activation

    def __call__(self, layers: Layers) -> Layers:
        """Return the gradient in new arrays."""
        operations, gradients = self.operations(layers)
        run(operations)
        return gradients

    def operations(self, layers: Layers) -> tuple[list[Operation], Layers]:
        """Return operations on fixed arrays, for many evaluations of the gradient of layers that change in place.

        Returns:
            The operations, in their order; and the gradients of the layers, into which they write.
        """
        signals, operations = _forward(layers, self._inputs, self._activation)
        delta, n_samples = signals.pop(), self._inputs.shape[-2]
        operations += [(np.subtract, (delta, self._targets), delta), (np.divide, (delta, float(n_samples)), delta)]
        gradients: list[np.ndarray] = []
        for w, signal in zip(layers[::-1], signals[::-1], strict=True):
            gradients.insert(0, np.empty(w.shape))
            operations.append((np.matmul, (delta.mT, signal), gradients[0]))
            if signal is not self._inputs:
                below = np.empty_like(signal)
                operations += [
                    (np.matmul, (delta, w), below),
                    *self._slopes(signal),
                    (np.multiply, (below, signal), below),
                ]
                delta = below
        return operations, tuple(gradients)

    def _slopes(self, signal: Float[np.ndarray, "... sample _"]) -> list[Operation]:
        """Return what replaces outputs of hidden units by derivatives of their activation."""
        if self._activation == "relu":
            return [(np.sign, (signal,), signal)]
        return [(np.multiply, (signal, signal), signal), (np.subtract, (1.0, signal), signal)]


def run(operations: list[Operation]) -> None:
    """Carry out operations in their order."""
    for function, operands, out in operations:
        function(*operands, out=out)


def network_loss(
    layers: Layers,
    inputs: Float[np.ndarray, "*data sample in"],
    targets: Float[np.ndarray, "*data sample out"],
    activation: Activation,
) -> Float[np.ndarray, "*batch"]:
    """Loss 1/(2P) sum ||f(x) - y||^2 of each network; not finite if squares overflow.

    Source: thesis (2.3), with the activation between the layers.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        signals, operations = _forward(layers, inputs, activation)
        run(operations)
        error = signals[-1] - targets
        return np.asarray(np.einsum("...so,...so->...", error, error) / (2 * inputs.shape[-2]))


def _forward(
    layers: Layers, inputs: Float[np.ndarray, "*data sample in"], activation: Activation
) -> tuple[list[Float[np.ndarray, "... sample _"]], list[Operation]]:
    """Return the inputs and arrays for the outputs of all layers, (*batch, sample, width), and what fills them."""
    signals, operations = [inputs], list[Operation]()
    for i, w in enumerate(layers, start=1):
        signal = np.empty((*w.shape[:-2], inputs.shape[-2], w.shape[-2]))
        operations.append((np.matmul, (signals[-1], w.mT), signal))
        if i < len(layers):
            relu: Operation = (np.maximum, (signal, 0.0), signal)
            operations.append(relu if activation == "relu" else (np.tanh, (signal,), signal))
        signals.append(signal)
    return signals, operations
