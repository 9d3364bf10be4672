"""Weights of a network at a batch of times, in the singular bases of its task."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modal_loss import Objective

Layers = tuple[Float[np.ndarray, "time _ _"], ...]
"""One array for each layer, (time, width l+1, width l), first layer first."""


@dataclass(frozen=True)
class ModalWeights:
    """Weights from which observables are computed; these do not depend on rotations of the hidden units.

    A network function without its factors is represented as a single layer, from which some observables can be
    computed.

    Attributes:
        objective: loss function and data.
        layers: W_1 v, the intermediate layers, and u^T W_L, each up to rotations of its hidden units.
        hidden: widths of the hidden layers; layers may omit hidden units that have no weights.
        time_constant: tau, in the unit of times.
        initial: the same network at time 0, as one time; None for the initial network itself.
        error: u^T (W - W*) v, accurate relative to its size, with the best network function W*; None if only the
            difference is available.
        gram_changes: changes of u^T w2 w2^T u and v^T w1^T w1 v of two layers since time 0, accurate relative to the
            changes; None if only the differences are available.
    """

    objective: Objective
    layers: Layers
    hidden: tuple[int, ...]
    time_constant: float
    initial: "ModalWeights | None" = None
    error: Float[np.ndarray, "time out rank"] | None = None
    gram_changes: tuple[Float[np.ndarray, "time out out"], Float[np.ndarray, "time rank rank"]] | None = None

    @property
    def start(self) -> "ModalWeights":
        """Network at time 0."""
        return self if self.initial is None else self.initial

    @cached_property
    def strengths(self) -> Float[np.ndarray, "time out rank"]:
        """Network function u^T W v in the singular bases of the task."""
        return self.layers[0] if len(self.layers) == 1 else self.above(0) @ self.layers[0]

    @property
    def distance(self) -> Float[np.ndarray, "time out rank"]:
        """Network function minus the best one, in the singular bases of the task."""
        return self.strengths - self.objective.best if self.error is None else self.error

    def above(self, layer: int) -> Float[np.ndarray, "time out to"]:
        """Product of the layers after a given one, which must not be the last."""
        product = self.layers[-1]
        for between in self.layers[-2:layer:-1]:
            product = product @ between
        return product

    def below(self, layer: int) -> Float[np.ndarray, "time to rank"]:
        """Product of the layers before a given one, which must not be the first."""
        product = self.layers[0]
        for between in self.layers[1:layer]:
            product = between @ product
        return product

    @cached_property
    def w1_transposed(self) -> Float[np.ndarray, "time in hidden"]:
        """Transposed first layer in the coordinates of the inputs, up to a rotation of its hidden units."""
        return self.objective.v @ self.layers[0].transpose(0, 2, 1)

    @cached_property
    def w_last(self) -> Float[np.ndarray, "time out hidden"]:
        """Last layer in the coordinates of the outputs, up to a rotation of its hidden units."""
        return self.objective.u @ self.layers[-1]


def modal_weights(
    objective: Objective, weights: Layers, time_constant: float, initial: ModalWeights | None = None
) -> ModalWeights:
    """Transform weights from the coordinates of inputs and outputs to the singular bases of the task.

    Source: Saxe et al. (2014), arXiv 1312.6120, the change of variables to the modes of the task.
    """
    if len(weights) == 1:
        return ModalWeights(objective, (objective.u.T @ weights[0] @ objective.v,), (), time_constant, initial)
    first, last = weights[0] @ objective.v, objective.u.T @ weights[-1]
    hidden = tuple(layer.shape[1] for layer in weights[:-1])
    return ModalWeights(objective, (first, *weights[1:-1], last), hidden, time_constant, initial)
