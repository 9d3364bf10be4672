"""End of gradient flow, where the layers are constant up to rounding and the residual decays at constant rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_MAX_CHANGE = 2.0**-56  # further change of the layers that counts as none, relative to the smallest layer
_MAX_NUMBERS = 256  # in the residual, since its rates are the eigenvalues of a matrix with as many rows
_MAX_VARIANCE_RATIO = 1e3  # of the inputs, for which the square root of sigma_xx is accurate enough


@dataclass(frozen=True)
class Settled:
    """Residual of a network with constant layers, sigma_yx - W sigma_xx = sum over k of parts_k e^{-rate_k t}.

    Attributes:
        rates: decay rates, ascending, per time constant.
        parts: residual at time 0 along each eigenvector, flattened.
    """

    rates: Float[np.ndarray, " number"]
    parts: Float[np.ndarray, "number flat"]

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time flat"], Float[np.ndarray, " time"]]:
        """Residual divided by the decay e^{-rate_0 t} of its slowest part, and the logarithm of this decay."""
        decays = np.exp(-times[:, None] * (self.rates - self.rates[0]))
        return decays @ self.parts, -times * self.rates[0]


def settled(
    layers: Sequence[Float[np.ndarray, "_ _"]],
    residual: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    size: float,
) -> Settled | None:
    """Find the decay rates of the residual if it is too small to change the layers.

    With A_l = (W_L .. W_l+1)(W_L .. W_l+1)^T and C_l = (W_l-1 .. W_1)^T (W_l-1 .. W_1), the residual R obeys
    dR/dt = - sum_l A_l R C_l sigma_xx, which is a symmetric operator on R sigma_xx^{-1/2}.

    Args:
        layers: layers, (width l+1, width l), first layer first.
        residual: residual divided by `size`.
        sigma_xx: input correlation, (in, in); None for white inputs.
        size: factor of the residual.

    Returns:
        The decay of the residual; None if the layers may still change, or if the problem is too large or too
        ill-conditioned to determine this.

    Source: docs/theory.md, section 3.
    """
    if residual.size > _MAX_NUMBERS:
        return None
    root, inverse = np.eye(residual.shape[1]), np.eye(residual.shape[1])
    if sigma_xx is not None:
        variances, axes = np.linalg.eigh(sigma_xx)
        if variances[0] * _MAX_VARIANCE_RATIO < variances[-1]:
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
    if not change <= _MAX_CHANGE * min(float(np.linalg.norm(w)) for w in layers):
        return None
    parts = (along[:, None] * vectors.T).reshape(len(along), *residual.shape) @ root
    return Settled(rates, parts.reshape(len(along), -1))
