"""The initial weights in coordinates in which the exact solution is evaluated."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import EPS, Echelon, RowErrors, echelon
from lindyn_service.dynamics.modes import Modes


@dataclass(frozen=True)
class Coordinates:
    """Rows of the weights along the eigenvectors of F, in a basis of the hidden units that makes them an echelon form.

    Attributes:
        echelon: of the rows in the order of descending eigenvalues.
        minor: rows of the minor layer, mode by mode, in the same basis of the hidden units. Early in training, weights
            are sums of these and of growth: they are no differences of parts that grow and decay.
        rounded: whether the weights are rounded numbers.
    """

    echelon: Echelon
    minor: Float[np.ndarray, "mode pivot"]
    rounded: bool


def coordinates(
    basis: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"], *, rounded: bool
) -> Coordinates:
    """Find the coordinates of initial weights.

    Args:
        basis: eigenpairs of F for the task and the balance of the weights.
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden).
        rounded: as in `closed_form`.

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
    """Rows that an echelon form is made of, in the order of `basis.eigenvalues`, and the sizes of their errors.

    In place of the rows that decay, q minor - p major, stand those of the minor layer, which span the same with the
    rows that grow and keep the digits of a layer that is small.

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
    """Sizes of the errors of vectors^T weights where each number has one unit in its last place.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1; lengths are left out.
    """
    return EPS * (np.abs(vectors).T @ np.abs(weights))


def row_errors(entries: Float[np.ndarray, "row hidden"], *, rounded: bool) -> RowErrors:
    """What the errors of entries say about rows: entries of rounded weights are not known one by one.

    A small entry of drawn or computed weights is a difference of large ones, so that it has their errors.

    Args:
        entries: sizes of errors, relative to what each entry is a sum of.
        rounded: as in `closed_form`.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 6.2.
    """
    sizes = np.sqrt(np.vecdot(entries, entries))
    return RowErrors(sizes, np.broadcast_to(sizes[:, None], entries.shape) if rounded else entries)
