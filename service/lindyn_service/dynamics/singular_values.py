"""Singular values of stacks of matrices: of many small ones by rotations of columns in all of them at once."""

from itertools import combinations

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.tasks import EPS

_MANY = 2000  # matrices, for which numpy's operations on all of them cost more than its calls
_WIDEST = 5  # columns, above which LAPACK is faster
_BATCH_NUMBERS = 2**18  # in fewer, calls of numpy cost more than operations; more do not fit into the cache
_MOST_SWEEPS = 12  # random matrices take about 5
_LARGEST_SHARE = 0.8  # of matrices that need another sweep, above which taking them out of the batch saves nothing
_LARGEST_EXPONENT = 1000  # of the powers of two that scale the matrices
_TINY = float(np.finfo(np.float64).tiny)

_Matrices = Float[np.ndarray, "matrix row column"]


def stacked_singular_values(matrices: _Matrices) -> Float[np.ndarray, "matrix mode"]:
    """Singular values in descending order.

    LAPACK computes few or large matrices. The columns of many small ones are made orthogonal by rotations of pairs,
    which takes fewer sweeps the more nearly orthogonal they are, as those of a network that has almost learned its task
    in the singular bases of the task.

    Source: Hestenes (1958), 10.1137/0106005; Demmel and Veselic (1992), 10.1137/0613074, for the accuracy.
    """
    n_rows, n_columns = matrices.shape[1:]
    if len(matrices) < _MANY or min(n_rows, n_columns) > _WIDEST:
        return np.linalg.svd(matrices, compute_uv=False)
    tall = matrices if n_rows >= n_columns else matrices.transpose(0, 2, 1)
    size = max(1, _BATCH_NUMBERS // (n_rows * n_columns))
    values = np.concatenate([_by_rotations(tall[first : first + size]) for first in range(0, len(tall), size)])
    return np.sort(values, axis=1)[:, ::-1]


def _by_rotations(matrices: _Matrices) -> Float[np.ndarray, "matrix column"]:
    """Lengths of the columns after as many sweeps as each matrix needs."""
    columns = np.ascontiguousarray(matrices.transpose(2, 1, 0))
    _, exponents = np.frexp(np.max(np.abs(columns), axis=(0, 1)))
    columns *= np.ldexp(1.0, np.clip(-exponents, -_LARGEST_EXPONENT, _LARGEST_EXPONENT))
    values, left = np.empty((len(columns), len(matrices))), np.arange(len(matrices))
    for _ in range(_MOST_SWEEPS):
        is_left = _sweep(columns) > EPS / 2  # false for NaN
        if np.mean(is_left) > _LARGEST_SHARE:
            continue
        values[:, left] = np.sqrt(np.einsum("crm,crm->cm", columns, columns))
        kept = np.flatnonzero(is_left)
        left, columns = left[kept], columns.take(kept, axis=2)
        if not len(left):
            break
    values = np.ldexp(values, np.clip(exponents, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)).T
    values[left] = np.linalg.svd(matrices[left], compute_uv=False)
    return values


def _sweep(columns: Float[np.ndarray, "column row matrix"]) -> Float[np.ndarray, " matrix"]:
    """Rotate each pair of columns until it is orthogonal, in place; rotations of one pair disturb the others.

    Returns:
        Estimate of the cosines between columns afterwards: the largest cosine times the largest tangent of a rotation.
    """
    cosines, tangents = np.zeros((2, columns.shape[2]))  # squared, the largest of all pairs
    of_first, of_second = np.empty_like(columns[0]), np.empty_like(columns[0])
    squares = np.einsum("crm,crm->cm", columns, columns)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # columns that are zero
        for i, j in combinations(range(len(columns)), 2):
            first, second = columns[i], columns[j]
            product = np.einsum("rm,rm->m", first, second)
            np.fmax(cosines, product * product / (squares[i] * squares[j]), out=cosines)
            difference, twice = squares[j] - squares[i], 2 * product
            length = np.sqrt(difference * difference + twice * twice) + _TINY  # so that 0 / 0 is 0
            tangent = twice / (difference + np.copysign(length, difference))
            square = tangent * tangent
            np.fmax(tangents, square, out=tangents)
            moved = tangent * product
            squares[i] -= moved
            squares[j] += moved
            cosine = 1 / np.sqrt(1 + square)
            sine = cosine * tangent
            np.multiply(sine, second, out=of_second)
            np.multiply(sine, first, out=of_first)
            first *= cosine
            first -= of_second
            second *= cosine
            second += of_first
        return np.sqrt(cosines * tangents)
