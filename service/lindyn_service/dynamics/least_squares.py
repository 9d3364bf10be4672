"""Least-squares linear map from inputs to targets and its loss, from samples or from their second moments."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

EPS = float(np.finfo(np.float64).eps)

_REFINEMENTS = 2  # inputs of very different magnitudes need the second one
_ROUNDING_FACTOR = 4  # moments are sums over samples, with larger rounding errors than single numbers


@dataclass(frozen=True)
class Parts:
    """Singular value decomposition of inputs, restricted to the directions that they span.

    Attributes:
        left: left singular vectors as columns.
        strengths: positive singular values, descending.
        right: right singular vectors as rows, which span the inputs.
    """

    left: Float[np.ndarray, "sample rank"]
    strengths: Float[np.ndarray, " rank"]
    right: Float[np.ndarray, "rank in"]


@dataclass(frozen=True)
class Fit:
    """Solution of linear least squares.

    Attributes:
        right: orthonormal rows that span the inputs.
        variances: variances of the inputs along these rows, eigenvalues of sigma_xx, descending.
        best: network function of least loss, zero outside the span.
        loss: its loss 1/(2P) ||best X - Y||_F^2; None if the scale of the targets is unknown.
        loss_error: rounding error of a loss that is a difference of moments; 0 if the loss is 0, or computed from data.
    """

    right: Float[np.ndarray, "rank in"]
    variances: Float[np.ndarray, " rank"]
    best: Float[np.ndarray, "out in"]
    loss: float | None
    loss_error: float = 0.0


def principal_parts(inputs: Float[np.ndarray, "sample in"]) -> Parts:
    """Singular value decomposition of inputs, whose rows are samples, up to the numerical rank.

    Singular values of at most max(samples, in) eps times the largest one are omitted.

    Source: Golub and Van Loan (2013), Matrix Computations, 5.4.1, numerical rank.
    """
    left, strengths, right = np.linalg.svd(inputs, full_matrices=False)
    kept = strengths > max(inputs.shape) * EPS * strengths[0]
    return Parts(left[:, kept], strengths[kept], right[kept])


def of_samples(inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], parts: Parts) -> Fit:
    """Least squares from samples, which are the rows of inputs and targets.

    Samples are more accurate than their moments, in which the squares of small inputs may be below the rounding errors
    of the squares of large ones. Directions whose squares underflow in float64 are omitted.

    Source: thesis (2.3), the loss; its minimum by the singular value decomposition.
    """
    variances = parts.strengths**2 / len(inputs)
    is_nonzero = variances > 0
    spanning = Parts(parts.left[:, is_nonzero], parts.strengths[is_nonzero], parts.right[is_nonzero])
    best, loss = _solved(inputs, targets, spanning)
    return Fit(parts.right[is_nonzero], variances[is_nonzero], best, loss)


def unexplained(
    inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], parts: Parts
) -> float:
    """Loss 1/(2P) ||best X - Y||_F^2 of the least-squares map; exactly 0 if it fits the targets up to rounding.

    A target counts as fitted if the norm of its residual over the samples is at most 2 (in + 1) eps times the norm of
    |y| + sum_i |w_i x_i|, the rounding error of the residual and of a target that was computed by the same sum.

    Args:
        inputs: inputs, whose rows are samples.
        targets: targets, whose rows are samples.
        parts: singular value decomposition of the inputs.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, 3.1, the bound on the error of a sum.
    """
    return _solved(inputs, targets, parts)[1]


def of_moments(
    sigma_yx: Float[np.ndarray, "out in"], sigma_xx: Float[np.ndarray, "in in"] | None, trace: float | None
) -> Fit:
    """Least squares from moments, with the network function sigma_yx sigma_xx^+; losses at rounding level are 0.

    Args:
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        trace: trace of sigma_yy; None if it is unknown.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    vectors, variances, best = np.eye(sigma_yx.shape[1]), np.ones(sigma_yx.shape[1]), sigma_yx
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is detected by the callers
        if sigma_xx is not None:
            vectors, variances = _principal(sigma_xx)
            best = (sigma_yx @ vectors / variances) @ vectors.T
        if trace is None:
            return Fit(vectors.T, variances, best, None)
        difference, rounding = remainder(best, sigma_yx, sigma_xx, trace)
    if difference <= rounding:
        return Fit(vectors.T, variances, best, 0.0)
    # of eight roundings of each moment, while the bound grows with the number of terms
    return Fit(vectors.T, variances, best, 0.5 * difference, rounding / max(best.shape))


