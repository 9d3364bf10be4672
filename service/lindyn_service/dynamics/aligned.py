"""Exact solution for aligned networks, whose weights are diagonal in the singular bases of the task.

The modes of such a network evolve independently. In each mode, the rows of both layers are parallel to one direction of
the hidden space, so that two scalar strengths describe the mode.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.aligned_modes import AlignedModes, aligned_modes
from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.modes import Modes, diagonal
from lindyn_service.dynamics.riccati import Factors
from lindyn_service.dynamics.singular_rows import ROUNDING_FACTOR, SingularRows, cosines, singular_rows
from lindyn_service.dynamics.time_batches import time_batches

# rows this long, relative to the longest, with at least this cosine are not orthogonal, even with rounding errors
_MIN_RELATIVE_LENGTH, _MIN_COSINE = 1e-3, 1e-1

_BATCH_ENTRIES = 2**16


@dataclass(frozen=True)
class AlignedSolution:
    """Exact solution of an aligned network, with the interface of `riccati.Solution`.

    Times are in units of the time constant.

    Attributes:
        modes: singular modes of the task.
        pairs: strengths of both layers, one pair for each singular vector of the wider side; pairs beyond the modes
            have s = 0 and one strength of 0.
        columns: index of the pair that each column of the factors belongs to; pairs without weights have no column.
        directions: unit vector in the hidden space of each column, constant in time: `factors.into @ directions` is
            V^T w1^T, and `factors.out @ directions` is U^T w2.
        hidden: number of hidden units.
        rounding: rounding errors of the overlaps of the pairs with their growing eigenvectors.
    """

    modes: Modes
    pairs: AlignedModes
    columns: Int[np.ndarray, " used"]
    directions: Float[np.ndarray, "column hidden"]
    hidden: int
    rounding: Float[np.ndarray, " pair"]

    @property
    def unreached(self) -> Int[np.ndarray, " skipped"]:
        """Indices of modes that are never learned for lack of overlap, although there are hidden units for them."""
        grows = self.pairs.grow[: len(self.modes.s)] != 0
        return np.flatnonzero(~grows & (np.cumsum(grows) < self.hidden))

    @property
    def smallest_overlap(self) -> float | None:
        """Smallest non-zero overlap of a mode, in units of its rounding error; None if all overlaps vanish."""
        overlaps, rounding = np.abs(self.pairs.grow), np.maximum(self.rounding, np.finfo(np.float64).tiny)
        ratios = (overlaps / rounding)[: len(self.modes.s)]
        return float(np.min(ratios[ratios > 0])) if np.any(ratios > 0) else None

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit into the cache of one core."""
        rows = len(self.modes.v) + len(self.modes.u)
        for batch in time_batches(len(times), rows * len(self.directions), _BATCH_ENTRIES):
            yield batch, self.at(times[batch])

    @property
    def initial_size(self) -> float:
        """Squared Frobenius norm of both layers at time 0, in squared units of the weights."""
        return float(np.sum(self.pairs.minor**2) + np.sum(self.pairs.major**2))

    def limit(self, tolerance: float) -> Factors:
        """Weights at t -> infinity, as one time; rates below `tolerance` times the largest one count as zero."""
        size = np.sign(self.pairs.grow) * np.sqrt(2 * np.where(self._is_growing(tolerance), self.pairs.kappa, 0.0))
        return self._factors((self.pairs.p * size)[None], (self.pairs.q * size)[None])

    def limit_errors(self, tolerance: float) -> Float[np.ndarray, "out rank"]:
        """Errors u^T (W - sigma_yx) v at t -> infinity, which vanish for learned modes."""
        learned = (self._is_growing(tolerance) & (self.pairs.grow != 0))[: len(self.modes.s)]
        return diagonal(np.where(learned, 0.0, -self.modes.s), (len(self.modes.u), len(self.modes.v)))

    def _is_growing(self, tolerance: float) -> Bool[np.ndarray, " pair"]:
        return self.pairs.kappa > tolerance * np.max(self.pairs.kappa)

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times in one batch."""
        return self._factors(*self.pairs.at(times))

    def errors(
        self, times: Float[np.ndarray, " time"], functions: Float[np.ndarray, "time out rank"]
    ) -> Float[np.ndarray, "time out rank"]:
        """Errors u^T (W - sigma_yx) v, accurate relative to each error, however small.

        Args:
            times: a few times, in units of the time constant.
            functions: network functions u^T W v at these times.
        """
        m = len(self.modes.s)
        errors = functions.copy()
        strengths = np.zeros((len(times), len(self.pairs.kappa)))
        strengths[:, :m] = np.einsum("tii->ti", functions[:, :m, :m])
        np.einsum("tii->ti", errors[:, :m, :m])[:] = self.pairs.errors(times, strengths)[:, :m]
        return errors

    def _factors(self, minor: Float[np.ndarray, "time pair"], major: Float[np.ndarray, "time pair"]) -> Factors:
        into, out = (major, minor) if self.modes.exchanged else (minor, major)
        return Factors(self._spread(into, len(self.modes.v)), self._spread(out, len(self.modes.u)))

    def _spread(self, strengths: Float[np.ndarray, "time pair"], n_rows: int) -> Float[np.ndarray, "time row column"]:
        """Matrices with the strength of each column in the row of its pair, and zeros elsewhere."""
        matrices = np.zeros((len(strengths), n_rows, len(self.directions)))
        rows = self.columns[self.columns < n_rows]
        matrices[:, rows, np.arange(len(rows))] = strengths[:, rows]
        return matrices


def aligned(
    modes: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"], *, rounded: bool
) -> AlignedSolution | None:
    """Solve gradient flow from balanced weights on white inputs if the modes of the task evolve independently.

    They do if, in the singular bases of the task, each row of a layer is parallel to the row of the same mode in the
    other layer and orthogonal to all other rows. Angles decide, so that short rows count as much as long ones.

    Args:
        modes: singular modes of the task.
        w1: initial first layer, (hidden, in).
        w2: initial second layer, (out, hidden).
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Returns:
        The solution, or None if the weights are not aligned.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1; thesis Theorem 3.2.1.
    """
    if _clearly_not_orthogonal(modes.v.T @ w1.T):
        return None
    first = singular_rows(modes.v, w1.T, rounded=rounded)
    if not _are_orthogonal(first, first):
        return None
    second = singular_rows(modes.u, w2, rounded=rounded)
    shared, wider = len(modes.s), max(len(modes.v), len(modes.u))
    if not (_are_orthogonal(second, second) and _are_orthogonal(first, second)):
        return None
    first, second = first.lengthened(wider), second.lengthened(wider)
    directions = np.where((first.lengths >= second.lengths)[:, None], first.units, second.units)
    signs = [_sign_along(directions, rows) for rows in (first, second)]
    if signs[0] is None or signs[1] is None:
        return None
    x, y = signs[0] * first.lengths, signs[1] * second.lengths
    if modes.exchanged:
        x, y = y, x
    s = np.concatenate([modes.s, np.zeros(wider - shared)])
    pairs = aligned_modes(s, abs(modes.lam), x, y, x + y)
    rounding_errors = first.length_errors + second.length_errors
    columns = np.flatnonzero((x != 0) | (y != 0))
    return AlignedSolution(
        modes=modes,
        pairs=replace(pairs, grow=np.where(np.abs(pairs.grow) <= ROUNDING_FACTOR * rounding_errors, 0.0, pairs.grow)),
        columns=columns,
        # zero weights have one column of zeros, as in `riccati`
        directions=directions[columns] if len(columns) else np.zeros((1, len(w1))),
        hidden=len(w1),
        rounding=rounding_errors + EPS * (first.lengths + second.lengths),
    )


def _are_orthogonal(left: SingularRows, right: SingularRows) -> bool:
    """Whether rows of different modes are orthogonal up to rounding."""
    overlaps, bounds = cosines(left, right)
    np.fill_diagonal(overlaps, 0.0)
    return bool(np.all(overlaps <= bounds))


def _clearly_not_orthogonal(rows: Float[np.ndarray, "row hidden"]) -> bool:
    """Whether two long rows are far from orthogonal in spite of rounding errors; a fast first test."""
    cosines = np.abs(rows @ rows.T)
    lengths = np.sqrt(np.diagonal(cosines))
    lengths[lengths < _MIN_RELATIVE_LENGTH * np.max(lengths)] = np.inf
    np.fill_diagonal(cosines, 0.0)
    return bool(np.any(cosines > _MIN_COSINE * lengths[:, None] * lengths))


def _sign_along(directions: Float[np.ndarray, "row hidden"], rows: SingularRows) -> Float[np.ndarray, " row"] | None:
    """Sign of each row along its direction, or None if a row is not parallel to it."""
    cosines = np.einsum("ih,ih->i", rows.units, directions)
    off = np.abs(rows.units - cosines[:, None] * directions)
    bounds = ROUNDING_FACTOR * (rows.unit_errors + EPS * np.abs(directions))
    return np.copysign(1.0, cosines) if np.all(off <= bounds) else None
