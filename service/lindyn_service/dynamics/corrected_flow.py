"""The gradient flow that gradient descent with a finite step follows to second order."""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.flow import Flow, Layers, Networks
from lindyn_service.dynamics.flow_velocity import VelocityField, back_propagation
from lindyn_service.dynamics.settled import Settled


class CorrectedFlow(Flow):
    """Integrates the gradient flow of L + (step / 4) ||grad L||^2, for which arguments are as for `Flow`.

    Descent with a step h is where this flow is after the time h for each step, up to errors of the order h^2. With the
    velocity F = -grad L, that of this flow is F - (h / 2) F' F. Residuals are differences here, so that they have no
    digits left where they are below the rounding errors of the task.

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
        *,
        step: float,
        rtol: float,
        atol: float | tuple[float, ...],
        weight_decay: tuple[float, ...] = (),
    ) -> None:
        super().__init__(weights, sigma_yx, sigma_xx, rtol=rtol, atol=atol, weight_decay=weight_decay)
        shapes = tuple((w.shape[0], w.shape[1]) for w in weights)
        self._field = VelocityField(shapes, sigma_yx, sigma_xx, weight_decay)
        self._step_length = step

    def _velocity(self, _time: float, state: Float[np.ndarray, "*time number"]) -> Float[np.ndarray, "*time number"]:
        """Velocity of the layers; what `Flow` integrates beside them stays as it is."""
        field, n_weights = self._field, self._bounds[-2]
        weights = state[..., :n_weights]
        layers = field.layers(weights)
        passes = back_propagation(layers, field.sigma_yx, field.sigma_xx)
        velocity = field.decayed(field.joined(passes.velocities), weights)
        change = field.decayed(field.derivatives(layers, passes, velocity)[0], velocity)
        rates = np.zeros_like(state)
        rates[..., :n_weights] = velocity - self._step_length / 2 * change
        return rates

    def _networks(self, states: Float[np.ndarray, "time number"]) -> Networks:
        layers = self._parts(states)[0]
        function = layers[0]
        for w in layers[1:]:
            function = w @ function
        return Networks(layers, self._sigma_yx - self._times_sigma_xx(function))

    def _ending(self, state: Float[np.ndarray, " number"]) -> Settled | None:
        """Not looked for, since its decay is that of the uncorrected flow."""
        del state
