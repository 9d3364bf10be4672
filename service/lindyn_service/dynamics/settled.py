"""The end of a gradient flow, where the layers stay to rounding and the residual decays at constant rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_UNCHANGED = 2.0**-56  # of the smallest layer, by which the layers still change
_MAX_NUMBERS = 256  # of the residual, whose rates are a square matrix
_WIDEST = 1e3  # ratio of the variances of the inputs


@dataclass(frozen=True)
class Settled:
    """Residual of a network whose layers stay, sigma_yx - W sigma_xx = sum over k of parts_k e^{-rate_k t}.

    Attributes:
        rates: ascending, per time constant.
        parts: of the residual at time 0, flat.
    """

    rates: Float[np.ndarray, " number"]
    parts: Float[np.ndarray, "number flat"]

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time flat"], Float[np.ndarray, " time"]]:
        """The residual over the decay of its slowest part, and the logarithm of that, at times from then on."""
        decays = np.exp(-times[:, None] * (self.rates - self.rates[0]))
        return decays @ self.parts, -times * self.rates[0]


def settled(
    layers: Sequence[Float[np.ndarray, "_ _"]],
    residual: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    size: float,
) -> Settled | None:
    """Find the rates of the residual if it can no longer change the layers; None if it can, or that is not known.

    With A_l = (W_L .. W_l+1)(W_L .. W_l+1)^T and C_l = (W_l-1 .. W_1)^T (W_l-1 .. W_1) the residual R obeys
    dR/dt = - sum_l A_l R C_l sigma_xx, whose operator is symmetric for R sigma_xx^{-1/2}.

    Args:
        layers: first layer first.
        residual: up to a factor.
        sigma_xx: (in, in); None for white inputs.
        size: that factor.

    Source: docs/theory.md, section 3.
    """
    if residual.size > _MAX_NUMBERS:
        return None
    root, inverse = np.eye(residual.shape[1]), np.eye(residual.shape[1])
    if sigma_xx is not None:
        variances, axes = np.linalg.eigh(sigma_xx)
        if variances[0] * _WIDEST < variances[-1]:
            return None
        root, inverse = ((axes * np.sqrt(variances) ** sign) @ axes.T for sign in (1, -1))
    operator, gain = np.zeros((residual.size, residual.size)), 0.0
    for layer in range(len(layers)):
        above, below = np.eye(len(residual)), root
        for w in layers[:layer]:
            below = w @ below
        for w in layers[:layer:-1]:
            above = above @ w
        operator += np.kron(above @ above.T, below.T @ below)
        gain = max(gain, float(np.linalg.norm(above, 2) * np.linalg.norm(below, 2)))
    rates, vectors = np.linalg.eigh(operator)
    along = vectors.T @ (residual @ inverse).ravel()
    if rates[0] <= 0:
        return None
    change = size * gain * float(np.sum(np.abs(along) / rates))
    if not change <= _UNCHANGED * min(float(np.linalg.norm(w)) for w in layers):
        return None
    parts = (along[:, None] * vectors.T).reshape(len(along), *residual.shape) @ root
    return Settled(rates, parts.reshape(len(along), -1))
