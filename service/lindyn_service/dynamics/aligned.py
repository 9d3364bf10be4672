"""Aligned networks: weights in the singular bases of the task, where each mode learns alone.

Rows of both layers of a mode lie along one direction of the hidden space, so that the mode has two strengths.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.aligned_modes import AlignedModes, aligned_modes
from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.initial_coordinates import entry_errors, row_errors
from lindyn_service.dynamics.modes import Modes, diagonal
from lindyn_service.dynamics.riccati import Factors

_ROUNDINGS = 16  # of the size of a rounding error, up to which an angle or an overlap is none

_LARGE, _FAR = 1e-3, 1e-1  # of lengths relative to the largest, and of cosines: by no rounding errors

_BATCH_ENTRIES = 2**16  # as in `exact`


@dataclass(frozen=True)
class AlignedSolution:
    """An aligned problem, to be evaluated like `exact.Solution`; times are in units of the time constant.

    Attributes:
        modes: singular modes of the task.
        pairs: one for each singular vector of the wider side: beyond the modes, s = 0 and one strength is 0.
        columns: the pair of each column of the factors; pairs without weights have none.
        directions: of the columns among the hidden units. They stay: `factors.into @ directions` is the true V^T w1^T,
            `factors.out @ directions` the true U^T w2.
        hidden: number of hidden units.
        rounding: errors of the overlaps of the pairs with their growing eigenvectors.
    """

    modes: Modes
    pairs: AlignedModes
    columns: Int[np.ndarray, " used"]
    directions: Float[np.ndarray, "column hidden"]
    hidden: int
    rounding: Float[np.ndarray, " pair"]

    @property
    def unreached(self) -> Int[np.ndarray, " skipped"]:
        """Modes without overlap with the weights although hidden units are left by those before: never learned."""
        grows = self.pairs.grow[: len(self.modes.s)] != 0
        return np.flatnonzero(~grows & (np.cumsum(grows) < self.hidden))

    @property
    def smallest_overlap(self) -> float | None:
        """Of a mode that is reached, in units of its rounding error; None when there is none."""
        overlaps, rounding = np.abs(self.pairs.grow), np.maximum(self.rounding, np.finfo(np.float64).tiny)
        ratios = (overlaps / rounding)[: len(self.modes.s)]
        return float(np.min(ratios[ratios > 0])) if np.any(ratios > 0) else None

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit a core's cache."""
        rows = len(self.modes.v) + len(self.modes.u)
        size = max(1, min(256, _BATCH_ENTRIES // (rows * len(self.directions))))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            yield part, self.at(times[part])

    @property
    def initial_size(self) -> float:
        """Squared Frobenius norm of both layers at time 0, in squared units of the weights."""
        return float(np.sum(self.pairs.minor**2) + np.sum(self.pairs.major**2))

    def limit(self, tolerance: float) -> Factors:
        """Weights at t -> infinity, one time; rates below the tolerance times the largest one count as zero."""
        size = np.sign(self.pairs.grow) * np.sqrt(2 * np.where(self._lasting(tolerance), self.pairs.kappa, 0.0))
        return self._factors((self.pairs.p * size)[None], (self.pairs.q * size)[None])

    def limit_errors(self, tolerance: float) -> Float[np.ndarray, "out rank"]:
        """u^T (W - sigma_yx) v at t -> infinity: what is learned is learned exactly."""
        learned = (self._lasting(tolerance) & (self.pairs.grow != 0))[: len(self.modes.s)]
        return diagonal(np.where(learned, 0.0, -self.modes.s), (len(self.modes.u), len(self.modes.v)))

    def _lasting(self, tolerance: float) -> Bool[np.ndarray, " pair"]:
        return self.pairs.kappa > tolerance * np.max(self.pairs.kappa)

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times at once."""
        return self._factors(*self.pairs.at(times))

    def errors(
        self, times: Float[np.ndarray, " time"], functions: Float[np.ndarray, "time out rank"]
    ) -> Float[np.ndarray, "time out rank"]:
        """Distances u^T (W - sigma_yx) v from the task; small ones keep their digits.

        Args:
            times: a few, in units of the time constant.
            functions: u^T W v at these.
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
        """Put the strength of each column in the row of its pair."""
        matrices = np.zeros((len(strengths), n_rows, len(self.directions)))
        rows = self.columns[self.columns < n_rows]
        matrices[:, rows, np.arange(len(rows))] = strengths[:, rows]
        return matrices


def aligned(
    modes: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"], *, rounded: bool
) -> AlignedSolution | None:
    """Solve gradient flow from balanced weights on white inputs, if each mode of the task evolves alone.

    That is when, in the singular bases of the task, rows of both layers are orthogonal to all but the row of their own
    mode in the other layer, to which they are parallel: relative to the rows, so that small ones count as much.

    Args:
        modes: singular modes of the task.
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden).
        rounded: as in `closed_form`.

    Returns:
        The solution, or None for weights that are not aligned.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1; thesis Theorem 3.2.1.
    """
    if _surely_mixed(modes.v.T @ w1.T):
        return None
    first = _rows(modes.v, w1.T, rounded=rounded)
    if not _apart(first, first):
        return None
    second = _rows(modes.u, w2, rounded=rounded)
    shared, wider = len(modes.s), max(len(modes.v), len(modes.u))
    if not (_apart(second, second) and _apart(first, second)):
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
    found = aligned_modes(s, abs(modes.lam), x, y, x + y)
    noise = first.length_errors + second.length_errors
    columns = np.flatnonzero((x != 0) | (y != 0))
    return AlignedSolution(
        modes=modes,
        pairs=replace(found, grow=np.where(np.abs(found.grow) <= _ROUNDINGS * noise, 0.0, found.grow)),
        columns=columns,
        # weights of zero have one column of zeros, as in `exact`
        directions=directions[columns] if len(columns) else np.zeros((1, len(w1))),
        hidden=len(w1),
        rounding=noise + EPS * (first.lengths + second.lengths),
    )


@dataclass(frozen=True)
class _Rows:
    """One layer in a singular basis: unit vectors, or zeros, with lengths and the sizes of the errors of both."""

    units: Float[np.ndarray, "row hidden"]
    lengths: Float[np.ndarray, " row"]
    unit_errors: Float[np.ndarray, "row hidden"]
    length_errors: Float[np.ndarray, " row"]

    def lengthened(self, n_rows: int) -> "_Rows":
        """With rows of zeros at the end."""
        one, two = (0, n_rows - len(self.lengths)), ((0, n_rows - len(self.lengths)), (0, 0))
        return _Rows(
            units=np.pad(self.units, two),
            lengths=np.pad(self.lengths, one),
            unit_errors=np.pad(self.unit_errors, two),
            length_errors=np.pad(self.length_errors, one),
        )


def _rows(basis: Float[np.ndarray, "row row"], weights: Float[np.ndarray, "row hidden"], *, rounded: bool) -> _Rows:
    """Basis^T weights; zero where nothing is left but rounding, which is small beside what each entry is a sum of.

    As far as columns of the basis are not orthogonal, they see each other's rows too.
    """
    units, lengths = _units(basis.T @ weights)
    errors = row_errors(entry_errors(basis, weights), rounded=rounded).entries
    errors = errors + (np.abs(basis.T @ basis - np.eye(len(basis))) @ lengths)[:, None]
    length_errors = np.linalg.norm(units * errors, axis=1)
    present = lengths > _ROUNDINGS * length_errors
    unit_errors = errors / np.where(present, lengths, 1.0)[:, None] + EPS * np.abs(units)
    return _Rows(units * present[:, None], lengths * present, unit_errors * present[:, None], length_errors)


def _units(rows: Float[np.ndarray, "row hidden"]) -> tuple[Float[np.ndarray, "row hidden"], Float[np.ndarray, " row"]]:
    """Directions and lengths, also of rows whose squares vanish; zeros stay."""
    largest = np.max(np.abs(rows), axis=1)
    scaled = rows / np.where(largest > 0, largest, 1.0)[:, None]
    norms = np.linalg.norm(scaled, axis=1)
    return scaled / np.where(norms > 0, norms, 1.0)[:, None], largest * norms


def _apart(left: _Rows, right: _Rows) -> bool:
    """Whether rows of different modes are orthogonal."""
    cosines = np.abs(left.units @ right.units.T)
    np.fill_diagonal(cosines, 0.0)
    squares = left.unit_errors**2 @ (right.units**2).T + left.units**2 @ (right.unit_errors**2).T
    return bool(np.all(cosines <= _ROUNDINGS * np.sqrt(squares)))


def _surely_mixed(rows: Float[np.ndarray, "row hidden"]) -> bool:
    """Whether some two rows, large beside all rounding errors, are far from orthogonal, which is quick to see."""
    cosines = np.abs(rows @ rows.T)
    lengths = np.sqrt(np.diagonal(cosines))
    lengths[lengths < _LARGE * np.max(lengths)] = np.inf
    np.fill_diagonal(cosines, 0.0)
    return bool(np.any(cosines > _FAR * lengths[:, None] * lengths))


def _sign_along(directions: Float[np.ndarray, "row hidden"], rows: _Rows) -> Float[np.ndarray, " row"] | None:
    """Signs of rows along their directions, or None if some are not parallel to them."""
    cosines = np.einsum("ih,ih->i", rows.units, directions)
    off = np.abs(rows.units - cosines[:, None] * directions)
    return (
        np.copysign(1.0, cosines) if np.all(off <= _ROUNDINGS * (rows.unit_errors + EPS * np.abs(directions))) else None
    )
