"""Coordinates of the initial weights of many networks of equal widths on one task, in the eigenbasis of F.

They are computed for all networks at once by the steps of `initial_coordinates`, `echelon` and `late_deviation`.
Networks whose weights are not generic are left to these.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.initial_coordinates import entry_errors
from lindyn_service.dynamics.inverse_roots import invert_upper
from lindyn_service.dynamics.modes import Modes, modes
from lindyn_service.dynamics.singularities import Singularities, singularities

_ROUNDINGS = 8  # as in `echelon`
_LARGE, _FAR = 1e-3, 1e-6  # relative lengths and cosines that are far above rounding errors
_MAX_ROUNDINGS = 1e3  # entries beyond the rank of the weights, in rounding errors of the largest row
_MIN_PIVOT, _MAX_PIVOT = 1e-100, 1e100  # whose inverses can be squared


@dataclass(frozen=True)
class BlockModes:
    """Singular modes of one task, and the eigenpairs of F for many lambdas of one sign; see `Modes`.

    Attributes:
        one: modes for one of the lambdas; u, s and v are the same for all.
        lam: lambda of each network.
        kappa: rates per time constant.
        p: weight of the minor layer in the growing eigenvector.
        q: weight of the major layer in the growing eigenvector.
        gap: q - p.
    """

    one: Modes
    lam: Float[np.ndarray, " network"]
    kappa: Float[np.ndarray, "network mode"]
    p: Float[np.ndarray, "network mode"]
    q: Float[np.ndarray, "network mode"]
    gap: Float[np.ndarray, "network mode"]

    def __getitem__(self, which: Int[np.ndarray, " some"] | slice) -> "BlockModes":
        """Of some networks."""
        return BlockModes(self.one, self.lam[which], self.kappa[which], self.p[which], self.q[which], self.gap[which])

    @property
    def eigenvalues(self) -> Float[np.ndarray, "network row"]:
        """See `Modes.eigenvalues`."""
        n_extra = self.one.n_minor + self.one.n_major - 2 * len(self.one.s)
        sign = 0.5 if self.one.n_major > self.one.n_minor else -0.5
        extra = np.repeat(sign * np.abs(self.lam)[:, None], n_extra, axis=1)
        return np.concatenate([self.kappa, extra, -self.kappa[:, ::-1]], axis=1)

    @property
    def excess(self) -> Float[np.ndarray, "network row"]:
        """See `Modes.excess`."""
        far = self.kappa + np.abs(self.lam)[:, None] / 2
        above = self.one.s * np.divide(self.one.s, far, out=np.zeros_like(far), where=far > 0)
        rest = len(self.one.u) + len(self.one.v) - len(self.one.s)
        return np.concatenate([above, np.zeros((len(above), rest))], axis=1)


@dataclass(frozen=True)
class BlockCoordinates:
    """Echelon forms of generic weights, whose first rows are the pivots.

    Attributes:
        modes: eigenpairs of F.
        lower: echelon forms, in which the decaying rows replace those of the minor layer.
        minor: rows of the minor layer in the order of the modes.
        overlaps: smallest overlap of each network with a growing mode, in units of its rounding error.
        n_fading: number of last columns without growing rows, 0 or 1.
    """

    modes: BlockModes
    lower: Float[np.ndarray, "network row pivot"]
    minor: Float[np.ndarray, "network mode pivot"]
    overlaps: Float[np.ndarray, " network"]
    n_fading: int = 0

    @property
    def n_learned(self) -> int:
        """Number of growing pivots."""
        return self.lower.shape[2] - self.n_fading

    @property
    def singularities(self) -> Singularities:
        """See `Solution.singularities`."""
        own = np.arange(min(self.n_learned, len(self.modes.one.s)))
        growing, rows = self.lower[:, own, own] ** 2, self.lower[:, ::-1][:, own]
        return singularities(self.modes.kappa[:, own], growing, np.vecdot(rows, rows))

    def __getitem__(self, which: Int[np.ndarray, " some"] | slice) -> "BlockCoordinates":
        """Of some networks."""
        modes, rest = self.modes[which], (self.lower[which], self.minor[which], self.overlaps[which])
        return BlockCoordinates(modes, *rest, self.n_fading)


def block_modes(sigma_yx: Float[np.ndarray, "out in"], lam: Float[np.ndarray, " network"]) -> BlockModes:
    """Diagonalise F for one task and many balances of one sign.

    Args:
        sigma_yx: input-output correlation, (out, in).
        lam: lambda of each network, all negative or all non-negative.

    Source: as for `modes`.
    """
    distinct, place = np.unique(lam, return_inverse=True)
    one = modes(sigma_yx, float(distinct[0]))
    half = np.abs(distinct)[:, None] / 2
    kappa = np.hypot(one.s, half)
    norm = np.hypot(one.s, kappa + half)
    vanishing = norm == 0
    norm[vanishing] = 1.0
    p, q = one.s / norm, (kappa + half) / norm
    p[vanishing] = q[vanishing] = np.sqrt(0.5)
    gap = np.divide(half, kappa * (p + q), out=np.zeros_like(kappa), where=~vanishing)
    return BlockModes(one, lam, *(values[place] for values in (kappa, p, q, gap)))


def block_coordinates(
    basis: BlockModes, w1: Float[np.ndarray, "network hidden in"], w2: Float[np.ndarray, "network out hidden"]
) -> tuple[BlockCoordinates, Bool[np.ndarray, " network"]]:
    """Compute the coordinates of drawn weights.

    Args:
        basis: eigenpairs of F for the task and the balances.
        w1: initial first layers.
        w2: initial second layers.

    Returns:
        The coordinates, and for each network whether they are valid: whether its weights are generic and not aligned.

    Source: as for `coordinates` and `echelon`.
    """
    into, out = basis.one.v.T @ w1.transpose(0, 2, 1), basis.one.u.T @ w2
    small, large = (out, into) if basis.one.exchanged else (into, out)
    g, errors = _rows(basis, small, large), _row_errors(basis, w1, w2)
    lower, is_whole = _lower_factors(g, _most_pivots(basis, w1.shape[1]), errors)
    overlaps, generic = _overlaps(lower, errors, basis.eigenvalues)
    return _coordinates(basis, lower, overlaps, 0), generic & is_whole & _surely_mixed(into, out)


def saddle_coordinates(
    basis: BlockModes, w1: Float[np.ndarray, "network hidden in"], w2: Float[np.ndarray, "network out hidden"]
) -> tuple[BlockCoordinates, Bool[np.ndarray, " network"]]:
    """Compute the coordinates of weights with lambda = 0 and in = out that miss the weakest mode only.

    Args:
        basis: eigenpairs of F, as for `block_coordinates`.
        w1: initial first layers.
        w2: initial second layers.

    Returns:
        The coordinates, whose last column has decaying rows only, and for each network whether they are valid.

    Source: docs/theory.md, section 2: half of these weights have the sign that the flow cannot change.
    """
    m = len(basis.one.s)
    into, out = basis.one.v.T @ w1.transpose(0, 2, 1), basis.one.u.T @ w2
    g, errors = _rows(basis, into, out), _row_errors(basis, w1, w2)
    order = np.r_[: m - 1, m : 2 * m, m - 1]
    reduced, is_whole = _lower_factors(g[:, order], m, errors[:, order])
    overlaps, generic = _overlaps(reduced[:, :, : m - 1], errors[:, order], basis.eigenvalues[:, order])
    is_missed, last = _is_missed(reduced, errors), reduced[:, -1:].copy()
    last[:, :, m - 1] = 0.0
    lower = np.concatenate([reduced[:, : m - 1], last, reduced[:, m - 1 : -1]], axis=1)
    return _coordinates(basis, lower, overlaps, 1), generic & is_whole & is_missed & _surely_mixed(into, out)


def _is_missed(
    reduced: Float[np.ndarray, "network row pivot"], errors: Float[np.ndarray, "network row"]
) -> Bool[np.ndarray, " network"]:
    """Whether the last row, of the weakest mode, is at rounding level, while the last column is far above it."""
    m = reduced.shape[2]
    leading, row = reduced[:, : m - 1, : m - 1], reduced[:, -1]
    with np.errstate(all="ignore"):  # networks that are not generic may overflow
        weights = np.abs(row[:, None, : m - 1] @ invert_upper(leading.transpose(0, 2, 1)).transpose(0, 2, 1))[:, 0]
        doubts = errors[:, m - 1] + np.vecdot(weights, errors[:, : m - 1])
    column = np.abs(reduced[:, m - 1, m - 1])
    return (np.abs(row[:, m - 1]) <= _ROUNDINGS * doubts) & (column > _FAR * np.max(np.abs(reduced), axis=(1, 2)))


def _most_pivots(basis: BlockModes, n_hidden: int) -> int:
    """Rank of drawn weights in the hidden space: with lambda = 0, at most the rank of the network function."""
    one = basis.one
    most = len(one.s) if not np.any(basis.lam) else one.n_minor + one.n_major
    return min(n_hidden, most)


def _lower_factors(
    g: Float[np.ndarray, "network row hidden"], n_pivots: int, errors: Float[np.ndarray, "network row"]
) -> tuple[Float[np.ndarray, "network row pivot"], Bool[np.ndarray, " network"]]:
    """Lower factors with this number of columns, and whether further columns of a network are rounding errors."""
    factors = np.asarray(np.linalg.qr(g.transpose(0, 2, 1), mode="r"))
    beyond = np.max(np.abs(factors[:, n_pivots:]), axis=(1, 2), initial=0.0)
    is_whole = beyond <= _MAX_ROUNDINGS * np.max(errors, axis=1)
    return np.ascontiguousarray(factors[:, :n_pivots].transpose(0, 2, 1)), is_whole


def _coordinates(
    basis: BlockModes,
    lower: Float[np.ndarray, "network row pivot"],
    overlaps: Float[np.ndarray, " network"],
    n_fading: int,
) -> BlockCoordinates:
    """Replace rows of the minor layer by the decaying rows."""
    n_rows, m = lower.shape[1], len(basis.one.s)
    minor = lower[:, n_rows - m :][:, ::-1]
    decay = (minor - basis.p[:, :, None] * lower[:, :m]) / basis.q[:, :, None]
    whole = np.concatenate([lower[:, : n_rows - m], decay[:, ::-1]], axis=1)
    return BlockCoordinates(basis, whole, minor, overlaps, n_fading)


def _rows(
    basis: BlockModes,
    small: Float[np.ndarray, "network minor hidden"],
    large: Float[np.ndarray, "network major hidden"],
) -> Float[np.ndarray, "network row hidden"]:
    """Rows to be reduced to echelon form, as in `initial_coordinates.rows`."""
    m = len(basis.one.s)
    grow = basis.p[:, :, None] * (small[:, :m] + large[:, :m]) + basis.gap[:, :, None] * large[:, :m]
    return np.concatenate([grow, small[:, m:], large[:, m:], small[:, :m][:, ::-1]], axis=1)


def _row_errors(
    basis: BlockModes, w1: Float[np.ndarray, "network hidden in"], w2: Float[np.ndarray, "network out hidden"]
) -> Float[np.ndarray, "network row"]:
    """Sizes of the rounding errors of rows."""
    m = len(basis.one.s)
    into, out = entry_errors(basis.one.v, w1.transpose(0, 2, 1)), entry_errors(basis.one.u, w2)
    small, large = (out, into) if basis.one.exchanged else (into, out)
    grow = basis.p[:, :, None] * small[:, :m] + basis.q[:, :, None] * large[:, :m]
    entries = np.concatenate([grow, small[:, m:], large[:, m:], small[:, :m][:, ::-1]], axis=1)
    return np.sqrt(np.vecdot(entries, entries))


def _overlaps(
    lower: Float[np.ndarray, "network row pivot"],
    errors: Float[np.ndarray, "network row"],
    f: Float[np.ndarray, "network row"],
) -> tuple[Float[np.ndarray, " network"], Bool[np.ndarray, " network"]]:
    """Smallest overlaps in units of rounding errors, and whether all first rows are pivots, as in `echelon`."""
    n = lower.shape[2]
    leading, errors = lower[:, :n], errors[:, :n]
    pivots = np.abs(np.einsum("bii->bi", leading))
    generic = np.all(pivots > _ROUNDINGS * errors, axis=1) & (f[:, n - 1] >= 0)
    generic &= np.all((pivots > _MIN_PIVOT) & (pivots < _MAX_PIVOT), axis=1)
    with np.errstate(all="ignore"):  # of networks that are not generic
        inverse = np.abs(invert_upper(leading.transpose(0, 2, 1))).transpose(0, 2, 1)
        sizes = errors + EPS * np.sqrt(np.vecdot(leading, leading))
        relative = (inverse @ sizes[:, :, None])[:, :, 0]
        generic &= _ROUNDINGS * np.max(relative, axis=1) < 1
        doubts = np.maximum(pivots * relative, EPS * np.sqrt(np.einsum("brp,brp->bp", lower, lower)))
        overlaps = np.where(f[:, :n] > 0, pivots / doubts, np.inf)
    return np.min(overlaps, axis=1), generic


def _surely_mixed(
    into: Float[np.ndarray, "network in hidden"], out: Float[np.ndarray, "network out hidden"]
) -> Bool[np.ndarray, " network"]:
    """Whether two long rows of different modes are far from orthogonal, so that the weights are not aligned."""
    first, second = _large_units(into), _large_units(out)
    mixed = np.zeros(len(into), dtype=bool)
    for one, other in ((first, first), (second, second), (first, second)):
        cosines = np.abs(one @ other.transpose(0, 2, 1))
        np.einsum("bii->bi", cosines[:, : cosines.shape[2], : cosines.shape[1]])[:] = 0.0
        mixed |= np.any(cosines > _FAR, axis=(1, 2))
    return mixed


def _large_units(rows: Float[np.ndarray, "network row hidden"]) -> Float[np.ndarray, "network row hidden"]:
    """Unit vectors along rows; zeros for rows that are short compared with others."""
    lengths = np.sqrt(np.vecdot(rows, rows))
    lengths[(lengths < _LARGE * np.max(lengths, axis=1, keepdims=True)) | (lengths == 0)] = np.inf
    return rows / lengths[:, :, None]
