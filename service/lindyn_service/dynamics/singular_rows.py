"""Rows of a layer in the singular basis of the task, with what rounding may have done to their directions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.initial_coordinates import entry_errors, row_errors

ROUNDINGS = 16  # of the size of a rounding error, up to which an angle or an overlap is none


@dataclass(frozen=True)
class SingularRows:
    """One layer in a singular basis: unit vectors, or zeros, with lengths and the sizes of the errors of both."""

    units: Float[np.ndarray, "row hidden"]
    lengths: Float[np.ndarray, " row"]
    unit_errors: Float[np.ndarray, "row hidden"]
    length_errors: Float[np.ndarray, " row"]

    def lengthened(self, n_rows: int) -> "SingularRows":
        """With rows of zeros at the end."""
        one, two = (0, n_rows - len(self.lengths)), ((0, n_rows - len(self.lengths)), (0, 0))
        return SingularRows(
            units=np.pad(self.units, two),
            lengths=np.pad(self.lengths, one),
            unit_errors=np.pad(self.unit_errors, two),
            length_errors=np.pad(self.length_errors, one),
        )


def singular_rows(
    basis: Float[np.ndarray, "row row"], weights: Float[np.ndarray, "row hidden"], *, rounded: bool
) -> SingularRows:
    """Basis^T weights; zero where nothing is left but rounding, which is small beside what each entry is a sum of.

    As far as columns of the basis are not orthogonal, they see each other's rows too.

    Args:
        basis: singular vectors of the task on the side of the layer, as columns.
        weights: w1^T or w2.
        rounded: as in `closed_form`.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, errors of inner products.
    """
    units, lengths = unit_rows(basis.T @ weights)
    errors = row_errors(entry_errors(basis, weights), rounded=rounded).entries
    errors = errors + (np.abs(basis.T @ basis - np.eye(len(basis))) @ lengths)[:, None]
    length_errors = np.linalg.norm(units * errors, axis=1)
    present = lengths > ROUNDINGS * length_errors
    unit_errors = errors / np.where(present, lengths, 1.0)[:, None] + EPS * np.abs(units)
    return SingularRows(units * present[:, None], lengths * present, unit_errors * present[:, None], length_errors)


def unit_rows(
    rows: Float[np.ndarray, "row hidden"],
) -> tuple[Float[np.ndarray, "row hidden"], Float[np.ndarray, " row"]]:
    """Directions and lengths, also of rows whose squares vanish; zeros stay.

    Source: the Euclidean norm, scaled as in Higham (2002), section 27.5.
    """
    largest = np.max(np.abs(rows), axis=1)
    scaled = rows / np.where(largest > 0, largest, 1.0)[:, None]
    norms = np.linalg.norm(scaled, axis=1)
    return scaled / np.where(norms > 0, norms, 1.0)[:, None], largest * norms


def cosines(
    left: SingularRows, right: SingularRows
) -> tuple[Float[np.ndarray, "left right"], Float[np.ndarray, "left right"]]:
    """Cosines of the angles between rows without their signs, and what rounding may make of none.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, errors of inner products.
    """
    squares = left.unit_errors**2 @ (right.units**2).T + left.units**2 @ (right.unit_errors**2).T
    return np.abs(left.units @ right.units.T), ROUNDINGS * np.sqrt(squares)
