"""Deviation of weights from lambda-balanced ones, and the condition under which balanced weights exist."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.tasks import EPS

_MAX_SQUARE = 512  # hidden units up to which B is computed as a square matrix, although its rank may be smaller


@dataclass(frozen=True)
class Balance:
    """Multiple of the identity that is nearest to B = w2^T w2 - w1 w1^T in the Frobenius norm.

    Attributes:
        lam: tr(B) / hidden, in squared units of the weights.
        residual: ||B - lam I||_F.
        relative_residual: residual divided by ||w1||_F^2 + ||w2||_F^2; 0 for zero weights.
        uncertainty: distance of lam from the eigenvalues of B, bounded by the residual plus a rounding error of the
            squares of the weights; 0 for layers that are each other's transposes up to signs.
    """

    lam: float
    residual: float
    relative_residual: float
    uncertainty: float


def balance(w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]) -> Balance:
    """Measure the balance of two adjacent layers; gradient flow conserves B for any weights and data.

    Source: Domine et al. (2025), arXiv 2409.14623, definition of lambda-balanced weights; the thesis's Theorem 4.5.1
    prints tr(B) without the division by the hidden width.
    """
    _, exponent = np.frexp(max(np.max(np.abs(w1)), np.max(np.abs(w2))))
    w1, w2 = np.ldexp(w1, -exponent), np.ldexp(w2, -exponent)  # otherwise squares of tiny weights underflow
    (n_hidden, n_in), n_out = w1.shape, len(w2)
    if n_hidden > max(n_in + n_out, _MAX_SQUARE):
        lam, residual = _of_wide(w1, w2)
    else:
        b = w2.T @ w2 - w1 @ w1.T
        lam = float(np.trace(b)) / n_hidden
        residual = float(np.linalg.norm(b - lam * np.eye(n_hidden)))
    size = float(np.sum(w1 * w1) + np.sum(w2 * w2))
    unit = float(np.ldexp(1.0, 2 * exponent))
    is_exact = not (lam or residual) and np.array_equal(np.abs(w1), np.abs(w2.T))
    uncertainty = 0.0 if is_exact else residual + EPS * size
    return Balance(lam * unit, residual * unit, residual / size if size > 0 else 0.0, uncertainty * unit)


def _of_wide(w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]) -> tuple[float, float]:
    """Nearest lambda and the distance from it for many hidden units, by the span of the weights; B = 0 outside it."""
    basis = np.linalg.qr(np.concatenate([w1, w2.T], axis=1))[0]
    lower, upper = basis.T @ w1, w2 @ basis
    # exact sums, so that lambda is exactly 0 for layers that are each other's transposes
    lam = (math.fsum((w2 * w2).flat) - math.fsum((w1 * w1).flat)) / len(w1)
    distance = np.linalg.norm(upper.T @ upper - lower @ lower.T - lam * np.eye(len(lower)))
    return lam, float(np.hypot(distance, np.sqrt(len(w1) - len(lower)) * lam))


def broken_inequality(lam: float, n_in: int, n_hidden: int, n_out: int) -> str | None:
    """Describe the violated condition for the existence of lam-balanced weights; None if they exist.

    lam > 0 needs hidden <= out and lam < 0 needs hidden <= in, since B must not exceed the rank of its larger term.

    Source: thesis Theorem 3.4.1, corrected: there are no further conditions on the widths.
    """
    if lam > 0 and n_hidden > n_out:
        return f"lambda > 0 needs hidden <= out, got lambda = {lam:g}, hidden = {n_hidden}, out = {n_out}"
    if lam < 0 and n_hidden > n_in:
        return f"lambda < 0 needs hidden <= in, got lambda = {lam:g}, hidden = {n_hidden}, in = {n_in}"
    return None
