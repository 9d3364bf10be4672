"""The initial weights of many networks of equal widths along the eigenvectors of the flow of their one task.

What `coordinates`, `echelon` and `late` do for one network is done here for all at once, by the same steps; networks
whose weights are not generic are left to those.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.initial_coordinates import entry_errors
from lindyn_service.dynamics.inverse_roots import invert_upper
from lindyn_service.dynamics.modes import Modes, modes

_ROUNDINGS = 8  # as in `echelon`
_LARGE, _FAR = 1e-3, 1e-6  # lengths beside the largest, and cosines: by no rounding errors
_MOST_ROUNDINGS = 1e3  # beyond the rank of weights, of the largest row
_SMALLEST_PIVOT, _LARGEST_PIVOT = 1e-100, 1e100  # whose inverses can be squared


@dataclass(frozen=True)
class BlockModes:
    """Singular modes of one task, and the eigenpairs of F for many lambdas of one sign; see `Modes`.

    Attributes:
        one: modes for one of the lambdas, of which u, s and v are those of all.
        lam: of each network.
        kappa: rates.
        p: in the minor layer.
        q: in the major layer.
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
    """Echelon forms of generic weights: the first rows are the pivots.

    Attributes:
        modes: eigenpairs of F.
        lower: the echelon forms, with rows that decay in the places of those of the minor layer.
        minor: rows of the minor layer, mode by mode.
        overlaps: the smallest overlap with a mode that grows, in units of its rounding error.
        n_fading: columns at the end, none or one, whose rows all decay.
    """

    modes: BlockModes
    lower: Float[np.ndarray, "network row pivot"]
    minor: Float[np.ndarray, "network mode pivot"]
    overlaps: Float[np.ndarray, " network"]
    n_fading: int = 0

    @property
    def n_learned(self) -> int:
        """Number of pivots that grow."""
        return self.lower.shape[2] - self.n_fading

    def __getitem__(self, which: Int[np.ndarray, " some"] | slice) -> "BlockCoordinates":
        """Of some networks."""
        modes, rest = self.modes[which], (self.lower[which], self.minor[which], self.overlaps[which])
        return BlockCoordinates(modes, *rest, self.n_fading)


def block_modes(sigma_yx: Float[np.ndarray, "out in"], lam: Float[np.ndarray, " network"]) -> BlockModes:
    """Diagonalise F for one task and many balances of one sign.

    Args:
        sigma_yx: input-output correlation, (out, in).
        lam: all negative, or none.

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
    """Find the coordinates of drawn weights.

    Args:
        basis: eigenpairs of F for the task and the balances.
        w1: first layers.
        w2: second layers.

    Returns:
        The coordinates, and of which networks they are right: generic weights, which are surely not aligned.

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
    """Find the coordinates of weights with lambda = 0 and in = out that miss the weakest mode, and no other.

    Args:
        basis: as for `block_coordinates`.
        w1: first layers.
        w2: second layers.

    Returns:
        The coordinates, whose last column fades, and of which networks they are right.

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
    """Whether the row of the weakest mode, the last one, is surely nothing beside its errors, and the column is not."""
    m = reduced.shape[2]
    leading, row = reduced[:, : m - 1, : m - 1], reduced[:, -1]
    with np.errstate(all="ignore"):  # of networks that are not generic
        weights = np.abs(row[:, None, : m - 1] @ invert_upper(leading.transpose(0, 2, 1)).transpose(0, 2, 1))[:, 0]
        doubts = errors[:, m - 1] + np.vecdot(weights, errors[:, : m - 1])
    column = np.abs(reduced[:, m - 1, m - 1])
    return (np.abs(row[:, m - 1]) <= _ROUNDINGS * doubts) & (column > _FAR * np.max(np.abs(reduced), axis=(1, 2)))


def _most_pivots(basis: BlockModes, n_hidden: int) -> int:
    """Number of hidden directions that drawn weights have: with lambda = 0 those of the network function only."""
    one = basis.one
    most = len(one.s) if not np.any(basis.lam) else one.n_minor + one.n_major
    return min(n_hidden, most)


def _lower_factors(
    g: Float[np.ndarray, "network row hidden"], n_pivots: int, errors: Float[np.ndarray, "network row"]
) -> tuple[Float[np.ndarray, "network row pivot"], Bool[np.ndarray, " network"]]:
    """Lower factors with these pivots, and for which networks the columns beyond are rounding errors."""
    factors = np.asarray(np.linalg.qr(g.transpose(0, 2, 1), mode="r"))
    beyond = np.max(np.abs(factors[:, n_pivots:]), axis=(1, 2), initial=0.0)
    is_whole = beyond <= _MOST_ROUNDINGS * np.max(errors, axis=1)
    return np.ascontiguousarray(factors[:, :n_pivots].transpose(0, 2, 1)), is_whole


def _coordinates(
    basis: BlockModes,
    lower: Float[np.ndarray, "network row pivot"],
    overlaps: Float[np.ndarray, " network"],
    n_fading: int,
) -> BlockCoordinates:
    """Put rows that decay in the places of those of the minor layer."""
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
    """As in `coordinates.rows`."""
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
    """Smallest overlaps in rounding errors, and whether each of the first rows is a pivot, as in `echelon`."""
    n = lower.shape[2]
    leading, errors = lower[:, :n], errors[:, :n]
    pivots = np.abs(np.einsum("bii->bi", leading))
    generic = np.all(pivots > _ROUNDINGS * errors, axis=1) & (f[:, n - 1] >= 0)
    generic &= np.all((pivots > _SMALLEST_PIVOT) & (pivots < _LARGEST_PIVOT), axis=1)
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
    """Whether some two rows of different modes, large beside all rounding errors, are not orthogonal: see `aligned`."""
    first, second = _large_units(into), _large_units(out)
    mixed = np.zeros(len(into), dtype=bool)
    for one, other in ((first, first), (second, second), (first, second)):
        cosines = np.abs(one @ other.transpose(0, 2, 1))
        np.einsum("bii->bi", cosines[:, : cosines.shape[2], : cosines.shape[1]])[:] = 0.0
        mixed |= np.any(cosines > _FAR, axis=(1, 2))
    return mixed


def _large_units(rows: Float[np.ndarray, "network row hidden"]) -> Float[np.ndarray, "network row hidden"]:
    """Directions of rows; zeros for those that are small beside others."""
    lengths = np.sqrt(np.vecdot(rows, rows))
    lengths[(lengths < _LARGE * np.max(lengths, axis=1, keepdims=True)) | (lengths == 0)] = np.inf
    return rows / lengths[:, :, None]
