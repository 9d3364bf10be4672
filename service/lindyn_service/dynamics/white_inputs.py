"""White inputs in disguise: sigma_xx is a multiple of the identity, or of the projector on the inputs' span."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.tasks import Moments, fitted


@dataclass(frozen=True)
class WhiteTask:
    """The white-input problem that a task is equivalent to.

    Gradient flow with sigma_xx = c I is the flow of the task sigma_yx / c with white inputs and time constant tau / c.
    Inputs that span only a subspace are described in coordinates of an orthonormal basis of it.

    Attributes:
        sigma_yx: (out, rank), in the coordinates of the basis.
        variance: c.
        basis: (in, rank), or None for the whole space.
        irreducible_loss: the loss that no weights go below; None when the targets' scale is unknown.
        residual: ||sigma_xx - c Pi||_F / ||sigma_xx||_F, what was neglected.
    """

    sigma_yx: Float[np.ndarray, "out rank"]
    variance: float
    basis: Float[np.ndarray, "in rank"] | None
    irreducible_loss: float | None
    residual: float


@dataclass(frozen=True)
class Coloured:
    """Inputs with another sigma_xx, and how far that is from white: relative, Frobenius."""

    residual: float


def white_task(moments: Moments, tolerance: float) -> WhiteTask | Coloured:
    """Find the equivalent white-input problem, where there is one.

    The inputs span all directions in which they are more than rounding, whatever the tolerance of whiteness.

    Args:
        moments: of the training data.
        tolerance: largest residual that is neglected, relative to ||sigma_xx||_F.

    Source: Saxe et al. (2014), arXiv 1312.6120, the flow on white inputs, with time and task divided by the variance.
    """
    found = fitted(moments)
    if moments.sigma_xx is None:
        return WhiteTask(moments.sigma_yx, 1.0, None, found.loss, 0.0)
    eigenvalues, vectors = np.linalg.eigh(moments.sigma_xx)
    present = np.arange(len(eigenvalues)) >= len(eigenvalues) - len(found.variances)
    variance = float(np.mean(eigenvalues[present])) if np.any(present) else 0.0
    distance = float(np.linalg.norm(eigenvalues - variance * present))
    size = float(np.linalg.norm(eigenvalues))
    residual = distance / size if size > 0 else 1.0
    if residual > tolerance:
        return Coloured(residual)
    if np.all(present):
        return WhiteTask(moments.sigma_yx / variance, variance, None, found.loss, residual)
    basis = vectors[:, present]
    return WhiteTask(moments.sigma_yx @ basis / variance, variance, basis, found.loss, residual)
