"""Rows of a layer in the singular basis of the task, with the rounding errors of their directions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.initial_coordinates import entry_errors, row_errors

ROUNDING_FACTOR = 16  # cosines and overlaps below this multiple of their rounding errors count as 0


@dataclass(frozen=True)
class SingularRows:
    """Rows of one layer in a singular basis; rows at rounding level are zeros.

    Attributes:
        units: unit vectors along the rows.
        lengths: lengths of the rows.
        unit_errors: rounding errors of the entries of `units`.
        length_errors: rounding errors of `lengths`.
    """

    units: Float[np.ndarray, "row hidden"]
    lengths: Float[np.ndarray, " row"]
    unit_errors: Float[np.ndarray, "row hidden"]
    length_errors: Float[np.ndarray, " row"]

    def lengthened(self, n_rows: int) -> "SingularRows":
        """Append rows of zeros, to a total of n_rows."""
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
    """Rows of basis^T weights with their rounding errors; rows at rounding level are set to zero.

    The errors include those from columns of the basis that are orthogonal only up to rounding.

    Args:
        basis: singular vectors of the task on the side of the layer, as columns.
        weights: w1^T or w2.
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, errors of inner products.
    """
    units, lengths = unit_rows(basis.T @ weights)
    errors = row_errors(entry_errors(basis, weights), rounded=rounded).entries
    errors = errors + (np.abs(basis.T @ basis - np.eye(len(basis))) @ lengths)[:, None]
    length_errors = np.linalg.norm(units * errors, axis=1)
    present = lengths > ROUNDING_FACTOR * length_errors
    unit_errors = errors / np.where(present, lengths, 1.0)[:, None] + EPS * np.abs(units)
    return SingularRows(units * present[:, None], lengths * present, unit_errors * present[:, None], length_errors)


def unit_rows(
    rows: Float[np.ndarray, "row hidden"],
) -> tuple[Float[np.ndarray, "row hidden"], Float[np.ndarray, " row"]]:
    """Unit vectors along rows and their lengths, without underflow of squares; rows of zeros have unit vectors 0.

    Source: the Euclidean norm, scaled as in Higham (2002), section 27.5.
    """
    largest = np.max(np.abs(rows), axis=1)
    scaled = rows / np.where(largest > 0, largest, 1.0)[:, None]
    norms = np.linalg.norm(scaled, axis=1)
    return scaled / np.where(norms > 0, norms, 1.0)[:, None], largest * norms


def cosines(
    left: SingularRows, right: SingularRows
) -> tuple[Float[np.ndarray, "left right"], Float[np.ndarray, "left right"]]:
    """Absolute cosines of the angles between rows, and bounds of the cosines of orthogonal rows by rounding.

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1, errors of inner products.
    """
    squares = left.unit_errors**2 @ (right.units**2).T + left.units**2 @ (right.unit_errors**2).T
    return np.abs(left.units @ right.units.T), ROUNDING_FACTOR * np.sqrt(squares)