def remainder(
    best: Float[np.ndarray, "out in"],
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    trace: float,
) -> tuple[float, float]:
    """Twice the least loss, as a difference of moments, and a bound of its rounding errors.

    The difference is stationary in the best network function, so that the errors of this function can be neglected.

    Source: thesis (2.3), the loss; Higham (2002), Accuracy and Stability of Numerical Algorithms, 3.1, the bound.
    """
    product, sizes = best, np.abs(best)
    if sigma_xx is not None:
        product, sizes = best @ sigma_xx, sizes @ np.abs(sigma_xx)
    difference = trace - 2 * float(np.sum(best * sigma_yx)) + float(np.sum(product * best))
    terms = trace + float(np.sum(np.abs(best) * (2 * np.abs(sigma_yx) + sizes)))
    return difference, _ROUNDING_FACTOR * max(best.shape) * EPS * terms


def spanned(eigenvalues: Float[np.ndarray, " in"]) -> Bool[np.ndarray, " in"]:
    """Whether the inputs span each principal direction: its eigenvalue of sigma_xx exceeds the rounding error.

    Args:
        eigenvalues: all n eigenvalues of sigma_xx; errors of eps in its entries change them by up to n eps times the
            largest.

    Source: Golub and Van Loan (2013), Matrix Computations, 8.1.2, perturbation of eigenvalues.
    """
    return eigenvalues > _ROUNDING_FACTOR * len(eigenvalues) * EPS * np.max(eigenvalues)


def _principal(
    sigma_xx: Float[np.ndarray, "in in"],
) -> tuple[Float[np.ndarray, "in rank"], Float[np.ndarray, " rank"]]:
    """Principal directions of the inputs, and the variances along them, descending."""
    try:
        # singular values of this factor are accurate also for inputs of very different magnitudes
        vectors, strengths, _ = np.linalg.svd(np.linalg.cholesky(sigma_xx))
        variances = strengths**2
    except np.linalg.LinAlgError:  # not positive definite: some directions have no inputs
        variances, vectors = (ascending[..., ::-1] for ascending in np.linalg.eigh(sigma_xx))
    present = spanned(variances)
    return vectors[:, present], variances[present]


def _solved(
    inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], parts: Parts
) -> tuple[Float[np.ndarray, "out in"], float]:
    """Least-squares map, with iterative refinement, and its loss."""
    # scaling the inputs to the order of one avoids overflow in intermediate results
    exponent = np.frexp(np.max(parts.strengths, initial=0.0))[1]
    scaled, strengths = np.ldexp(inputs, -exponent), np.ldexp(parts.strengths, -exponent)
    best, residual = np.zeros((targets.shape[1], inputs.shape[1])), targets
    for _ in range(1 + _REFINEMENTS):
        best = best + (residual.T @ parts.left) / strengths @ parts.right
        residual = targets - scaled @ best.T
    terms = np.abs(targets) + np.abs(scaled, out=scaled) @ np.abs(best.T)
    rounding = 2 * (inputs.shape[1] + 1) * EPS * np.linalg.norm(terms, axis=0)
    squares = np.where(np.linalg.norm(residual, axis=0) > rounding, np.sum(residual * residual, axis=0), 0.0)
    with np.errstate(over="ignore"):  # overflow is detected by the callers
        return np.ldexp(best, -exponent), 0.5 * float(np.sum(squares)) / len(targets)
