"""Changes of the Gram matrices of balanced layers, from the change of the network function.

With w2^T w2 - w1 w1^T = lambda I, the matrices M = w1^T w1 and N = w2 w2^T satisfy M^2 + lambda M = W^T W and
N^2 - lambda N = W W^T. The change D = M(t) - M(0) therefore solves the Lyapunov equation

    D S + S D = 2 (W(t)^T W(t) - W(0)^T W(0)),    S = M(t) + M(0) + lambda I,

and the change of N solves the same equation with W^T and -lambda. If S is well-conditioned, as it is for lazy networks
with a large |lambda|, D is accurate although it is small compared with M.
"""

import numpy as np
from jaxtyping import Bool, Float

_MAX_CONDITION = 20.0  # of S, by which rounding errors grow
_MIN_CHANGE = 0.1  # of W^T W, relative to its sizes: a smaller difference has lost more than a digit

_Square = Float[np.ndarray, "state size size"]
_PerState = Bool[np.ndarray, " state"]


def balanced_changes(
    before: tuple[Float[np.ndarray, "state hidden in"], Float[np.ndarray, "state out hidden"]],
    after: tuple[Float[np.ndarray, "state hidden in"], Float[np.ndarray, "state out hidden"]],
    lam: Float[np.ndarray, " state"],
) -> tuple[Float[np.ndarray, "state out out"], Float[np.ndarray, "state in in"], _PerState]:
    """Find the changes of w2 w2^T and w1^T w1 between two states of balanced networks.

    Args:
        before: w1 and w2; the hidden units of both states may be rotated against each other.
        after: w1 and w2 later in training.
        lam: balance of each network.

    Returns:
        The changes, and whether those of a network are accurate to about 1e-13 of their size.

    Source: docs/theory.md, section 2; Bartels and Stewart (1972), 10.1145/361573.361582, for the equation.
    """
    (first, second), (later_first, later_second) = before, after
    old, new = second @ first, later_second @ later_first
    change, total = new - old, new + old
    least = _MIN_CHANGE * (_squares(old) + _squares(new))
    outer = _gram(second) + _gram(later_second)
    inner = _gram(first.transpose(0, 2, 1)) + _gram(later_first.transpose(0, 2, 1))
    out, is_out_known = _solution(outer, -lam, change @ total.transpose(0, 2, 1), least)
    into, is_in_known = _solution(inner, lam, change.transpose(0, 2, 1) @ total, least)
    return out, into, is_out_known & is_in_known


def _solution(
    sums: _Square, lam: Float[np.ndarray, " state"], products: _Square, least: Float[np.ndarray, " state"]
) -> tuple[_Square, _PerState]:
    """Solutions D of D S + S D = products + products^T with S = sums + lam I, and whether they are accurate."""
    right = products + products.transpose(0, 2, 1)
    unknown = ~np.all(np.isfinite(sums), axis=(1, 2))
    sums[unknown] = 0.0  # LAPACK refuses numbers that are not finite
    values, vectors = np.linalg.eigh(sums)
    values += lam[:, None]
    known = ~unknown & (values[:, 0] > 0) & (values[:, -1] <= _MAX_CONDITION * values[:, 0])
    known &= np.sqrt(_squares(right)) >= least
    values[~known] = 1.0
    transposed = vectors.transpose(0, 2, 1)
    rotated = transposed @ right @ vectors
    rotated /= values[:, :, None] + values[:, None, :]
    return vectors @ rotated @ transposed, known


def _gram(rows: Float[np.ndarray, "state row column"]) -> _Square:
    return rows @ rows.transpose(0, 2, 1)


def _squares(matrices: Float[np.ndarray, "state _ _"]) -> Float[np.ndarray, " state"]:
    return np.einsum("sij,sij->s", matrices, matrices)
