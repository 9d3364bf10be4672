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
    """How layers learn, where that is not the plain gradient flow: tau dW_l/dt = -c_l g(t) (gradient + gamma W_l).

    Attributes:
        rates: c_l of each layer.
        factors: g at each time.
        weight_decay: gamma.
    """

    rates: tuple[float, ...]
    factors: Float[np.ndarray, " time"]
    weight_decay: float


@dataclass(frozen=True)
class ModalWeights:
    """What observables are read from; none of them depends on rotations of the hidden units.

    A network function alone is one layer, of which those observables can be read that need no more.

    Attributes:
        objective: what the network is trained for.
        layers: W_1 v, the layers between as they are, and u^T W_L, each up to rotations of its hidden units.
        hidden: widths of the hidden layers; a layer may leave hidden units out that have no weights.
        time_constant: tau, in the unit of times.
        initial: the same network at time 0, one time; None for that itself.
        error: u^T (W - W*) v to its own rounding errors, W* the best network function; None where nothing better than
            the difference is known.
        gram_changes: u^T w2 w2^T u and v^T w1^T w1 v of two layers, less those at time 0, to their own rounding errors;
            None where nothing better than the differences is known.
        training: how the layers learn; None for the plain gradient flow.
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
        """The network function in the singular bases of the task, u^T W v."""
        return self.layers[0] if len(self.layers) == 1 else self.above(0) @ self.layers[0]

    @property
    def distance(self) -> Float[np.ndarray, "time out rank"]:
        """The network function minus the best one, in the same bases."""
        return self.strengths - self.objective.best if self.error is None else self.error

    def above(self, layer: int) -> Float[np.ndarray, "time out to"]:
        """The product of the layers after one, which is not the last."""
        product = self.layers[-1]
        for between in self.layers[-2:layer:-1]:
            product = product @ between
        return product

    def below(self, layer: int) -> Float[np.ndarray, "time to rank"]:
        """The product of the layers before one, which is not the first."""
        product = self.layers[0]
        for between in self.layers[1:layer]:
            product = between @ product
        return product

    @cached_property
    def w1_transposed(self) -> Float[np.ndarray, "time in hidden"]:
        """The first layer, transposed, in the coordinates of the inputs, up to a rotation of what it leads to."""
        return self.objective.v @ self.layers[0].transpose(0, 2, 1)

    @cached_property
    def w_last(self) -> Float[np.ndarray, "time out hidden"]:
        """The last layer in the coordinates of the outputs, up to a rotation of what it comes from."""
        return self.objective.u @ self.layers[-1]


def modal_weights(
    found: Objective, weights: Layers, time_constant: float, initial: ModalWeights | None = None
) -> ModalWeights:
    """Put weights as they are into the singular bases of the task.

    Source: Saxe et al. (2014), arXiv 1312.6120, the change of variables to the modes of the task.
    """
    if len(weights) == 1:
        return ModalWeights(found, (found.u.T @ weights[0] @ found.v,), (), time_constant, initial)
    first, last = weights[0] @ found.v, found.u.T @ weights[-1]
    hidden = tuple(layer.shape[1] for layer in weights[:-1])
    return ModalWeights(found, (first, *weights[1:-1], last), hidden, time_constant, initial)
