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
    """

    echelon: Echelon
    minor: Float[np.ndarray, "mode pivot"]


def coordinates(basis: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]) -> Coordinates:
    """Find the coordinates of initial weights.

    Args:
        basis: eigenpairs of F for the task and the balance of the weights.
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden).

    Source: docs/theory.md, section 2.
    """
    reduced = echelon(*rows(basis, w1, w2))
    m, first_decay = len(basis.s), len(reduced.lower) - len(basis.s)
    minor = reduced.lower[first_decay:][::-1]
    decay = (minor - basis.p[:, None] * reduced.lower[:m]) / basis.q[:, None]
    lower = np.concatenate([reduced.lower[:first_decay], decay[::-1]])
    return Coordinates(replace(reduced, lower=lower), minor)


def rows(
    basis: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]
) -> tuple[Float[np.ndarray, "in_plus_out hidden"], RowErrors]:
    """Rows that an echelon form is made of, in the order of `basis.eigenvalues`, and the sizes of their errors.

    In place of the rows that decay, q minor - p major, stand those of the minor layer, which span the same with the
    rows that grow and keep the digits of a layer that is small.

    Source: docs/theory.md, section 2.
    """
    m = len(basis.s)
    minor, major = basis.sides(w1, w2)
    into, out = product_errors(basis.v, w1.T), product_errors(basis.u, w2)
    minor_errors, major_errors = (out, into) if basis.exchanged else (into, out)
    grow = basis.grow(minor[:m], major[:m])

    def ordered(small: Float[np.ndarray, " minor"], large: Float[np.ndarray, " major"]) -> Float[np.ndarray, " row"]:
        both = basis.p * small[:m] + basis.q * large[:m] + EPS * _norms(grow)
        return np.concatenate([both, small[m:], large[m:], small[:m][::-1]])

    return np.concatenate([grow, minor[m:], major[m:], minor[:m][::-1]]), RowErrors(
        computed=ordered(minor_errors.computed, major_errors.computed),
        given=ordered(minor_errors.given, major_errors.given),
    )


def product_errors(vectors: Float[np.ndarray, "row row"], weights: Float[np.ndarray, "row hidden"]) -> RowErrors:
    """Sizes of the errors of the rows of vectors^T weights, relative to what their entries are sums of.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1; lengths are left out.
    """
    given = EPS * _norms(np.abs(vectors).T @ np.abs(weights))
    mixing = np.count_nonzero(vectors, axis=0) > 1
    return RowErrors(computed=given * mixing, given=given)


def _norms(rows: Float[np.ndarray, "row hidden"]) -> Float[np.ndarray, " row"]:
    return np.sqrt(np.vecdot(rows, rows))
