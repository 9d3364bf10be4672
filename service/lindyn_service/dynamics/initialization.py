"""Lambda-balanced initial weights of any feasible widths (thesis Algorithms 1 and 2, completed)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.random_rotations import completed


@dataclass(frozen=True)
class Directions:
    """Singular vectors of the task for aligned weights: u is (out, out), v is (in, in)."""

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

    The product of two Gaussian matrices with standard deviation `scale` determines the singular values and, unless the
    weights are aligned to a task, the singular vectors of the network function. Both layers have these singular
    vectors, with singular values that satisfy the balance. In hidden directions beyond the rank of the product only the
    larger layer has weights; its input or output directions there are uniform in the complement of the product's.

    Args:
        dims: widths (in, hidden, out).
        lam: balance, in squared units of the weights.
        scale: standard deviation of the Gaussian entries.
        rng: random number generator.
        aligned_to: singular vectors of the task, for aligned weights; those beyond the rank are used as well.

    Returns:
        w1 (hidden, in) and w2 (out, hidden).

    Raises:
        ValueError: no weights of these widths have this balance.

    Source: thesis Algorithms 1 and 2, completed for hidden directions beyond the rank; Domine et al. (2025), arXiv
    2409.14623.
    """
    violated = broken_inequality(lam, *dims)
    if violated is not None:
        raise ValueError(violated)
    normals = rng.standard_normal((1, _n_normals(dims, lam, free=aligned_to is None)))
    w1, w2 = _weights_from(dims, np.array([lam]), np.array([scale]), normals, aligned_to)
    return w1[0], w2[0]


def many_balanced_weights(
    dims: tuple[int, int, int],
    lam: Float[np.ndarray, " network"],
    scale: Float[np.ndarray, " network"],
    rngs: Sequence[np.random.Generator],
) -> tuple[Float[np.ndarray, "network hidden in"], Float[np.ndarray, "network out hidden"]]:
    """Draw the weights of many networks, each as `balanced_weights` would with the same generator.

    Args:
        dims: widths (in, hidden, out), for which weights of these balances exist.
        lam: balances of one sign.
        scale: standard deviations of the Gaussian entries.
        rngs: random number generator of each network.

    Source: as for `balanced_weights`.
    """
    normals = np.empty((len(rngs), _n_normals(dims, float(lam[0]), free=True)))
    for row, rng in zip(normals, rngs, strict=True):
        rng.standard_normal(out=row)
    return _weights_from(dims, lam, scale, normals, None)


def _n_beyond(dims: tuple[int, int, int], lam: float) -> tuple[int, int]:
    """Numbers of output and of input directions beyond the rank that are drawn."""
    n_in, n_hidden, n_out = dims
    rank = min(dims)
    beyond = n_hidden - rank
    return beyond if lam > 0 and n_hidden < n_out else 0, beyond if lam < 0 and n_hidden < n_in else 0


def _n_normals(dims: tuple[int, int, int], lam: float, *, free: bool) -> int:
    """Number of Gaussian numbers that the weights need; `free` weights draw directions beyond the rank."""
    n_in, n_hidden, n_out = dims
    n_layers = n_hidden * (n_in + n_out) + n_hidden * min(n_hidden, max(n_in, n_out))
    n_outputs, n_inputs = _n_beyond(dims, lam) if free else (0, 0)
    return n_layers + n_out * n_outputs + n_in * n_inputs


def _weights_from(
    dims: tuple[int, int, int],
    lam: Float[np.ndarray, " network"],
    scale: Float[np.ndarray, " network"],
    normals: Float[np.ndarray, "network number"],
    aligned_to: Directions | None,
) -> tuple[Float[np.ndarray, "network hidden in"], Float[np.ndarray, "network out hidden"]]:
    """Balanced weights from Gaussian numbers, for balances of one sign."""
    n_in, n_hidden, n_out = dims
    rank, n_used = min(dims), min(n_hidden, max(n_in, n_out))
    numbers = _Numbers(normals)
    first = scale[:, None, None] * numbers.take(n_hidden, n_in)
    second = scale[:, None, None] * numbers.take(n_out, n_hidden)
    u, s, vt = np.linalg.svd(second @ first, full_matrices=True)
    s1, s2 = _layer_strengths(s[:, :rank], lam[:, None])
    s1 = _padded(s1, np.sqrt(np.maximum(-lam, 0.0)), min(n_hidden, n_in))
    s2 = _padded(s2, np.sqrt(np.maximum(lam, 0.0)), min(n_hidden, n_out))
    rotation = completed(np.empty((len(lam), n_hidden, 0)), numbers.take(n_hidden, n_used))
    if aligned_to is not None:
        u, vt = aligned_to.u[None], aligned_to.v.T[None]
    else:
        # the basis of the directions beyond the rank is irrelevant, since the hidden units are rotated uniformly
        n_outputs, n_inputs = _n_beyond(dims, float(lam[0]))
        if n_outputs:
            u[:, :, rank:n_hidden] = completed(u[:, :, :rank], numbers.take(n_out, n_outputs))
        if n_inputs:
            right = completed(vt[:, :rank].transpose(0, 2, 1), numbers.take(n_in, n_inputs))
            vt[:, rank:n_hidden] = right.transpose(0, 2, 1)
    n1, n2 = s1.shape[1], s2.shape[1]
    w1 = (rotation[:, :, :n1] * s1[:, None]) @ vt[:, :n1]
    return w1, (u[:, :, :n2] * s2[:, None]) @ rotation[:, :, :n2].transpose(0, 2, 1)


class _Numbers:
    """Gaussian numbers of many networks, consumed in order."""

    def __init__(self, numbers: Float[np.ndarray, "network number"]) -> None:
        self._numbers = numbers
        self._used = 0

    def take(self, n_rows: int, n_columns: int) -> Float[np.ndarray, "network row column"]:
        """Next numbers as matrices."""
        first, self._used = self._used, self._used + n_rows * n_columns
        return self._numbers[:, first : self._used].reshape(-1, n_rows, n_columns)


def _layer_strengths(
    s: Float[np.ndarray, "network mode"], lam: Float[np.ndarray, "network 1"]
) -> tuple[Float[np.ndarray, "network mode"], Float[np.ndarray, "network mode"]]:
    """Split strengths s = s1 s2 with s2^2 - s1^2 = lam; division avoids cancellation in the smaller factor."""
    if not np.any(lam):  # the balance is exact
        return np.sqrt(s), np.sqrt(s)
    larger = np.sqrt(np.hypot(s, lam / 2) + np.abs(lam) / 2)
    smaller = np.divide(s, larger, out=np.zeros_like(s), where=larger > 0)
    return (smaller, larger) if lam[0, 0] >= 0 else (larger, smaller)


def _padded(
    strengths: Float[np.ndarray, "network mode"], values: Float[np.ndarray, " network"], length: int
) -> Float[np.ndarray, "network length"]:
    """Append the strengths of the hidden directions beyond the rank, which the balance determines."""
    return np.concatenate([strengths, np.repeat(values[:, None], length - strengths.shape[1], axis=1)], axis=1)
