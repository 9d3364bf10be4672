"""Row echelon form of the coordinates of the initial weights, which shows the modes that the weights reach."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack, solve_triangular

EPS = float(np.finfo(np.float64).eps)

_ROUNDING_FACTOR = 8  # remainders of rows below this multiple of their errors count as 0


@dataclass(frozen=True)
class RowErrors:
    """Bounds of the rounding errors of rows.

    Attributes:
        rows: norm of the error of each row.
        entries: error of each entry; that of its row if the errors of entries are not known separately.
    """

    rows: Float[np.ndarray, " row"]
    entries: Float[np.ndarray, "row hidden"]


@dataclass(frozen=True)
class Echelon:
    """Row echelon form of coordinates, G = lower @ Z^T with orthonormal Z.

    Attributes:
        lower: echelon form, (row, pivot), which is zero above each pivot.
        pivots: pivots[j] is the first row with a non-zero entry in column j.
        unreached: rows without a pivot although there were columns left: directions without overlap with the weights.
        remainders: norm of each row after projection onto the complement of the pivots before it.
        remainder_errors: error of each remainder; for pivots at least the rounding error of their column.
    """

    lower: Float[np.ndarray, "row pivot"]
    pivots: Int[np.ndarray, " pivot"]
    unreached: Int[np.ndarray, " skipped"]
    remainders: Float[np.ndarray, " row"]
    remainder_errors: Float[np.ndarray, " row"]


def echelon(g: Float[np.ndarray, "row hidden"], errors: RowErrors) -> Echelon:
    """Reduce coordinates to row echelon form, row by row in their order.

    A row becomes a pivot if its remainder exceeds the rounding errors in its direction: those of the row, and those of
    the pivots times their coefficients in the row. Generic weights need a single QR factorisation; only weights that do
    not reach some row are reduced in a loop.

    Args:
        g: coordinates of the weights along the eigenvectors, in order of descending eigenvalues.
        errors: rounding errors of the rows.

    Source: Gram-Schmidt with reorthogonalisation, Giraud et al. (2005), 10.1007/s00211-005-0615-4.
    """
    lower = _lower_factor(g)
    n_rows, n_pivots = lower.shape
    remainder_errors = _pivot_errors(lower[:n_pivots], errors)
    if remainder_errors is None:
        return _row_by_row(g, errors)[0]
    zeros, no_rows = np.zeros(n_rows - n_pivots), np.empty(0, dtype=np.intp)
    remainders = np.concatenate([np.abs(np.diagonal(lower)), zeros])
    remainder_errors = np.concatenate([np.maximum(remainder_errors, EPS * _column_norms(lower)), zeros])
    return Echelon(lower, np.arange(n_pivots, dtype=np.intp), no_rows, remainders, remainder_errors)


def hidden_basis(g: Float[np.ndarray, "row hidden"], errors: RowErrors) -> Float[np.ndarray, "hidden pivot"]:
    """Orthonormal basis Z of g = lower @ Z^T, computed by the same steps as `lower`.

    Another computation would yield a basis that differs by rounding errors divided by the smallest pivot.

    Args:
        g: coordinates, as for `echelon`.
        errors: rounding errors of the rows, as for `echelon`.

    Source: as for `echelon`.
    """
    n_pivots = min(g.shape)
    if _pivot_errors(_lower_factor(g)[:n_pivots], errors) is None:
        return _row_by_row(g, errors)[1]
    factors, reflectors, _, _ = lapack.dgeqrf(g.T)
    return lapack.dorgqr(factors[:, :n_pivots], reflectors)[0]


def _lower_factor(g: Float[np.ndarray, "row hidden"]) -> Float[np.ndarray, "row pivot"]:
    """Transposed R factor of the QR factorisation of g^T; LAPACK reads the transpose without a copy."""
    return np.tril(lapack.dgeqrf(g.T)[0].T[:, : min(g.shape)])


def _pivot_errors(leading: Float[np.ndarray, "pivot pivot"], errors: RowErrors) -> Float[np.ndarray, " pivot"] | None:
    """Errors of the pivots, or None unless all first rows are pivots; row i of the inverse is (-y, 1) / pivot."""
    n, pivots = len(leading), np.abs(np.diagonal(leading))
    if not np.all(pivots > _ROUNDING_FACTOR * errors.rows[:n]):
        return None
    inverse, _ = lapack.dtrtri(leading, lower=1)
    np.abs(inverse, out=inverse)
    relative = inverse @ (errors.rows[:n] + EPS * np.sqrt(np.vecdot(leading, leading)))
    return None if _ROUNDING_FACTOR * np.max(relative) >= 1 else pivots * relative


def _row_by_row(
    g: Float[np.ndarray, "row hidden"], errors: RowErrors
) -> tuple[Echelon, Float[np.ndarray, "hidden pivot"]]:
    """Echelon form and hidden basis by Gram-Schmidt with reorthogonalisation, which skips dependent rows."""
    n_rows, n_hidden = g.shape
    basis = np.empty((min(n_rows, n_hidden), n_hidden))
    lower = np.zeros((n_rows, len(basis)))
    errors_of_pivots = np.empty_like(basis)
    remainders, remainder_errors = np.zeros(n_rows), np.zeros(n_rows)
    pivots: list[int] = []
    unreached: list[int] = []
    for i, row in enumerate(g):
        k = len(pivots)
        first = basis[:k] @ row
        rest = row - first @ basis[:k]
        second = basis[:k] @ rest
        rest -= second @ basis[:k]
        lower[i, :k] = first + second
        if k == len(basis):
            continue
        remainders[i] = np.linalg.norm(rest)
        direction = rest / remainders[i] if remainders[i] > 0 else np.ones(n_hidden)
        weights = np.abs(_combination(lower[pivots, :k], lower[i, :k]))
        entry_errors = errors.entries[i] + EPS * (np.abs(lower[i, :k]) @ np.abs(basis[:k]))
        remainder_errors[i] = np.linalg.norm(direction * (entry_errors + weights @ errors_of_pivots[:k]))
        if remainders[i] > _ROUNDING_FACTOR * remainder_errors[i]:
            lower[i, k] = remainders[i]
            basis[k], errors_of_pivots[k] = direction, entry_errors
            pivots.append(i)
        else:
            unreached.append(i)
    remainder_errors[pivots] = np.maximum(remainder_errors[pivots], EPS * _column_norms(lower[:, : len(pivots)]))
    reduced = Echelon(
        lower[:, : len(pivots)],
        np.array(pivots, dtype=np.intp),
        np.array(unreached, dtype=np.intp),
        remainders,
        remainder_errors,
    )
    return reduced, basis[: len(pivots)].T


def _combination(
    pivot_rows: Float[np.ndarray, "pivot pivot"], row: Float[np.ndarray, " pivot"]
) -> Float[np.ndarray, " pivot"]:
    """Coefficients y of row = y @ pivot_rows."""
    return solve_triangular(pivot_rows, row, trans="T", lower=True) if len(row) else row


def _column_norms(lower: Float[np.ndarray, "row pivot"]) -> Float[np.ndarray, " pivot"]:
    return np.sqrt(np.einsum("rp,rp->p", lower, lower))
