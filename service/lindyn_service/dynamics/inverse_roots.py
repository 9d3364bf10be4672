"""Inverse roots of batches of symmetric positive definite matrices: Cholesky, and QR where squaring loses digits."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import blas, lapack

_BATCHED_SIZE = 32  # up to which products of blocks gain nothing
_LARGEST_RATIO = 1e3  # of a column to its Cholesky pivot, up to which a squared matrix is trusted
_LARGEST_RATIO_OF_BLOCKS = 30.0  # the same where blocks are inverted, or rows are not rounded before they are squared
_STACKED_SIZE = 64  # up to which a stack of general products is faster than one by one with half the arithmetic


def gram(root: Float[np.ndarray, "time row pivot"]) -> Float[np.ndarray, "time pivot pivot"]:
    """The upper triangles of root^T root.

    Source: the definition of a Gram matrix.
    """
    n_times, _, size = root.shape
    if size <= _STACKED_SIZE:
        return root.transpose(0, 2, 1) @ root
    matrices = np.zeros((n_times, size, size))
    for matrix, one in zip(matrices, root, strict=True):
        # row-major arrays seen from Fortran are transposed
        blas.dsyrk(1.0, one.T, c=matrix.T, lower=1, overwrite_c=1)
    return matrices


def times_upper(
    rows: Float[np.ndarray, "time row pivot"], upper: Float[np.ndarray, "time pivot pivot"]
) -> Float[np.ndarray, "time row pivot"]:
    """The products rows @ upper for upper triangles, perhaps in place.

    Source: the definition of a product.
    """
    if upper.shape[1] <= _STACKED_SIZE:
        return rows @ upper
    for both, one in zip(rows, upper, strict=True):
        blas.dtrmm(1.0, one.T, both.T, side=0, lower=1, trans_a=0, overwrite_b=1)
    return rows


def invert_upper(upper: Float[np.ndarray, "matrix size size"]) -> Float[np.ndarray, "matrix size size"]:
    """Inverses of upper triangles.

    Source: the inverse of a triangle of blocks, Higham (2002), Accuracy and Stability of Numerical Algorithms, 14.2.
    """
    inverse = np.zeros(upper.shape)
    np.divide(1.0, _diagonals(upper), out=_diagonals(inverse))
    _invert(upper, inverse)
    return inverse


def inverse_roots(
    matrices: Float[np.ndarray, "time pivot pivot"], diagonal: Float[np.ndarray, "time pivot"], *, careful: bool = False
) -> tuple[Float[np.ndarray, "time pivot pivot"], Float[np.ndarray, " time"]]:
    """Upper triangles U with U U^T the inverse of positive semidefinite matrices + diag(diagonal)^2.

    Args:
        matrices: symmetric; only the upper triangles are read, and they are overwritten.
        diagonal: at each time.
        careful: without inverses of blocks, whose errors grow by the ratios below once more.

    Returns:
        U, the inverse of the upper Cholesky factor, which products read faster than its transpose; and at each time the
        largest ratio of a column to its pivot, which is infinite where the matrix is not positive definite: the square
        of it is what rounding errors grow by, whatever the scaling of the columns.

    Source: van der Sluis (1969), 10.1007/BF02165096.
    """
    squares = _diagonals(matrices)
    squares += diagonal**2
    norm = np.sqrt(squares)
    inverse = np.zeros_like(matrices)
    if careful or not _inverse_cholesky(matrices, inverse):
        _one_by_one(matrices, inverse)
    pivots = _diagonals(inverse)
    ratio = (pivots * norm).max(axis=1)
    ratio[pivots.min(axis=1) == 0] = np.inf
    return inverse, ratio


def safe_inverse_roots(
    matrices: Float[np.ndarray, "time pivot pivot"],
    diagonal: Float[np.ndarray, "time pivot"],
    roots: Callable[[Int[np.ndarray, " doubtful"]], Float[np.ndarray, "doubtful row pivot"]],
) -> Float[np.ndarray, "time pivot pivot"]:
    """The same by the cheapest way that is safe at each time.

    Args:
        matrices: root^T root; only the upper triangles are read, and they are overwritten.
        diagonal: at each time.
        roots: gives the roots at some times, which are needed where squaring loses digits.

    Source: as for `inverse_roots` and `inverse_root_by_qr`.
    """
    found, ratio = inverse_roots(matrices, diagonal)
    doubtful = np.flatnonzero(ratio > _LARGEST_RATIO_OF_BLOCKS)
    if len(doubtful):
        root = roots(doubtful)
        found[doubtful], ratio[doubtful] = inverse_roots(gram(root), diagonal[doubtful], careful=True)
        for i in np.flatnonzero(ratio[doubtful] > _LARGEST_RATIO):
            found[doubtful[i]] = inverse_root_by_qr(root[i], diagonal[doubtful[i]])
    return found


def inverse_root_by_qr(
    gram_root: Float[np.ndarray, "row pivot"], diagonal: Float[np.ndarray, " pivot"]
) -> Float[np.ndarray, "pivot pivot"]:
    """The inverse root of gram_root^T gram_root + diag(diagonal)^2 without squaring the condition number.

    Source: the R factor of a matrix is the Cholesky factor of its Gram matrix, Golub and Van Loan, 5.2.
    """
    upper = np.linalg.qr(np.concatenate([np.diag(diagonal), gram_root]), mode="r")
    inverse, _ = lapack.dtrtri(upper, lower=0)
    return inverse * np.copysign(1.0, np.diagonal(inverse))


def _inverse_cholesky(matrices: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> bool:
    """Fill the upper triangles of `out`, which is zero, or say that some matrix is not positive definite."""
    size = matrices.shape[1]
    if size <= _BATCHED_SIZE:
        try:
            factors = np.linalg.cholesky(matrices, upper=True)
        except np.linalg.LinAlgError:
            return False
        np.divide(1.0, _diagonals(factors), out=_diagonals(out))
        _invert(factors, out)
        return True
    first, last = slice(0, size // 2), slice(size // 2, size)
    if not _inverse_cholesky(matrices[:, first, first], out[:, first, first]):
        return False
    beside = out[:, first, first].transpose(0, 2, 1) @ matrices[:, first, last]
    rest = matrices[:, last, last] - beside.transpose(0, 2, 1) @ beside
    if not _inverse_cholesky(rest, out[:, last, last]):
        return False
    _join(beside, out)
    return True


def _one_by_one(matrices: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> None:
    """The same, leaving zeros where a matrix is not positive definite."""
    for matrix, inverse in zip(matrices, out, strict=True):
        # a row-major upper triangle is a lower one for Fortran
        factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=1)
        inverse[:] = 0.0 if failed else lapack.dtrtri(factor, lower=1, overwrite_c=1)[0].T


def _invert(upper: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> None:
    """Invert all matrices at once, whose diagonals are inverted: their two diagonal blocks, then the block beside."""
    size = upper.shape[1]
    if size == 1:
        return
    if size == 2:
        np.multiply(upper[:, 0, 1], -out[:, 0, 0], out=out[:, 0, 1])
        out[:, 0, 1] *= out[:, 1, 1]
        return
    first, last = slice(0, size // 2), slice(size // 2, size)
    _invert(upper[:, first, first], out[:, first, first])
    _invert(upper[:, last, last], out[:, last, last])
    _join(upper[:, first, last], out)


def _join(beside: Float[np.ndarray, "time first last"], inverse: Float[np.ndarray, "time size size"]) -> None:
    """Put the block of an inverse beside its diagonal blocks."""
    n_first = beside.shape[1]
    first, last = inverse[:, :n_first, :n_first], inverse[:, n_first:, n_first:]
    np.matmul(np.negative(first), beside @ last, out=inverse[:, :n_first, n_first:])


def _diagonals(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time size"]:
    """A view."""
    return np.einsum("tii->ti", matrices)
