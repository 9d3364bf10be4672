"""The best linear map from inputs to targets and the loss that it leaves, by samples or by their second moments."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

EPS = float(np.finfo(np.float64).eps)

_REFINEMENTS = 2  # inputs of very different sizes need the second
_ROUNDINGS = 4  # of sums over samples, which moments are, relative to those of one number


@dataclass(frozen=True)
class Parts:
    """Singular value decomposition of inputs without the directions that they do not span.

    Attributes:
        left: orthonormal columns, one for each direction.
        strengths: singular values, descending, positive.
        right: orthonormal rows that span what the inputs span.
    """

    left: Float[np.ndarray, "sample rank"]
    strengths: Float[np.ndarray, " rank"]
    right: Float[np.ndarray, "rank in"]


@dataclass(frozen=True)
class Fit:
    """Least squares.

    Attributes:
        right: orthonormal rows that span what the inputs span.
        variances: of the inputs along them, eigenvalues of sigma_xx, descending.
        best: the best network function, zero outside the span.
        loss: what it leaves, 1/(2P) ||best X - Y||_F^2; None when the scale of the targets is unknown.
    """

    right: Float[np.ndarray, "rank in"]
    variances: Float[np.ndarray, " rank"]
    best: Float[np.ndarray, "out in"]
    loss: float | None


def principal_parts(inputs: Float[np.ndarray, "sample in"]) -> Parts:
    """Decompose inputs, rows are samples, and leave out what is rounding.

    Singular values of at most max(samples, in) eps times the largest one count as none.

    Source: Golub and Van Loan (2013), Matrix Computations, 5.4.1, numerical rank.
    """
    left, strengths, right = np.linalg.svd(inputs, full_matrices=False)
    kept = strengths > max(inputs.shape) * EPS * strengths[0]
    return Parts(left[:, kept], strengths[kept], right[kept])


def of_samples(inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], parts: Parts) -> Fit:
    """Fit targets to inputs as they are, rows are samples.

    The samples know more than their moments, which lose half of the digits: squares of a direction's inputs may be less
    than rounding errors beside those of others. Directions whose own squares vanish in float64 count as none.

    Source: thesis (2.3), the loss; its minimum by the singular value decomposition.
    """
    variances = parts.strengths**2 / len(inputs)
    seen = variances > 0
    best, loss = _solved(inputs, targets, Parts(parts.left[:, seen], parts.strengths[seen], parts.right[seen]))
    return Fit(parts.right[seen], variances[seen], best, loss)


def unexplained(
    inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], parts: Parts
) -> float:
    """Loss of the best linear map, 1/(2P) times a sum of squares; exactly 0 where the inputs explain the targets.

    A target is explained where its residual, as a vector over the samples, is no longer than the rounding errors of
    its terms: 2 (in + 1) eps times the length of |y| + sum_i |w_i x_i|, in + 1 for the sum that the residual is and as
    many for the sum that the target may have been computed by.

    Args:
        inputs: rows are samples.
        targets: likewise.
        parts: of the inputs.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, 3.1, the bound on the error of a sum.
    """
    return _solved(inputs, targets, parts)[1]


def of_moments(
    sigma_yx: Float[np.ndarray, "out in"], sigma_xx: Float[np.ndarray, "in in"] | None, trace: float | None
) -> Fit:
    """Find the best network function from moments alone, sigma_yx sigma_xx^+; its loss is 0 up to rounding.

    Args:
        sigma_yx: correlation of targets and inputs.
        sigma_xx: symmetric second moment of the inputs; None for white inputs.
        trace: of sigma_yy; None when it is unknown.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    vectors, variances, best = np.eye(sigma_yx.shape[1]), np.ones(sigma_yx.shape[1]), sigma_yx
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float64 is refused where it is needed
        if sigma_xx is not None:
            vectors, variances = _principal(sigma_xx)
            best = (sigma_yx @ vectors / variances) @ vectors.T
        if trace is None:
            return Fit(vectors.T, variances, best, None)
        left, rounding = remainder(best, sigma_yx, sigma_xx, trace)
    return Fit(vectors.T, variances, best, 0.5 * left if left > rounding else 0.0)


def remainder(
    best: Float[np.ndarray, "out in"],
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    trace: float,
) -> tuple[float, float]:
    """Twice the loss of the best network function by moments, a difference, and a bound on its rounding errors.

    As a sum over the entries of the moments it is stationary in the best function, whose errors do not count.

    Source: thesis (2.3), the loss; Higham (2002), Accuracy and Stability of Numerical Algorithms, 3.1, the bound.
    """
    through, sizes = best, np.abs(best)
    if sigma_xx is not None:
        through, sizes = best @ sigma_xx, sizes @ np.abs(sigma_xx)
    left = trace - 2 * float(np.sum(best * sigma_yx)) + float(np.sum(through * best))
    terms = trace + float(np.sum(np.abs(best) * (2 * np.abs(sigma_yx) + sizes)))
    return left, _ROUNDINGS * max(best.shape) * EPS * terms


def spanned(eigenvalues: Float[np.ndarray, " in"]) -> Bool[np.ndarray, " in"]:
    """Tell which principal directions the inputs span: whose eigenvalue of sigma_xx is more than its rounding error.

    Args:
        eigenvalues: of sigma_xx, all. An error of eps in its entries moves them by up to n eps times the largest.

    Source: Golub and Van Loan (2013), Matrix Computations, 8.1.2, perturbation of eigenvalues.
    """
    return eigenvalues > _ROUNDINGS * len(eigenvalues) * EPS * np.max(eigenvalues)


def _principal(
    sigma_xx: Float[np.ndarray, "in in"],
) -> tuple[Float[np.ndarray, "in rank"], Float[np.ndarray, " rank"]]:
    """Principal directions of the inputs, and the variances along them, descending."""
    try:
        # inputs of different sizes keep their digits in this factor, which stands for samples
        vectors, strengths, _ = np.linalg.svd(np.linalg.cholesky(sigma_xx))
        variances = strengths**2
    except np.linalg.LinAlgError:  # not positive definite: some directions have no inputs
        variances, vectors = (found[..., ::-1] for found in np.linalg.eigh(sigma_xx))
    present = spanned(variances)
    return vectors[:, present], variances[present]


def _solved(
    inputs: Float[np.ndarray, "sample in"], targets: Float[np.ndarray, "sample out"], parts: Parts
) -> tuple[Float[np.ndarray, "out in"], float]:
    """The best map, refined until its residual is that of the samples, and its loss."""
    # with inputs of the order of one nothing overflows on the way, whatever their unit
    exponent = np.frexp(np.max(parts.strengths, initial=0.0))[1]
    scaled, strengths = np.ldexp(inputs, -exponent), np.ldexp(parts.strengths, -exponent)
    best, residual = np.zeros((targets.shape[1], inputs.shape[1])), targets
    for _ in range(1 + _REFINEMENTS):
        best = best + (residual.T @ parts.left) / strengths @ parts.right
        residual = targets - scaled @ best.T
    terms = np.abs(targets) + np.abs(scaled, out=scaled) @ np.abs(best.T)
    rounding = 2 * (inputs.shape[1] + 1) * EPS * np.linalg.norm(terms, axis=0)
    squares = np.where(np.linalg.norm(residual, axis=0) > rounding, np.sum(residual * residual, axis=0), 0.0)
    with np.errstate(over="ignore"):  # what is beyond float64 is refused where it is needed
        return np.ldexp(best, -exponent), 0.5 * float(np.sum(squares)) / len(targets)
