"""Which modes the initial weights reach, and how: the row echelon form of their coordinates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack, solve_triangular

EPS = float(np.finfo(np.float64).eps)

_ROUNDINGS = 8  # of the sizes of the errors, up to which what is left of a row is nothing


@dataclass(frozen=True)
class RowErrors:
    """Sizes of the errors of rows: what rounding of the numbers that they are made of does to them.

    Attributes:
        rows: of whole rows.
        entries: of each entry, which is the size of its row unless entries are known one by one.
    """

    rows: Float[np.ndarray, " row"]
    entries: Float[np.ndarray, "row hidden"]


@dataclass(frozen=True)
class Echelon:
    """Coordinates G = lower @ Z^T with orthonormal Z.

    Attributes:
        lower: (row, pivot); zero above each pivot.
        pivots: pivots[j] is the first row with an entry in column j.
        unreached: rows that are no pivot although columns were left: directions without overlap with the weights.
        remainders: what each row adds to those before it.
        doubts: size of the error of each remainder; of a pivot also by what else is in its column.
    """

    lower: Float[np.ndarray, "row pivot"]
    pivots: Int[np.ndarray, " pivot"]
    unreached: Int[np.ndarray, " skipped"]
    remainders: Float[np.ndarray, " row"]
    doubts: Float[np.ndarray, " row"]


def echelon(g: Float[np.ndarray, "row hidden"], errors: RowErrors) -> Echelon:
    """Reduce g row by row, in the order given.

    A row becomes a pivot when what the earlier pivots leave of it is more than the errors in its direction: of the row
    itself, and of the pivots times the weights y with which they make up the row. Generic weights take one QR
    factorisation; the loop is for those that miss a row.

    Args:
        g: coordinates of the weights along the eigenvectors, in order of descending eigenvalues.
        errors: of the rows.

    Source: Gram-Schmidt with reorthogonalisation, Giraud et al. (2005), 10.1007/s00211-005-0615-4.
    """
    lower = _lower_factor(g)
    n_rows, n_pivots = lower.shape
    doubts = _doubts(lower[:n_pivots], errors)
    if doubts is None:
        return _row_by_row(g, errors)[0]
    zeros, none = np.zeros(n_rows - n_pivots), np.empty(0, dtype=np.intp)
    remainders = np.concatenate([np.abs(np.diagonal(lower)), zeros])
    doubts = np.concatenate([np.maximum(doubts, EPS * _column_norms(lower)), zeros])
    return Echelon(lower, np.arange(n_pivots, dtype=np.intp), none, remainders, doubts)


def hidden_basis(g: Float[np.ndarray, "row hidden"], errors: RowErrors) -> Float[np.ndarray, "hidden pivot"]:
    """Z of g = lower Z^T, by the same steps as `lower`: any other would differ by rounding over the smallest pivot.

    Args:
        g: what was reduced.
        errors: as they were given for it.

    Source: as for `echelon`.
    """
    n_pivots = min(g.shape)
    if _doubts(_lower_factor(g)[:n_pivots], errors) is None:
        return _row_by_row(g, errors)[1]
    factored, reflectors, _, _ = lapack.dgeqrf(g.T)
    return lapack.dorgqr(factored[:, :n_pivots], reflectors)[0]


def _lower_factor(g: Float[np.ndarray, "row hidden"]) -> Float[np.ndarray, "row pivot"]:
    """The transposed R factor of the transpose, which Fortran reads from row-major rows."""
    return np.tril(lapack.dgeqrf(g.T)[0].T[:, : min(g.shape)])


def _doubts(leading: Float[np.ndarray, "pivot pivot"], errors: RowErrors) -> Float[np.ndarray, " pivot"] | None:
    """Errors of the pivots, if each of the first rows is a pivot; row i of the inverse is (-y, 1) / pivot."""
    n, pivots = len(leading), np.abs(np.diagonal(leading))
    if not np.all(pivots > _ROUNDINGS * errors.rows[:n]):
        return None
    inverse, _ = lapack.dtrtri(leading, lower=1)
    np.abs(inverse, out=inverse)
    relative = inverse @ (errors.rows[:n] + EPS * np.sqrt(np.vecdot(leading, leading)))
    return None if _ROUNDINGS * np.max(relative) >= 1 else pivots * relative


def _row_by_row(
    g: Float[np.ndarray, "row hidden"], errors: RowErrors
) -> tuple[Echelon, Float[np.ndarray, "hidden pivot"]]:
    """Gram-Schmidt with reorthogonalisation, dropping rows that add no direction; also returns the directions."""
    n_rows, n_hidden = g.shape
    basis = np.empty((min(n_rows, n_hidden), n_hidden))
    lower = np.zeros((n_rows, len(basis)))
    errors_of_pivots = np.empty_like(basis)
    remainders, doubts = np.zeros(n_rows), np.zeros(n_rows)
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
        own = errors.entries[i] + EPS * (np.abs(lower[i, :k]) @ np.abs(basis[:k]))
        doubts[i] = np.linalg.norm(direction * (own + weights @ errors_of_pivots[:k]))
        if remainders[i] > _ROUNDINGS * doubts[i]:
            lower[i, k] = remainders[i]
            basis[k], errors_of_pivots[k] = direction, own
            pivots.append(i)
        else:
            unreached.append(i)
    doubts[pivots] = np.maximum(doubts[pivots], EPS * _column_norms(lower[:, : len(pivots)]))
    reduced = Echelon(
        lower[:, : len(pivots)],
        np.array(pivots, dtype=np.intp),
        np.array(unreached, dtype=np.intp),
        remainders,
        doubts,
    )
    return reduced, basis[: len(pivots)].T


def _combination(
    pivot_rows: Float[np.ndarray, "pivot pivot"], row: Float[np.ndarray, " pivot"]
) -> Float[np.ndarray, " pivot"]:
    """Y of row = y @ pivot_rows."""
    return solve_triangular(pivot_rows, row, trans="T", lower=True) if len(row) else row


def _column_norms(lower: Float[np.ndarray, "row pivot"]) -> Float[np.ndarray, " pivot"]:
    return np.sqrt(np.einsum("rp,rp->p", lower, lower))
