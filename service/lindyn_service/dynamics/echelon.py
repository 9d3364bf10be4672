"""Which modes the initial weights reach, and how: the row echelon form of their coordinates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack, solve_triangular

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Echelon:
    """Coordinates G = lower @ Z^T with orthonormal Z, which is never needed.

    Attributes:
        lower: (row, pivot); zero above each pivot.
        pivots: pivots[j] is the first row with an entry in column j.
        unreached: rows that are no pivot although columns were left: directions without overlap with the weights.
        remainders: what each row adds to those before it.
        rounding: size of the rounding error of the coordinates, eps ||G||_F.
    """

    lower: Float[np.ndarray, "row pivot"]
    pivots: Int[np.ndarray, " pivot"]
    unreached: Int[np.ndarray, " skipped"]
    remainders: Float[np.ndarray, " row"]
    rounding: float


def echelon(g: Float[np.ndarray, "row hidden"]) -> Echelon:
    """Reduce g row by row, in the order given.

    A row becomes a pivot when what the earlier pivots leave of it is more than rounding: of the row itself, and of
    the pivots times the weights y with which they make up the row, max(rows, hidden) eps ||g||_F (1 + ||y||).
    Generic weights take one QR factorisation; the loop is for those that miss a row.

    Args:
        g: coordinates of the weights along the eigenvectors, in order of descending eigenvalues.

    Source: Gram-Schmidt with reorthogonalisation, Giraud et al. (2005), 10.1007/s00211-005-0615-4.
    """
    n_rows, n_hidden = g.shape
    rounding = EPS * float(np.linalg.norm(g))
    tolerance = max(n_rows, n_hidden) * rounding
    n_pivots = min(n_rows, n_hidden)
    lower = _lower_factor(g)
    if _all_reached(lower[:n_pivots], tolerance):
        remainders = np.zeros(n_rows)
        remainders[:n_pivots] = np.abs(np.diagonal(lower))
        none = np.empty(0, dtype=np.intp)
        return Echelon(lower, np.arange(n_pivots, dtype=np.intp), none, remainders, rounding)
    return _row_by_row(g, tolerance, rounding)[0]


def hidden_basis(g: Float[np.ndarray, "row hidden"], reduced: Echelon) -> Float[np.ndarray, "hidden pivot"]:
    """Z of g = lower Z^T, by the same steps as `lower`: any other would differ by rounding over the smallest pivot.

    Args:
        g: what was reduced.
        reduced: its echelon form.

    Source: as for `echelon`.
    """
    if np.array_equal(_lower_factor(g), reduced.lower):
        factored, reflectors, _, _ = lapack.dgeqrf(g.T)
        return lapack.dorgqr(factored[:, : min(g.shape)], reflectors)[0]
    return _row_by_row(g, max(g.shape) * reduced.rounding, reduced.rounding)[1]


def _lower_factor(g: Float[np.ndarray, "row hidden"]) -> Float[np.ndarray, "row pivot"]:
    """The transposed R factor of the transpose, which Fortran reads from row-major rows."""
    return np.tril(lapack.dgeqrf(g.T)[0].T[:, : min(g.shape)])


def _all_reached(leading: Float[np.ndarray, "pivot pivot"], tolerance: float) -> bool:
    """Whether each of the first rows is a pivot for sure; row i of the inverse is (-y, 1) / pivot."""
    if np.min(np.abs(np.diagonal(leading))) <= tolerance:
        return False
    inverse, _ = lapack.dtrtri(leading, lower=1)
    # (1 + ||y||) / pivot is at most sqrt(2) times the norm of the row
    return bool(2 * tolerance**2 * np.max(np.vecdot(inverse, inverse)) < 1)


def _row_by_row(
    g: Float[np.ndarray, "row hidden"], tolerance: float, rounding: float
) -> tuple[Echelon, Float[np.ndarray, "hidden pivot"]]:
    """Gram-Schmidt with reorthogonalisation, dropping rows that add no direction; also returns the directions."""
    n_rows, n_hidden = g.shape
    basis = np.empty((min(n_rows, n_hidden), n_hidden))
    lower = np.zeros((n_rows, len(basis)))
    remainders = np.zeros(n_rows)
    pivots: list[int] = []
    unreached: list[int] = []
    for i, row in enumerate(g):
        k = len(pivots)
        first = basis[:k] @ row
        rest = row - first @ basis[:k]
        second = basis[:k] @ rest
        rest -= second @ basis[:k]
        lower[i, :k] = first + second
        remainders[i] = np.linalg.norm(rest) if k < len(basis) else 0.0
        if remainders[i] > tolerance * (1 + _weight(lower[pivots, :k], lower[i, :k])):
            lower[i, k] = remainders[i]
            basis[k] = rest / remainders[i]
            pivots.append(i)
        elif k < n_hidden:
            unreached.append(i)
    reduced = Echelon(
        lower[:, : len(pivots)],
        np.array(pivots, dtype=np.intp),
        np.array(unreached, dtype=np.intp),
        remainders,
        rounding,
    )
    return reduced, basis[: len(pivots)].T


def _weight(pivot_rows: Float[np.ndarray, "pivot pivot"], row: Float[np.ndarray, " pivot"]) -> float:
    """||y|| of row = y @ pivot_rows."""
    return float(np.linalg.norm(solve_triangular(pivot_rows, row, trans="T", lower=True))) if len(row) else 0.0
