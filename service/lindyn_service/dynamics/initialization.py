"""Lambda-balanced initial weights of any feasible widths (thesis Algorithms 1 and 2, completed)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.balance import broken_inequality


@dataclass(frozen=True)
class Directions:
    """Singular vectors that aligned weights take over from the task: u is (out, out), v is (in, in)."""

    u: Float[np.ndarray, "out out"]
    v: Float[np.ndarray, "in in"]


def balanced_weights(
    dims: tuple[int, int, int],
    lam: float,
    scale: float,
    rng: np.random.Generator,
    aligned_to: Directions | None = None,
) -> tuple[Float[np.ndarray, "hidden in"], Float[np.ndarray, "out hidden"]]:
    """Draw weights with w2^T w2 - w1 w1^T = lam I.

    The product of two Gaussian matrices with standard deviation `scale` gives the singular values and, unless the
    weights are aligned to a task, the singular vectors of the network function; the layers share them so that the
    balance holds.

    Args:
        dims: widths (in, hidden, out).
        lam: balance, in squared units of the weights.
        scale: standard deviation of the Gaussian entries.
        rng: source of randomness.
        aligned_to: singular vectors of the task, for aligned weights.

    Returns:
        w1 (hidden, in) and w2 (out, hidden).

    Raises:
        ValueError: no weights of these widths have this balance.

    Source: thesis Algorithms 1 and 2, completed for hidden directions beyond the rank; Domine et al. (2025), arXiv
    2409.14623.
    """
    broken = broken_inequality(lam, *dims)
    if broken is not None:
        raise ValueError(broken)
    n_in, n_hidden, n_out = dims
    w1 = scale * rng.standard_normal((n_hidden, n_in))
    w2 = scale * rng.standard_normal((n_out, n_hidden))
    u, s, vt = np.linalg.svd(w2 @ w1, full_matrices=True)
    if aligned_to is not None:
        u, vt = aligned_to.u, aligned_to.v.T
    rank = min(dims)
    s1, s2 = _layer_strengths(s[:rank], lam)
    s1 = _padded(s1, np.sqrt(max(-lam, 0.0)), min(n_hidden, n_in))
    s2 = _padded(s2, np.sqrt(max(lam, 0.0)), min(n_hidden, n_out))
    rotation = _haar_columns(n_hidden, max(len(s1), len(s2)), rng)
    return (rotation[:, : len(s1)] * s1) @ vt[: len(s1)], (u[:, : len(s2)] * s2) @ rotation[:, : len(s2)].T


def _layer_strengths(
    s: Float[np.ndarray, " mode"], lam: float
) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, " mode"]]:
    """Split strengths s = s1 s2 with s2^2 - s1^2 = lam; the smaller one by division, so that nothing cancels."""
    larger = np.sqrt(np.hypot(s, lam / 2) + abs(lam) / 2)
    smaller = np.divide(s, larger, out=np.zeros_like(s), where=larger > 0)
    return (smaller, larger) if lam >= 0 else (larger, smaller)


def _padded(strengths: Float[np.ndarray, " mode"], value: float, length: int) -> Float[np.ndarray, " length"]:
    """Give the hidden directions beyond the rank the strength that the balance asks of them."""
    return np.concatenate([strengths, np.full(length - len(strengths), value)])


def _haar_columns(n: int, columns: int, rng: np.random.Generator) -> Float[np.ndarray, "n columns"]:
    """Draw the first columns of a matrix from the Haar measure on O(n) (Mezzadri 2007, arXiv math-ph/0609050)."""
    q, r = np.linalg.qr(rng.standard_normal((n, columns)))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
