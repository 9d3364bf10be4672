"""Inverse roots of batches of symmetric positive definite matrices: Cholesky, and QR where squaring loses digits."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas, lapack

_BATCHED_SIZE = 16  # up to which a call of LAPACK for each matrix costs more than its arithmetic
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
    matrices: Float[np.ndarray, "time pivot pivot"], diagonal: Float[np.ndarray, "time pivot"]
) -> tuple[Float[np.ndarray, "time pivot pivot"], Float[np.ndarray, " time"]]:
    """Inverses of the lower Cholesky factors of positive semidefinite matrices + diag(diagonal)^2.

    Args:
        matrices: symmetric; only the lower triangles are read, and they are overwritten.
        diagonal: at each time.

    Returns:
        The inverses, and at each time the largest ratio of a column to its pivot, which is infinite where the matrix is
        not positive definite: the square of it is what rounding errors grow by, whatever the scaling of the columns.

    Source: van der Sluis (1969), 10.1007/BF02165096.
    """
    squares = np.einsum("tii->ti", matrices)  # a view of the diagonals
    squares += diagonal**2
    norm = np.sqrt(squares)
    inverse = _inverse_cholesky(matrices)
    pivots = np.einsum("tii->ti", inverse)
    ratio = np.max(pivots * norm, axis=1)
    ratio[np.any(pivots == 0, axis=1)] = np.inf
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


def _inverse_cholesky(matrices: Float[np.ndarray, "time pivot pivot"]) -> Float[np.ndarray, "time pivot pivot"]:
    """Zeros where a matrix is not positive definite."""
    if matrices.shape[1] <= _BATCHED_SIZE:
        try:
            factors = np.linalg.cholesky(matrices)
        except np.linalg.LinAlgError:
            return _one_by_one(matrices)
        inverse = np.zeros_like(factors)
        _invert(factors, inverse)
        return inverse
    return _one_by_one(matrices)


def _one_by_one(gram: Float[np.ndarray, "time pivot pivot"]) -> Float[np.ndarray, "time pivot pivot"]:
    for matrix in gram:
        factor = matrix.T  # a row-major lower triangle is an upper one for Fortran
        if lapack.dpotrf(factor, lower=0, overwrite_a=1, clean=1)[1]:
            matrix[:] = 0.0
        else:
            lapack.dtrtri(factor, lower=0, overwrite_c=1)
    return gram


def _invert(lower: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> None:
    """Invert all matrices at once: their two diagonal blocks, then the block below."""
    size = lower.shape[1]
    if size == 1:
        np.divide(1.0, lower, out=out)
        return
    first, last = slice(0, size // 2), slice(size // 2, size)
    _invert(lower[:, first, first], out[:, first, first])
    _invert(lower[:, last, last], out[:, last, last])
    np.matmul(-out[:, last, last], lower[:, last, first] @ out[:, first, first], out=out[:, last, first])
