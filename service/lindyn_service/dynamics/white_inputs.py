"""Isotropic inputs: sigma_xx is a multiple of the identity, or of the projector on the span of the inputs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.tasks import Moments, fitted


@dataclass(frozen=True)
class WhiteTask:
    """White-input task that is equivalent to a task with isotropic inputs.

    Gradient flow with sigma_xx = c I is the flow of the task sigma_yx / c with white inputs and time constant tau / c.
    Inputs that span only a subspace are described in coordinates of an orthonormal basis of it.

    Attributes:
        sigma_yx: (out, rank), in the coordinates of the basis.
        variance: c.
        basis: (in, rank), orthonormal basis of the span; None for the full space.
        irreducible_loss: least loss of any network function; None if the scale of the targets is unknown.
        residual: neglected anisotropy ||sigma_xx - c Pi||_F / ||sigma_xx||_F, with the projector Pi on the span.
    """

    sigma_yx: Float[np.ndarray, "out rank"]
    variance: float
    basis: Float[np.ndarray, "in rank"] | None
    irreducible_loss: float | None
    residual: float


@dataclass(frozen=True)
class Coloured:
    """Inputs that are not isotropic.

    Attributes:
        residual: relative anisotropy ||sigma_xx - c Pi||_F / ||sigma_xx||_F.
    """

    residual: float


def white_task(moments: Moments, tolerance: float) -> WhiteTask | Coloured:
    """Find the equivalent white-input task, if inputs are isotropic.

    The tolerance does not affect the span of the inputs, which contains all directions with variances above rounding
    errors.

    Args:
        moments: moments of the training data.
        tolerance: largest neglected residual, relative to ||sigma_xx||_F.

    Returns:
        The white-input task, or `Coloured` with the residual if it exceeds the tolerance.

    Source: Saxe et al. (2014), arXiv 1312.6120, the flow on white inputs, with time and task divided by the variance.
    """
    fit = fitted(moments)
    if moments.sigma_xx is None:
        return WhiteTask(moments.sigma_yx, 1.0, None, fit.loss, 0.0)
    eigenvalues, vectors = np.linalg.eigh(moments.sigma_xx)
    present = np.arange(len(eigenvalues)) >= len(eigenvalues) - len(fit.variances)
    variance = float(np.mean(eigenvalues[present])) if np.any(present) else 0.0
    distance = float(np.linalg.norm(eigenvalues - variance * present))
    size = float(np.linalg.norm(eigenvalues))
    residual = distance / size if size > 0 else 1.0
    if residual > tolerance:
        return Coloured(residual)
    if np.all(present):
        return WhiteTask(moments.sigma_yx / variance, variance, None, fit.loss, residual)
    basis = vectors[:, present]
    return WhiteTask(moments.sigma_yx @ basis / variance, variance, basis, fit.loss, residual)
