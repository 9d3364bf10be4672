"""Inverse square roots of batches of positive definite matrices, by Cholesky or, if ill-conditioned, QR factors."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import blas, lapack

_BATCHED_SIZE = 32  # larger matrices are faster by blocks
_MAX_RATIO = 1e3  # of the norm of a column to its Cholesky pivot, up to which Gram matrices are accurate enough
_MAX_RATIO_OF_BLOCKS = 30.0  # the same bound for inverses by blocks
_STACKED_SIZE = 64  # for larger matrices, triangular BLAS routines, one matrix at a time, are faster than matmul


def gram(root: Float[np.ndarray, "time row pivot"]) -> Float[np.ndarray, "time pivot pivot"]:
    """Upper triangles of the Gram matrices root^T root; what is below them is arbitrary."""
    n_times, _, size = root.shape
    if size <= _STACKED_SIZE:
        return root.transpose(0, 2, 1) @ root
    matrices = np.zeros((n_times, size, size))
    for matrix, one_root in zip(matrices, root, strict=True):
        # Fortran reads row-major arrays as their transposes
        blas.dsyrk(1.0, one_root.T, c=matrix.T, lower=1, overwrite_c=1)
    return matrices


def times_upper(
    rows: Float[np.ndarray, "time row pivot"], upper: Float[np.ndarray, "time pivot pivot"]
) -> Float[np.ndarray, "time row pivot"]:
    """Products rows @ upper with upper triangular matrices; `rows` may be overwritten."""
    if upper.shape[1] <= _STACKED_SIZE:
        return rows @ upper
    for product, factor in zip(rows, upper, strict=True):
        blas.dtrmm(1.0, factor.T, product.T, side=0, lower=1, trans_a=0, overwrite_b=1)
    return rows


def invert_upper(upper: Float[np.ndarray, "matrix size size"]) -> Float[np.ndarray, "matrix size size"]:
    """Inverses of upper triangular matrices.

    Source: the inverse of a triangle of blocks, Higham (2002), Accuracy and Stability of Numerical Algorithms, 14.2.
    """
    inverse = np.zeros(upper.shape)
    np.divide(1.0, _diagonals(upper), out=_diagonals(inverse))
    _invert(upper, inverse)
    return inverse


def inverse_roots(
    matrices: Float[np.ndarray, "time pivot pivot"], diagonal: Float[np.ndarray, "time pivot"], *, careful: bool = False
) -> tuple[Float[np.ndarray, "time pivot pivot"], Float[np.ndarray, " time"]]:
    """Upper triangular U with U U^T = (M + diag(diagonal)^2)^{-1} for positive semidefinite matrices M.

    Args:
        matrices: symmetric matrices M; only their upper triangles are read, and they are overwritten.
        diagonal: diagonal entries, at each time.
        careful: whether to avoid inverses of blocks, which amplify errors by the ratio below once more.

    Returns:
        U, the inverse of the upper Cholesky factor; and for each time the largest ratio of the norm of a column to its
        pivot, or infinity if the matrix is not positive definite. The square of this ratio amplifies rounding errors,
        independently of the scaling of the columns.

    Source: van der Sluis (1969), 10.1007/BF02165096.
    """
    if not matrices.shape[1]:
        return np.zeros_like(matrices), np.ones(len(matrices))
    squares = _diagonals(matrices)
    squares += diagonal**2
    norm = np.sqrt(squares)
    inverse = np.zeros_like(matrices)
    if careful or not _inverse_cholesky(matrices, inverse):
        _inverse_cholesky_each(matrices, inverse)
    pivots = _diagonals(inverse)
    ratio = (pivots * norm).max(axis=1)
    ratio[pivots.min(axis=1) == 0] = np.inf
    return inverse, ratio


def safe_inverse_roots(
    matrices: Float[np.ndarray, "time pivot pivot"],
    diagonal: Float[np.ndarray, "time pivot"],
    roots: Callable[[Int[np.ndarray, " inaccurate"]], Float[np.ndarray, "inaccurate row pivot"]],
) -> Float[np.ndarray, "time pivot pivot"]:
    """Inverse roots as from `inverse_roots`, by the cheapest method that is accurate at each time.

    Args:
        matrices: Gram matrices root^T root; only their upper triangles are read, and they are overwritten.
        diagonal: diagonal entries, at each time.
        roots: function that returns the roots at some times, for use where Gram matrices are too ill-conditioned.

    Source: as for `inverse_roots` and `inverse_root_by_qr`.
    """
    inverse, ratio = inverse_roots(matrices, diagonal)
    inaccurate = np.flatnonzero(ratio > _MAX_RATIO_OF_BLOCKS)
    if len(inaccurate):
        root = roots(inaccurate)
        inverse[inaccurate], ratio[inaccurate] = inverse_roots(gram(root), diagonal[inaccurate], careful=True)
        for i in np.flatnonzero(ratio[inaccurate] > _MAX_RATIO):
            inverse[inaccurate[i]] = inverse_root_by_qr(root[i], diagonal[inaccurate[i]])
    return inverse


def inverse_root_by_qr(
    gram_root: Float[np.ndarray, "row pivot"], diagonal: Float[np.ndarray, " pivot"]
) -> Float[np.ndarray, "pivot pivot"]:
    """Inverse root of gram_root^T gram_root + diag(diagonal)^2, without squaring the condition number.

    Source: Golub and Van Loan (2013), Matrix Computations, section 5.2: the R factor is the Cholesky factor.
    """
    upper = np.linalg.qr(np.concatenate([np.diag(diagonal), gram_root]), mode="r")
    inverse, _ = lapack.dtrtri(upper, lower=0)
    return inverse * np.copysign(1.0, np.diagonal(inverse))


def _inverse_cholesky(matrices: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> bool:
    """Write inverse Cholesky factors into `out`, which is zero; return whether all matrices are positive definite."""
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
    off_diagonal = out[:, first, first].transpose(0, 2, 1) @ matrices[:, first, last]
    complement = matrices[:, last, last] - off_diagonal.transpose(0, 2, 1) @ off_diagonal
    if not _inverse_cholesky(complement, out[:, last, last]):
        return False
    _fill_off_diagonal_block(off_diagonal, out)
    return True


def _inverse_cholesky_each(
    matrices: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]
) -> None:
    """Write inverse Cholesky factors into `out`, one at a time; zeros if a matrix is not positive definite."""
    for matrix, inverse in zip(matrices, out, strict=True):
        # Fortran reads a row-major upper triangle as a lower one
        factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=1)
        inverse[:] = 0.0 if failed else lapack.dtrtri(factor, lower=1, overwrite_c=1)[0].T


def _invert(upper: Float[np.ndarray, "time size size"], out: Float[np.ndarray, "time size size"]) -> None:
    """Invert upper triangular matrices by blocks into `out`, which already has the inverted diagonals."""
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
    _fill_off_diagonal_block(upper[:, first, last], out)


def _fill_off_diagonal_block(
    off_diagonal: Float[np.ndarray, "time first last"], inverse: Float[np.ndarray, "time size size"]
) -> None:
    """Write the off-diagonal block of an inverse whose diagonal blocks are inverted already."""
    n_first = off_diagonal.shape[1]
    first, last = inverse[:, :n_first, :n_first], inverse[:, n_first:, n_first:]
    np.matmul(np.negative(first), off_diagonal @ last, out=inverse[:, :n_first, n_first:])


def _diagonals(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time size"]:
    """View of the diagonals."""
    return np.einsum("tii->ti", matrices)
