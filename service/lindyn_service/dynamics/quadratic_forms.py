"""Products B M^{-1} A^T for batches of positive definite matrices M, without the inverses or their roots.

Small matrices are eliminated entry by entry, for all times at once, in arrays with time last. Larger ones are
eliminated in two blocks, so that most of the work is products of matrices. Elimination without row exchanges has the
rounding errors of the Cholesky factorisation.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.inverse_roots import invert_upper

SMALL = 12
"""Largest size of matrices that are eliminated entry by entry."""

MAX_RATIO = 900.0
"""Largest ratio, as in `Forms`, up to which elimination is accurate enough."""

_UNDIVIDED = 32  # larger matrices are inverted by blocks


@dataclass(frozen=True)
class Forms:
    """Products of one batch.

    Attributes:
        values: B M^{-1} A^T.
        squares: traces of A M^{-1} A^T.
        ratio: largest ratio of a diagonal entry of M to its value after elimination, which amplifies rounding errors
            independently of the scaling of the columns; not finite or not positive if M is not positive definite.
    """

    values: Float[np.ndarray, "time right left"]
    squares: Float[np.ndarray, " time"]
    ratio: Float[np.ndarray, " time"]


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
        scaled = left / pivots[:, None]
        values = np.einsum("kjt,kit->jit", right, scaled)
        return Forms(
            np.ascontiguousarray(values.transpose(2, 0, 1)),
            np.einsum("kit,kit->t", scaled, left),
            _worst(norms / pivots),
        )


def _worst(ratios: Float[np.ndarray, "pivot time"]) -> Float[np.ndarray, " time"]:
    """Largest ratios; infinite if one is not positive."""
    return np.where(np.all(ratios > 0, axis=0), ratios.max(axis=0), np.inf)


def forms(
    left: Float[np.ndarray, "time left pivot"],
    matrices: Float[np.ndarray, "time pivot pivot"],
    right: Float[np.ndarray, "time right pivot"],
) -> Forms:
    """Forms of matrices of any size.

    Args:
        left: matrices A, which are overwritten.
        matrices: matrices M, of which only the upper triangles are read.
        right: matrices B, which are overwritten.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 13.1, block LDL^T factorisation.
    """
    size = matrices.shape[1]
    n = size // 2 if size > _UNDIVIDED else size
    norms = np.einsum("tii->it", matrices)
    inverse = inverses(matrices[:, :n, :n])
    scaled, inverted = np.empty_like(left), [np.einsum("tii->it", inverse)]
    np.matmul(left[:, :, :n], inverse, out=scaled[:, :, :n])
    if n < size:
        beside = matrices[:, :n, n:]
        factor = inverse @ beside
        inverse = inverses(matrices[:, n:, n:] - beside.transpose(0, 2, 1) @ factor)
        left[:, :, n:] -= left[:, :, :n] @ factor
        right[:, :, n:] -= right[:, :, :n] @ factor
        np.matmul(left[:, :, n:], inverse, out=scaled[:, :, n:])
        inverted.append(np.einsum("tii->it", inverse))
    flat = (array.reshape(len(array), -1) for array in (scaled, left))
    values = right @ scaled.transpose(0, 2, 1)
    return Forms(values, np.vecdot(*flat), _worst(norms * np.concatenate(inverted)))


def inverses(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time size size"]:
    """Inverses of positive definite matrices, of which only the upper triangles are read; NaN if one is not definite.

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
