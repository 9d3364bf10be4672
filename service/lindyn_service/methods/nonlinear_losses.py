"""Losses of networks with an activation, and their rates under gradient flow."""

from typing import Literal

import numpy as np

from lindyn_service.dynamics.back_propagation import NetworkGradient, network_loss
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.modal_weights import Training
from lindyn_service.dynamics.tasks import Samples


def nonlinear_losses(
    layers: Layers,
    samples: Samples,
    activation: Literal["relu", "tanh"],
    learning: Training | None,
    time_constant: float,
) -> dict[str, np.ndarray]:
    """Compute the loss and its rate, time by time, so that memory does not grow with the number of times.

    Args:
        layers: layers at some times, (time, width l+1, width l).
        samples: training data.
        activation: activation of the hidden units.
        learning: learning rates, schedule and weight decay at these times; None if all rates are 1.
        time_constant: tau.

    Returns:
        `loss` and `loss_rate`, (time,).
    """
    gradient = NetworkGradient(samples.inputs, samples.targets, activation)
    losses, rates = np.empty(len(layers[0])), np.empty(len(layers[0]))
    for i in range(len(losses)):
        now = tuple(w[i] for w in layers)
        losses[i] = network_loss(now, samples.inputs, samples.targets, activation)
        if learning is None:
            rates[i] = -sum(float(np.sum(g * g)) for g in gradient(now)) / time_constant
            continue
        moves = zip(learning.rates, gradient(now), now, strict=True)
        along = sum(c * float(np.sum(g * (g + learning.weight_decay * w))) for c, g, w in moves)
        rates[i] = -float(learning.factors[i]) * along / time_constant
    return {"loss": losses, "loss_rate": rates}
