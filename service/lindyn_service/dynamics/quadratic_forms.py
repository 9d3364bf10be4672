"""Products B M^{-1} A^T for batches of positive definite matrices M, without the inverses or their roots.

Small matrices are eliminated entry by entry, for all times at once, in arrays with time last. Larger ones are
eliminated in two blocks, so that most of the work is products of matrices. Elimination without row exchanges has the
rounding errors of the Cholesky factorisation.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.inverse_roots import invert_upper

SMALL = 12
"""Largest size of matrices that are eliminated entry by entry."""

# largest ratio of a diagonal entry of M to its value after elimination: these ratios amplify rounding errors, whatever
# the scaling of the columns
_MAX_RATIO = 100.0
_UNDIVIDED = 16  # larger matrices are inverted by blocks


@dataclass(frozen=True)
class Forms:
    """Products of one batch.

    Attributes:
        values: B M^{-1} A^T.
        squares: traces of A M^{-1} A^T.
        accurate: whether M is conditioned well enough for values without large rounding errors.
    """

    values: Float[np.ndarray, "time right left"]
    squares: Float[np.ndarray, " time"]
    accurate: Bool[np.ndarray, " time"]


def small_forms(table: Float[np.ndarray, "pivot column time"], n_left: int) -> Forms:
    """Forms of small matrices.

    Args:
        table: [M, A^T, B^T] with time last; it is overwritten.
        n_left: number of rows of A.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, theorem 10.3 and section 10.1.1.
    """
    size = len(table)
    norms = np.einsum("iit->it", table[:, :size]).copy()
    with np.errstate(all="ignore"):  # where M is not positive definite
        for j in range(size - 1):
            row = table[j, j + 1 :]
            table[j + 1 :, j + 1 :] -= (row[: size - j - 1] / table[j, j])[:, None] * row
        pivots = np.einsum("iit->it", table[:, :size])
        left, right = table[:, size : size + n_left], table[:, size + n_left :]
        scaled, ratio = left / pivots[:, None], _worst(norms / pivots)
        values = np.einsum("kjt,kit->jit", right, scaled)
        return Forms(
            np.ascontiguousarray(values.transpose(2, 0, 1)),
            np.einsum("kit,kit->t", scaled, left),
            ratio <= _MAX_RATIO,
        )


def _worst(ratios: Float[np.ndarray, "pivot time"]) -> Float[np.ndarray, " time"]:
    """Largest ratios; infinite if one is not positive."""
    return np.where(np.all(ratios > 0, axis=0), ratios.max(axis=0), np.inf)


def forms(
    left: Float[np.ndarray, "time pivot left"],
    matrices: Float[np.ndarray, "time pivot pivot"],
    right: Float[np.ndarray, "time right pivot"],
) -> Forms:
    """Forms of matrices of any size.

    Args:
        left: matrices A^T, which are overwritten.
        matrices: matrices M, of which only the upper triangles are read.
        right: matrices B, which are overwritten.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 13.1, block LDL^T factorisation.
    """
    try:
        return _by_blocks(left, matrices, right)
    except np.linalg.LinAlgError:  # rounding errors make a matrix indefinite
        n_times = len(matrices)
        values = np.zeros((n_times, right.shape[1], left.shape[2]))
        return Forms(values, np.zeros(n_times), np.zeros(n_times, dtype=bool))


def _by_blocks(
    left: Float[np.ndarray, "time pivot left"],
    matrices: Float[np.ndarray, "time pivot pivot"],
    right: Float[np.ndarray, "time right pivot"],
) -> Forms:
    """Forms by elimination of two blocks, or of one if the matrices are small."""
    size = matrices.shape[1]
    n = size // 2 if size > _UNDIVIDED else size
    norms = np.einsum("tii->it", matrices)
    inverse = inverses(matrices[:, :n, :n])
    scaled, inverted = np.empty_like(left), [np.einsum("tii->it", inverse)]
    np.matmul(inverse, left[:, :n], out=scaled[:, :n])
    if n < size:
        beside = matrices[:, :n, n:]
        factor = inverse @ beside
        turned = np.ascontiguousarray(factor.transpose(0, 2, 1))
        inverse = inverses(matrices[:, n:, n:] - turned @ beside)
        left[:, n:] -= turned @ left[:, :n]
        right[:, :, n:] -= right[:, :, :n] @ factor
        np.matmul(inverse, left[:, n:], out=scaled[:, n:])
        inverted.append(np.einsum("tii->it", inverse))
    flat = (array.reshape(len(array), left.shape[1] * left.shape[2]) for array in (scaled, left))
    ratio = _worst(norms * np.concatenate(inverted))
    return Forms(right @ scaled, np.vecdot(*flat), ratio <= _MAX_RATIO)


def inverses(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time size size"]:
    """Inverses of positive definite matrices, of which only the upper triangles are read.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 13.1.
    """
    size = matrices.shape[1]
    if size <= _UNDIVIDED:
        root = invert_upper(np.linalg.cholesky(matrices, upper=True))
        return root @ root.transpose(0, 2, 1)
    n = size // 2
    beside, whole = matrices[:, :n, n:], np.empty(matrices.shape)
    first = inverses(matrices[:, :n, :n])
    factor = first @ beside
    last = inverses(matrices[:, n:, n:] - beside.transpose(0, 2, 1) @ factor)
    product = factor @ last
    whole[:, n:, n:] = last
    np.negative(product, out=whole[:, :n, n:])
    whole[:, n:, :n] = whole[:, :n, n:].transpose(0, 2, 1)
    np.add(first, product @ factor.transpose(0, 2, 1), out=whole[:, :n, :n])
    return whole
