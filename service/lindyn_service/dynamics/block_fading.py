"""Contribution of a hidden direction that overlaps with decaying rows only, for the networks of a block.

Networks with lambda = 0 and equal widths whose sign is not that of the task miss the weakest mode, and one of their
hidden directions has no overlap with any row that grows. With its column c of the echelon form, weights w of the
decaying rows, and d = 1 + c^T w c, elimination of the column leaves the problem of the other columns with

    S - b b^T / d,    X - c b^T / d,    b = X^T w c,

and adds the column e^{f t} c / d^{1/2} to the layers.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.block_terms import Terms

if TYPE_CHECKING:
    from lindyn_service.dynamics.stacks import Stack


@dataclass(frozen=True)
class FadingColumn:
    """Contribution of the direction to the layers.

    Attributes:
        minor: its column of the minor layer.
        major: its column of the major layer.
        growth: d^{1/2}, whose square amplifies the rounding errors of the elimination.
    """

    minor: Float[np.ndarray, "minor network time"]
    major: Float[np.ndarray, "major network time"]
    growth: Float[np.ndarray, "network time"]


def fading_column(
    terms: Terms,
    times: Float[np.ndarray, "any_times time"],
    left: Float[np.ndarray, "pivot _ time"],
    s: "Stack",
    minor: "Stack",
    major: "Stack",
) -> FadingColumn:
    """Eliminate the fading column, in place, and return its contribution to the layers.

    Args:
        terms: prepared networks of equal widths, which have one such column.
        times: in units of the time constants, one row for all networks or one for each.
        left: factors e^{-f t} of the pivots.
        s: matrix S.
        minor: rows of the minor layer other than pivots.
        major: rows of the major layer other than pivots.

    Source: Golub and Van Loan (2013), Matrix Computations, section 2.1, the inverse of a block matrix.
    """
    k, m, basis = terms.n_learned, terms.n_modes, terms.modes
    first = k + terms.n_missed
    weights = terms.integrals(slice(first, None), times).transpose(1, 0, 2)
    column = terms.start.lower[:, first:, k]
    overlap = (column[:, :, None] * terms.x[:, terms.n_missed :]).transpose(0, 2, 1) @ weights
    d = 1 + ((column**2)[:, None] @ weights)[:, 0]
    b = overlap.transpose(1, 0, 2) * left
    share = b / d
    s -= b[:, None] * share
    own = column[:, ::-1].T[:, :, None] * np.exp(-terms.by_row(terms.f[:, :m], times))
    into, out = basis.q.T[:, :, None] * own, -basis.p.T[:, :, None] * own
    minor -= into[:, None] * share
    major -= out[:, None] * share
    root = np.sqrt(d)
    return FadingColumn(into / root, out / root, root)
