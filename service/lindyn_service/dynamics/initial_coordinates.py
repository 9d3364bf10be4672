"""Coordinates of the initial weights in which the exact solution is evaluated."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import EPS, Echelon, RowErrors, echelon
from lindyn_service.dynamics.modes import Modes


@dataclass(frozen=True)
class Coordinates:
    """Initial weights along the eigenvectors of F, in the basis of hidden units that makes them an echelon form.

    Attributes:
        echelon: echelon form, whose rows are in the order of descending eigenvalues.
        minor: rows of the minor layer in the order of the modes, in the same basis of hidden units. Early in training,
            sums of these rows and of growth give the weights without cancellation.
        rounded: whether the weights carry rounding errors.
    """

    echelon: Echelon
    minor: Float[np.ndarray, "mode pivot"]
    rounded: bool


def coordinates(
    basis: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"], *, rounded: bool
) -> Coordinates:
    """Compute the coordinates of initial weights.

    Args:
        basis: eigenpairs of F for the task and the balance of the weights.
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden).
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Source: docs/theory.md, section 2.
    """
    reduced = echelon(*rows(basis, w1, w2, rounded=rounded))
    m, first_decay = len(basis.s), len(reduced.lower) - len(basis.s)
    minor = reduced.lower[first_decay:][::-1]
    decay = (minor - basis.p[:, None] * reduced.lower[:m]) / basis.q[:, None]
    lower = np.concatenate([reduced.lower[:first_decay], decay[::-1]])
    return Coordinates(replace(reduced, lower=lower), minor, rounded)


def rows(
    basis: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"], *, rounded: bool
) -> tuple[Float[np.ndarray, "in_plus_out hidden"], RowErrors]:
    """Rows to be reduced to echelon form, in the order of `basis.eigenvalues`, and their rounding errors.

    The decaying rows q minor - p major are replaced by the rows of the minor layer. Together with the growing rows,
    these have the same span, and they preserve the accuracy of a small layer.

    Source: docs/theory.md, section 2.
    """
    m = len(basis.s)
    minor, major = basis.sides(w1, w2)
    into, out = entry_errors(basis.v, w1.T), entry_errors(basis.u, w2)
    small, large = (out, into) if basis.exchanged else (into, out)
    grow = basis.grow(minor[:m], major[:m])
    grow_errors = basis.p[:, None] * small[:m] + basis.q[:, None] * large[:m]
    return np.concatenate([grow, minor[m:], major[m:], minor[:m][::-1]]), row_errors(
        np.concatenate([grow_errors, small[m:], large[m:], small[:m][::-1]]), rounded=rounded
    )


def entry_errors(
    vectors: Float[np.ndarray, "row row"], weights: Float[np.ndarray, "*any row hidden"]
) -> Float[np.ndarray, "*any row hidden"]:
    """Errors of the entries of vectors^T weights if each number has an error of one unit in the last place.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, without the factor of the length
        of the sums.
    """
    return EPS * (np.abs(vectors).T @ np.abs(weights))


def row_errors(entries: Float[np.ndarray, "row hidden"], *, rounded: bool) -> RowErrors:
    """Rounding errors of rows, from those of their entries.

    A small entry of drawn or computed weights may result from cancellation, so that each entry of rounded weights has
    the error of its row.

    Args:
        entries: errors of the entries, as from `entry_errors`.
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 6.2.
    """
    sizes = np.sqrt(np.vecdot(entries, entries))
    return RowErrors(sizes, np.broadcast_to(sizes[:, None], entries.shape) if rounded else entries)
