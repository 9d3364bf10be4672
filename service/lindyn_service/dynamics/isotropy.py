"""White inputs in disguise: sigma_xx is a multiple of the identity, or of the projector on the inputs' span."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.tasks import Moments


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

    Eigenvalues of sigma_xx below `tolerance` times the largest count as directions without inputs.

    Args:
        moments: of the training data.
        tolerance: largest residual, relative to ||sigma_xx||_F.

    Source: Saxe et al. (2014), arXiv 1312.6120, the flow on white inputs, with time and task divided by the variance.
    """
    if moments.sigma_xx is None:
        return _white(moments, moments.sigma_yx, 1.0, None, 0.0)
    eigenvalues, vectors = np.linalg.eigh(moments.sigma_xx)
    present = eigenvalues > tolerance * eigenvalues[-1]
    variance = float(np.mean(eigenvalues[present])) if np.any(present) else 0.0
    distance = float(np.linalg.norm(eigenvalues - variance * present))
    size = float(np.linalg.norm(eigenvalues))
    residual = distance / size if size > 0 else 1.0
    if residual > tolerance:
        return Coloured(residual)
    if np.all(present):
        return _white(moments, moments.sigma_yx / variance, variance, None, residual)
    basis = vectors[:, present]
    return _white(moments, moments.sigma_yx @ basis / variance, variance, basis, residual)


def _white(
    moments: Moments,
    sigma_yx: Float[np.ndarray, "out rank"],
    variance: float,
    basis: Float[np.ndarray, "in rank"] | None,
    residual: float,
) -> WhiteTask:
    return WhiteTask(sigma_yx, variance, basis, _irreducible(moments, sigma_yx, variance), residual)


def _irreducible(moments: Moments, sigma_yx: Float[np.ndarray, "out rank"], variance: float) -> float | None:
    """1/2 tr(sigma_yy) - c/2 ||sigma_yx / c||^2, never below zero by rounding."""
    if moments.sigma_yy_trace is None:
        return None
    return max(0.5 * moments.sigma_yy_trace - 0.5 * variance * float(np.sum(sigma_yx * sigma_yx)), 0.0)
