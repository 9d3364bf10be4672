"""Inverse roots of batches of symmetric positive definite matrices: Cholesky, and QR where squaring loses digits."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas, lapack

_BATCHED_SIZE = 16  # up to which a call of LAPACK for each matrix costs more than its arithmetic
_UNDIVIDED_SIZE = 32  # up to which products of blocks, each a call, gain nothing
_STACKED_SIZE = 64  # up to which a stack of general products is faster than one by one with half the arithmetic


def gram(root: Float[np.ndarray, "time row pivot"]) -> Float[np.ndarray, "time pivot pivot"]:
    """The lower triangles of root^T root.

    Source: the definition of a Gram matrix.
    """
    n_times, _, size = root.shape
    if size <= _STACKED_SIZE:
        return root.transpose(0, 2, 1) @ root
    matrices = np.zeros((n_times, size, size))
    for matrix, one in zip(matrices, root, strict=True):
        # row-major arrays seen from Fortran are transposed
        blas.dsyrk(1.0, one.T, c=matrix.T, lower=0, overwrite_c=1)
    return matrices


def times_transposed(
    rows: Float[np.ndarray, "time row pivot"], lower: Float[np.ndarray, "time pivot pivot"]
) -> Float[np.ndarray, "time row pivot"]:
    """The products rows @ lower^T for lower triangles, perhaps in place.

    Source: the definition of a product.
    """
    if lower.shape[1] <= _STACKED_SIZE:
        return rows @ lower.transpose(0, 2, 1)
    for both, one in zip(rows, lower, strict=True):
        blas.dtrmm(1.0, one.T, both.T, side=0, lower=0, trans_a=1, overwrite_b=1)
    return rows


def inverse_roots(
    matrices: Float[np.ndarray, "time pivot pivot"], diagonal: Float[np.ndarray, "time pivot"], *, careful: bool = False
) -> tuple[Float[np.ndarray, "time pivot pivot"], Float[np.ndarray, " time"]]:
    """Inverses of the lower Cholesky factors of positive semidefinite matrices + diag(diagonal)^2.

    Args:
        matrices: symmetric; only the lower triangles are read, and they are overwritten.
        diagonal: at each time.
        careful: without inverses of blocks, whose errors grow by the ratios below once more.

    Returns:
        The inverses, and at each time the largest ratio of a column to its pivot, which is infinite where the matrix is
        not positive definite: the square of it is what rounding errors grow by, whatever the scaling of the columns.

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


def inverse_root_by_qr(
    gram_root: Float[np.ndarray, "row pivot"], diagonal: Float[np.ndarray, " pivot"]
) -> Float[np.ndarray, "pivot pivot"]:
    """The inverse root of gram_root^T gram_root + diag(diagonal)^2 without squaring the condition number.

    Source: the R factor of a matrix is the Cholesky factor of its Gram matrix, Golub and Van Loan, 5.2.
    """
    upper = np.linalg.qr(np.concatenate([np.diag(diagonal), gram_root]), mode="r")
    inverse, _ = lapack.dtrtri(upper, lower=0)
    return (inverse * np.copysign(1.0, np.diagonal(inverse))).T


def _inverse_cholesky(matrices: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> bool:
    """Fill the lower triangles of `out`, which is zero, or say that some matrix is not positive definite."""
    size = matrices.shape[1]
    if size <= _BATCHED_SIZE:
        try:
            factors = np.linalg.cholesky(matrices)
        except np.linalg.LinAlgError:
            return False
        np.divide(1.0, _diagonals(factors), out=_diagonals(out))
        _invert(factors, out)
        return True
    if size <= _UNDIVIDED_SIZE:
        return _one_by_one(matrices, out)
    first, last = slice(0, size // 2), slice(size // 2, size)
    if not _inverse_cholesky(matrices[:, first, first], out[:, first, first]):
        return False
    below = matrices[:, last, first] @ out[:, first, first].transpose(0, 2, 1)
    rest = matrices[:, last, last] - below @ below.transpose(0, 2, 1)
    if not _inverse_cholesky(rest, out[:, last, last]):
        return False
    _join(below, out)
    return True


def _one_by_one(matrices: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> bool:
    """The same, leaving zeros where a matrix is not positive definite."""
    all_positive = True
    for matrix, inverse in zip(matrices, out, strict=True):
        # a row-major lower triangle is an upper one for Fortran
        factor, failed = lapack.dpotrf(matrix.T, lower=0, clean=1)
        if failed:
            all_positive = False
            inverse[:] = 0.0
        else:
            inverse[:] = lapack.dtrtri(factor, lower=0, overwrite_c=1)[0].T
    return all_positive


def _invert(lower: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> None:
    """Invert all matrices at once, whose diagonals are inverted: their two diagonal blocks, then the block below."""
    size = lower.shape[1]
    if size == 1:
        return
    if size == 2:
        np.multiply(lower[:, 1, 0], -out[:, 0, 0], out=out[:, 1, 0])
        out[:, 1, 0] *= out[:, 1, 1]
        return
    first, last = slice(0, size // 2), slice(size // 2, size)
    _invert(lower[:, first, first], out[:, first, first])
    _invert(lower[:, last, last], out[:, last, last])
    _join(lower[:, last, first], out)


def _join(below: Float[np.ndarray, "time last first"], inverse: Float[np.ndarray, "time size size"]) -> None:
    """Put the block of an inverse between its diagonal blocks."""
    n_first = below.shape[2]
    first, last = inverse[:, :n_first, :n_first], inverse[:, n_first:, n_first:]
    np.matmul(np.negative(last), below @ first, out=inverse[:, n_first:, :n_first])


def _diagonals(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time size"]:
    """A view."""
    return np.einsum("tii->ti", matrices)
