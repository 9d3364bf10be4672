"""Aligned networks: weights in the singular bases of the task, where each mode learns alone.

A mode whose rows of both layers lie along one direction of the hidden space has two strengths, x of the minor layer
(w1 for lam >= 0, w2 for lam < 0) and y of the major one, and with |lam| for lam
tau d(x, y)/dt = [[-lam/2, s], [s, lam/2]] (x, y) - (x^2 + y^2)/2 (x, y): the two-dimensional case of the exact
solution. Arbitrarily small strengths keep their digits, also beside large ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.coordinates import product_errors
from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.exact import Factors
from lindyn_service.dynamics.modes import Modes, diagonal
from lindyn_service.dynamics.phi import phi

_ROUNDINGS = 16  # of the size of a rounding error, up to which an angle or an overlap is none

_LARGE, _FAR = 1e-3, 1e-1  # of lengths relative to the largest, and of cosines: by no rounding errors

_BATCH_ENTRIES = 2**16  # as in `exact`
_ENOUGH_GROWTH = 40.0  # e^40 times the size of a learned mode: beside its square float64 hides all else
_ENOUGH_DECAY = 700.0
_NEAR = 0.3  # of the strength of a mode: a distance that subtraction leaves all digits
_LARGEST_EXPONENT = 345.0  # the square of e^345 is 1e299


@dataclass(frozen=True)
class Pairs:
    """Two strengths for each mode, and their coordinates along the eigenvectors (p, q) and (q, -p).

    Attributes:
        minor: strengths x of the minor layer.
        major: strengths y of the major layer.
        p: first entry of the eigenvector that grows with kappa; the other decays with kappa.
        q: second entry.
        kappa: rates.
        grow: p x + q y.
        decay: q x - p y.
    """

    minor: Float[np.ndarray, " mode"]
    major: Float[np.ndarray, " mode"]
    p: Float[np.ndarray, " mode"]
    q: Float[np.ndarray, " mode"]
    kappa: Float[np.ndarray, " mode"]
    grow: Float[np.ndarray, " mode"]
    decay: Float[np.ndarray, " mode"]

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]:
        """Strengths of both layers, without overflow at any time.

        (x, y) e^{-kappa t} + (p, q) grown (1 - E) over the root of 1 + (grown^2 + decay^2) (1 - E) / (2 kappa), where
        grown = grow e^{kappa t} and E = e^{-2 kappa t}: strengths of one sign are sums of positive numbers.
        """
        phase = self.kappa * times[:, None]
        growth = np.minimum(phase, self._enough())
        half = np.exp(growth / 2)  # twice: e^{growth} may overflow where `grow` is tiny
        grown = self.grow * half * half
        norm = np.sqrt(1 + (grown**2 + self.decay**2) * (times[:, None] * phi(2 * phase)))
        left = np.exp(growth - 2 * phase)  # in units of the growth that is left out
        grown *= -np.expm1(-2 * phase)
        return (self.minor * left + self.p * grown) / norm, (self.major * left + self.q * grown) / norm

    def errors(
        self, times: Float[np.ndarray, " time"], products: Float[np.ndarray, "time mode"]
    ) -> Float[np.ndarray, "time mode"]:
        """Distances x y - s; small ones keep their digits.

        With r = e^{-kappa t} / grow and h = t phi(2 kappa t) (1 + (decay r)^2) + r^2 the modes have, in coordinates of
        the eigenvectors, the squares 1 / h, decay^2 grow^2 r^4 / h, and the product decay grow r^2 / h.

        Args:
            times: as for `at`.
            products: x y at these.
        """
        s = 2 * self.kappa * self.p * self.q
        distances = products - s
        near = (self.grow != 0) & (np.abs(distances) < _NEAR * s)
        exponent = -self.kappa * times[:, None] - np.log(np.where(near, np.abs(self.grow), 1.0))
        r = np.where(near, np.exp(2 * np.minimum(exponent, _LARGEST_EXPONENT)), 0.0)
        settled = times[:, None] * phi(2 * self.kappa * times[:, None])
        h = settled * (1 + self.decay**2 * r) + r
        behind = r * (self.grow**2 - 2 * self.kappa * (1 + self.decay**2 * settled))
        both = self.decay * self.grow * r
        late = self.p * self.q * (behind - both**2) + (self.q**2 - self.p**2) * both
        np.divide(late, h, out=late, where=near)
        return np.where(near, late, distances)

    def _enough(self) -> Float[np.ndarray, " mode"]:
        """Growth from where on a mode is learned to all digits; without overlap, until its weights vanish."""
        size = np.hypot(np.sqrt(2 * self.kappa), np.hypot(self.grow, self.decay))
        grows = self.grow != 0
        logarithms = np.log(np.where(grows, size, 1.0)) - np.log(np.where(grows, np.abs(self.grow), 1.0))
        return np.where(grows, logarithms + _ENOUGH_GROWTH, _ENOUGH_DECAY)


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
    pairs: Pairs
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


def aligned_strengths(
    s: Float[np.ndarray, " mode"],
    a0: Float[np.ndarray, " mode"],
    lam: float,
    times: Float[np.ndarray, " time"],
) -> Float[np.ndarray, "time mode"]:
    """Follow the modes of an aligned balanced network, tau da/dt = sqrt(lam^2 + 4 a^2) (s - a).

    Args:
        s: singular values of the task, non-negative.
        a0: strengths at time 0, of either sign; with lam = 0 those below 0 only rise to 0.
        lam: balance.
        times: non-negative, in units of the time constant.

    Source: Saxe et al. (2014), arXiv 1312.6120, for lam = 0, and thesis Theorem 3.2.1 with the exponent
    sgn(lam) K t / tau and the denominators sqrt(lam^2 + 4 a^2) + |lam|; evaluated as in `Pairs.at`.
    """
    x, y = _layers(a0, abs(lam))
    # layers of opposite signs nearly cancel: y^2 - x^2 = |lam|
    total = np.divide(abs(lam), y - x, out=x + y, where=a0 < 0)
    minor, major = _pairs(s, abs(lam), x, y, total).at(times)
    return minor * major


def aligned(
    modes: Modes, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]
) -> AlignedSolution | None:
    """Solve gradient flow from balanced weights on white inputs, if each mode of the task evolves alone.

    That is when, in the singular bases of the task, rows of both layers are orthogonal to all but the row of their own
    mode in the other layer, to which they are parallel: relative to the rows, so that small ones count as much.

    Returns:
        The solution, or None for weights that are not aligned.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1; thesis Theorem 3.2.1.
    """
    if _surely_mixed(modes.v.T @ w1.T):
        return None
    first = _rows(modes.v, w1.T)
    if not _apart(first, first):
        return None
    second = _rows(modes.u, w2)
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
    pairs = _pairs(s, abs(modes.lam), x, y, x + y)
    noise = _ROUNDINGS * (first.errors + second.errors)
    columns = np.flatnonzero((x != 0) | (y != 0))
    return AlignedSolution(
        modes=modes,
        pairs=replace(pairs, grow=np.where(np.abs(pairs.grow) <= noise, 0.0, pairs.grow)),
        columns=columns,
        # weights of zero have one column of zeros, as in `exact`
        directions=directions[columns] if len(columns) else np.zeros((1, len(w1))),
        hidden=len(w1),
        rounding=first.errors + second.errors + EPS * (first.lengths + second.lengths),
    )


@dataclass(frozen=True)
class _Rows:
    """One layer in a singular basis: unit vectors, or zeros, with lengths and the rounding errors of both."""

    units: Float[np.ndarray, "row hidden"]
    lengths: Float[np.ndarray, " row"]
    errors: Float[np.ndarray, " row"]

    @property
    def doubt(self) -> Float[np.ndarray, " row"]:
        """Largest angle by rounding."""
        return _ROUNDINGS * (EPS + self.errors / np.where(self.lengths > 0, self.lengths, 1.0))

    def lengthened(self, n_rows: int) -> "_Rows":
        """With rows of zeros at the end."""
        missing = n_rows - len(self.lengths)
        lengths, errors = np.pad(self.lengths, (0, missing)), np.pad(self.errors, (0, missing))
        return _Rows(np.pad(self.units, ((0, missing), (0, 0))), lengths, errors)


def _rows(basis: Float[np.ndarray, "row row"], weights: Float[np.ndarray, "row hidden"]) -> _Rows:
    """Basis^T weights; zero where nothing is left but rounding, which is small beside what each entry is a sum of.

    As far as columns of the basis are not orthogonal, they see each other's rows too.
    """
    units, lengths = _units(basis.T @ weights)
    errors = product_errors(basis, weights).computed
    errors += np.abs(basis.T @ basis - np.eye(len(basis))) @ lengths
    present = lengths > _ROUNDINGS * errors
    return _Rows(units * present[:, None], lengths * present, errors)


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
    return bool(np.all(cosines <= left.doubt[:, None] + right.doubt))


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
    off = np.linalg.norm(rows.units - cosines[:, None] * directions, axis=1)
    return np.copysign(1.0, cosines) if np.all(off <= rows.doubt) else None


def _layers(
    strengths: Float[np.ndarray, " mode"], lam: float
) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, " mode"]]:
    """Strengths of both layers from those of their product; the minor one by division, so that nothing cancels."""
    major = np.sqrt(np.hypot(strengths, lam / 2) + lam / 2)
    return np.divide(strengths, major, out=np.zeros_like(major), where=major > 0), major


def _pairs(
    s: Float[np.ndarray, " mode"],
    lam: float,
    x: Float[np.ndarray, " mode"],
    y: Float[np.ndarray, " mode"],
    total: Float[np.ndarray, " mode"],
) -> Pairs:
    """Pairs of modes s from the strengths of the layers and their sum, for lam >= 0.

    The growing eigenvector lies along the layers of the learned mode; p x + q y is written as in `Modes.grow`.
    """
    kappa = np.hypot(s, lam / 2)
    p, q = (np.where(kappa > 0, layer, 1.0) for layer in _layers(s, lam))
    norm = np.hypot(p, q)
    p, q = p / norm, q / norm
    gap = np.divide(lam, 2 * kappa * (p + q), out=np.zeros_like(kappa), where=kappa > 0)
    return Pairs(x, y, p, q, kappa, grow=p * total + gap * y, decay=q * x - p * y)
