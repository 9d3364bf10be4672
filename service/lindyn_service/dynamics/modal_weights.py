"""The weights of a network at a batch of times, in the singular bases of its task."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modal_loss import Objective

Layers = tuple[Float[np.ndarray, "time _ _"], ...]
"""One array for each layer, (time, width l+1, width l), first layer first."""


@dataclass(frozen=True)
class Training:
    """Parameters of the flow tau dW_l/dt = -c_l g(t) (gradient + gamma W_l), if it is not the plain gradient flow.

    Attributes:
        rates: learning rate c_l of each layer.
        factors: value of the schedule g at each time.
        weight_decay: gamma.
    """

    rates: tuple[float, ...]
    factors: Float[np.ndarray, " time"]
    weight_decay: float


@dataclass(frozen=True)
class ModalWeights:
    """Network at a batch of times, from which observables are computed.

    Observables do not depend on rotations of the hidden units, so that the layers may be known up to these. A network
    function without its layers is represented as a single layer, for observables that need only the function.

    Attributes:
        objective: loss function in the singular bases u and v of the task.
        layers: W_1 v, the layers between, and u^T W_L, each up to rotations of its hidden units.
        hidden: widths of the hidden layers; the layers may omit hidden units without weights.
        time_constant: tau, in the unit of times.
        initial: the network at time 0, as a batch of one time; None for that itself.
        error: u^T (W - W*) v with the best network function W*, accurate relative to its own size; None if the
            difference is as accurate.
        gram_changes: changes of u^T w2 w2^T u and of v^T w1^T w1 v of two layers since time 0, accurate relative to
            their own size; None if the differences are as accurate.
        training: learning rates, schedule and weight decay; None for the plain gradient flow.
    """

    objective: Objective
    layers: Layers
    hidden: tuple[int, ...]
    time_constant: float
    initial: "ModalWeights | None" = None
    error: Float[np.ndarray, "time out rank"] | None = None
    gram_changes: tuple[Float[np.ndarray, "time out out"], Float[np.ndarray, "time rank rank"]] | None = None
    training: Training | None = None

    @property
    def start(self) -> "ModalWeights":
        """The network at time 0."""
        return self if self.initial is None else self.initial

    @cached_property
    def strengths(self) -> Float[np.ndarray, "time out rank"]:
        """Network function in the singular bases of the task, u^T W v."""
        return self.layers[0] if len(self.layers) == 1 else self.above(0) @ self.layers[0]

    @property
    def distance(self) -> Float[np.ndarray, "time out rank"]:
        """Network function minus the best one, u^T (W - W*) v."""
        return self.strengths - self.objective.best if self.error is None else self.error

    def above(self, layer: int) -> Float[np.ndarray, "time out to"]:
        """Product of the layers above a layer, which is not the last."""
        product = self.layers[-1]
        for between in self.layers[-2:layer:-1]:
            product = product @ between
        return product

    def below(self, layer: int) -> Float[np.ndarray, "time to rank"]:
        """Product of the layers below a layer, which is not the first."""
        product = self.layers[0]
        for between in self.layers[1:layer]:
            product = between @ product
        return product

    @cached_property
    def w1_transposed(self) -> Float[np.ndarray, "time in hidden"]:
        """Transposed first layer in the coordinates of the inputs, up to a rotation of the hidden units."""
        return self.objective.v @ self.layers[0].transpose(0, 2, 1)

    @cached_property
    def w_last(self) -> Float[np.ndarray, "time out hidden"]:
        """Last layer in the coordinates of the outputs, up to a rotation of the hidden units."""
        return self.objective.u @ self.layers[-1]


def modal_weights(
    objective: Objective, weights: Layers, time_constant: float, initial: ModalWeights | None = None
) -> ModalWeights:
    """Transform weights to the singular bases of the task.

    Args:
        objective: loss function in these bases.
        weights: layers in the coordinates of inputs, hidden units and outputs, (time, width l+1, width l).
        time_constant: tau, in the unit of times.
        initial: the network at time 0; None for that itself.

    Source: Saxe et al. (2014), arXiv 1312.6120, the change of variables to the modes of the task.
    """
    if len(weights) == 1:
        return ModalWeights(objective, (objective.u.T @ weights[0] @ objective.v,), (), time_constant, initial)
    first, last = weights[0] @ objective.v, objective.u.T @ weights[-1]
    hidden = tuple(layer.shape[1] for layer in weights[:-1])
    return ModalWeights(objective, (first, *weights[1:-1], last), hidden, time_constant, initial)
