"""Lambda-balanced initial weights of any feasible widths (thesis Algorithms 1 and 2, completed)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.random_rotations import haar_columns, haar_completion


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
    balance holds. Hidden directions beyond the rank of the product, which only the larger layer has weights in, are
    uniform among those that the rank leaves.

    Args:
        dims: widths (in, hidden, out).
        lam: balance, in squared units of the weights.
        scale: standard deviation of the Gaussian entries.
        rng: source of randomness.
        aligned_to: singular vectors of the task, for aligned weights; those beyond the rank are taken as they are.

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
    rank = min(dims)
    s1, s2 = _layer_strengths(s[:rank], lam)
    s1 = _padded(s1, np.sqrt(max(-lam, 0.0)), min(n_hidden, n_in))
    s2 = _padded(s2, np.sqrt(max(lam, 0.0)), min(n_hidden, n_out))
    rotation = haar_columns(n_hidden, max(len(s1), len(s2)), rng)
    if aligned_to is not None:
        u, vt = aligned_to.u, aligned_to.v.T
    # all directions beyond the rank together are the same in any basis: the hidden units are rotated uniformly
    elif lam > 0 and rank < n_hidden < n_out:
        u[:, rank:n_hidden] = haar_completion(u[:, :rank], n_hidden - rank, rng)
    elif lam < 0 and rank < n_hidden < n_in:
        vt[rank:n_hidden] = haar_completion(vt[:rank].T, n_hidden - rank, rng).T
    return (rotation[:, : len(s1)] * s1) @ vt[: len(s1)], (u[:, : len(s2)] * s2) @ rotation[:, : len(s2)].T


def _layer_strengths(
    s: Float[np.ndarray, " mode"], lam: float
) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, " mode"]]:
    """Split strengths s = s1 s2 with s2^2 - s1^2 = lam; the smaller one by division, so that nothing cancels."""
    if lam == 0:  # the balance is exact
        return np.sqrt(s), np.sqrt(s)
    larger = np.sqrt(np.hypot(s, lam / 2) + abs(lam) / 2)
    smaller = np.divide(s, larger, out=np.zeros_like(s), where=larger > 0)
    return (smaller, larger) if lam >= 0 else (larger, smaller)


def _padded(strengths: Float[np.ndarray, " mode"], value: float, length: int) -> Float[np.ndarray, " length"]:
    """Give the hidden directions beyond the rank the strength that the balance asks of them."""
    return np.concatenate([strengths, np.full(length - len(strengths), value)])
