"""The gradient flow that gradient descent with a finite step follows to second order."""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.flow_equations import FlowEquations, Networks
from lindyn_service.dynamics.flow_velocity import VelocityField, back_propagation
from lindyn_service.dynamics.layers import Layers


class CorrectedEquations(FlowEquations):
    """Equations of the gradient flow of L + (step / 4) ||grad L||^2, for which arguments are as for `FlowEquations`.

    Descent with a step h is where this flow is after the time h for each step, up to errors of the order h^2. With the
    velocity F = -grad L, that of this flow is F - (h / 2) F' F. Residuals are differences here, so that they have no
    digits left where they are below the rounding errors of the task; R and l of the states do not change.

    Args:
        step: h, in units of the time constant.

    Source: Barrett and Dherin (2021), arXiv 2009.11162, equations (2) to (4); Hairer, Lubich and Wanner (2006),
    10.1007/3-540-30666-8, IX.1, backward error analysis of Euler's method.
    """

    def __init__(
        self,
        weights: Layers,
        sigma_yx: Float[np.ndarray, "out in"],
        sigma_xx: Float[np.ndarray, "in in"] | None,
        weight_decay: tuple[float, ...],
        step: float,
    ) -> None:
        super().__init__(weights, sigma_yx, sigma_xx, weight_decay)
        shapes = tuple((w.shape[0], w.shape[1]) for w in weights)
        self._field = VelocityField(shapes, sigma_yx, sigma_xx, weight_decay)
        self._step = step

    def velocity(self, _time: float, state: Float[np.ndarray, "*time number"]) -> Float[np.ndarray, "*time number"]:
        """Velocity of a state."""
        field, n_weights = self._field, self.of_residual.start
        weights = state[..., :n_weights]
        layers = field.layers(weights)
        passes = back_propagation(layers, field.sigma_yx, field.sigma_xx)
        velocity = field.decayed(field.joined(passes.velocities), weights)
        change = field.decayed(field.derivatives(layers, passes, velocity)[0], velocity)
        rates = np.zeros_like(state)
        rates[..., :n_weights] = velocity - self._step / 2 * change
        return rates

    def networks(self, states: Float[np.ndarray, "time number"]) -> Networks:
        """Layers and residual of some states."""
        layers = super().networks(states).layers
        return Networks(layers, self._residual_of(layers))
