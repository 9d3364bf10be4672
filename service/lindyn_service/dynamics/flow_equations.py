"""Equations of the gradient flow of linear networks, for layers and residual together."""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.layers import Layers, network_function
from lindyn_service.dynamics.settled import Settled, settled


@dataclass(frozen=True)
class Networks:
    """A network at some times.

    Attributes:
        layers: (time, width l+1, width l) each, first layer first.
        residual: (time, out, in), sigma_yx - W sigma_xx, accurate relative to its own size.
    """

    layers: Layers
    residual: Float[np.ndarray, "time out in"]


class FlowEquations:
    """Vector field of dW_l/dt = (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T - gamma_l W_l, with tau = 1.

    The residual E = sigma_yx - W sigma_xx is part of the state, since late in training the difference loses all digits.
    Without weight decay its rate is proportional to E itself. It is written as E = R e^l, with
    dR/dt = dE/dt e^{-l} + mu R and dl/dt = -mu, where mu is the rate at which the norm of E decreases. The norm of R is
    thus constant, and the decay of the residual by many orders of magnitude needs no additional steps. With weight
    decay the residual does not vanish, and l remains 0. A state is the concatenation of all layers, R and l.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        weight_decay: gamma_l of each layer, in units of the task; equal to gamma in all layers if gamma / 2 sum
            ||W_l||_F^2 is added to the loss. Empty for no weight decay.

    Attributes:
        layer_sizes: number of weights of each layer.
        of_residual: the part of a state that is R.

    Source: Saxe et al. (2014), arXiv 1312.6120, the gradient flow.
    """

    def __init__(
        self,
        weights: Layers,
        sigma_yx: Float[np.ndarray, "out in"],
        sigma_xx: Float[np.ndarray, "in in"] | None,
        weight_decay: tuple[float, ...] = (),
    ) -> None:
        self._weights = weights
        self._sigma_yx = sigma_yx
        self._sigma_xx = sigma_xx
        self._weight_decay = weight_decay
        shapes = [*(w.shape for w in weights), sigma_yx.shape]
        bounds = [0, *accumulate([*(w.size for w in weights), sigma_yx.size])]
        self._slices = [(slice(*ends), shape) for ends, shape in zip(pairwise(bounds), shapes, strict=True)]
        self.layer_sizes = tuple(w.size for w in weights)
        self.of_residual = slice(*bounds[-2:])

    def start(self) -> Float[np.ndarray, " number"]:
        """The initial state; numbers that overflow float64 are infinite or NaN."""
        with np.errstate(over="ignore", invalid="ignore"):
            residual = self._residual_of(self._weights)
        return np.concatenate([*(w.ravel() for w in self._weights), residual.ravel(), np.zeros(1)])

    def velocity(self, _time: float, state: Float[np.ndarray, "*time number"]) -> Float[np.ndarray, "*time number"]:
        """Velocity of a state, by back-propagation of two residuals at once.

        The residual of the layers, sigma_yx - W sigma_xx with its rounding errors, determines the velocity of the
        layers. The integrated residual, which is accurate late in training, determines its own rate, -dW/dt sigma_xx
        with the rate dW/dt of the network function that follows from it.
        """
        layers, residual = self._parts(state)
        rates = np.empty_like(state)
        layer_rates, residual_rate = self._parts(rates)
        products = [layers[0]]
        for layer in layers[1:]:
            products.append(layer @ products[-1])
        both = np.empty((2, *residual.shape))
        np.subtract(self._sigma_yx, self._times_sigma_xx(products[-1]), out=both[0])
        both[1] = residual
        changes: list[np.ndarray] = []
        above: np.ndarray | None = None
        for layer, below, rate in zip(layers[:0:-1], products[-2::-1], layer_rates[:0:-1], strict=True):
            velocity = both @ below.mT
            rate[...] = velocity[0]
            part = velocity[1] @ below
            changes.append(part if above is None else above @ part)
            above = layer if above is None else above @ layer
            both = layer.mT @ both
        layer_rates[0][...] = both[0]
        change = sum(changes, start=both[1] if above is None else above @ both[1])
        if self._weight_decay:
            for rate, layer, gamma in zip(layer_rates, layers, self._weight_decay, strict=True):
                np.subtract(rate, gamma * layer, out=rate)
            residual_rate[...] = sum(self._weight_decay) * (self._sigma_yx - residual) - self._times_sigma_xx(change)
            rates[..., -1] = 0.0
        else:
            self._residual_rates(residual, -self._times_sigma_xx(change), residual_rate, rates[..., -1])
        return rates

    @staticmethod
    def _residual_rates(
        residual: Float[np.ndarray, "*time out in"],
        change: Float[np.ndarray, "*time out in"],
        rate: Float[np.ndarray, "*time out in"],
        growth: Float[np.ndarray, "*time"],
    ) -> None:
        """Split the rate of a residual, in place, into that of the logarithm of its norm and an orthogonal part."""
        flat = residual.reshape(*residual.shape[:-2], -1)
        square = np.vecdot(flat, flat)
        growth[...] = np.vecdot(flat, change.reshape(flat.shape)) / (square + (square == 0))
        np.subtract(change, growth[..., None, None] * residual, out=rate)

    def _times_sigma_xx(self, function: Float[np.ndarray, "*time out in"]) -> Float[np.ndarray, "*time out in"]:
        """Product W sigma_xx with a network function."""
        return function if self._sigma_xx is None else function @ self._sigma_xx

    def networks(self, states: Float[np.ndarray, "time number"]) -> Networks:
        """Layers and residual of some states."""
        layers, residual = self._parts(states)
        return Networks(layers, residual * np.exp(states[:, -1])[:, None, None])

    def ending(self, state: Float[np.ndarray, " number"]) -> Settled | None:
        """Decay of the residual if the layers of a state have converged."""
        layers, residual = self._parts(state)
        return settled(layers, residual, self._sigma_xx, float(np.exp(state[-1])))

    def _residual_of(self, layers: Layers) -> Float[np.ndarray, "*time out in"]:
        return self._sigma_yx - self._times_sigma_xx(network_function(layers))

    def _parts(self, states: Float[np.ndarray, "*time number"]) -> tuple[Layers, Float[np.ndarray, "*time out in"]]:
        """Views of the layers, and of R, the residual without its factor e^l."""
        batch = states.shape[:-1]
        matrices = [states[..., part].reshape(batch + shape) for part, shape in self._slices]
        return tuple(matrices[:-1]), matrices[-1]
