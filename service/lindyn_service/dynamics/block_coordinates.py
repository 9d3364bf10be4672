"""Initial weights of many networks of equal widths on one task, in the eigenbasis of F.

The steps are those of `initial_coordinates`, `echelon` and `late_deviation` for one network, vectorized over networks.
Networks whose weights are not generic are flagged and left to these modules.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.echelon import EPS
from lindyn_service.dynamics.initial_coordinates import entry_errors
from lindyn_service.dynamics.inverse_roots import invert_upper
from lindyn_service.dynamics.modes import Modes, modes

_ROUNDING_FACTOR = 8  # as in `echelon`
# rows this long, relative to the longest, with at least this cosine are not orthogonal, even with rounding errors
_MIN_RELATIVE_LENGTH, _MIN_COSINE = 1e-3, 1e-6
_MIN_PIVOT, _MAX_PIVOT = 1e-100, 1e100  # squares of their inverses neither overflow nor underflow


@dataclass(frozen=True)
class BlockModes:
    """Singular modes of one task, and the eigenpairs of F for many balances lambda of one sign; see `Modes`.

    Attributes:
        one: modes for one of the balances; u, s and v are the same for all.
        lam: balance of each network.
        kappa: rates, per time constant.
        p: weights of the minor layer in the growing eigenvectors.
        q: weights of the major layer in the growing eigenvectors.
        gap: differences q - p.
    """

    one: Modes
    lam: Float[np.ndarray, " network"]
    kappa: Float[np.ndarray, "network mode"]
    p: Float[np.ndarray, "network mode"]
    q: Float[np.ndarray, "network mode"]
    gap: Float[np.ndarray, "network mode"]

    def __getitem__(self, which: Int[np.ndarray, " some"] | slice) -> "BlockModes":
        """Modes of some of the networks."""
        return BlockModes(self.one, self.lam[which], self.kappa[which], self.p[which], self.q[which], self.gap[which])

    @property
    def eigenvalues(self) -> Float[np.ndarray, "network row"]:
        """Eigenvalues of F for each network, as `Modes.eigenvalues`."""
        n_extra = self.one.n_minor + self.one.n_major - 2 * len(self.one.s)
        sign = 0.5 if self.one.n_major > self.one.n_minor else -0.5
        extra = np.repeat(sign * np.abs(self.lam)[:, None], n_extra, axis=1)
        return np.concatenate([self.kappa, extra, -self.kappa[:, ::-1]], axis=1)

    @property
    def excess(self) -> Float[np.ndarray, "network row"]:
        """Excess of the eigenvalues for each network, as `Modes.excess`."""
        far = self.kappa + np.abs(self.lam)[:, None] / 2
        above = self.one.s * np.divide(self.one.s, far, out=np.zeros_like(far), where=far > 0)
        rest = len(self.one.u) + len(self.one.v) - len(self.one.s)
        return np.concatenate([above, np.zeros((len(above), rest))], axis=1)


@dataclass(frozen=True)
class BlockCoordinates:
    """Echelon forms of generic weights, whose pivots are the first rows.

    Attributes:
        modes: eigenpairs of F.
        lower: echelon forms, whose last rows belong to the decaying eigenvectors.
        minor: rows of the minor layer in the order of the modes.
        overlaps: smallest overlap of each network with a growing mode, in units of its rounding error.
    """

    modes: BlockModes
    lower: Float[np.ndarray, "network row pivot"]
    minor: Float[np.ndarray, "network mode pivot"]
    overlaps: Float[np.ndarray, " network"]

    def __getitem__(self, which: Int[np.ndarray, " some"] | slice) -> "BlockCoordinates":
        """Coordinates of some of the networks."""
        return BlockCoordinates(self.modes[which], self.lower[which], self.minor[which], self.overlaps[which])


def block_modes(sigma_yx: Float[np.ndarray, "out in"], lam: Float[np.ndarray, " network"]) -> BlockModes:
    """Diagonalise F for one task and many balances of one sign.

    Args:
        sigma_yx: input-output correlation, (out, in).
        lam: balances, either all negative or all non-negative.

    Source: as for `modes`.
    """
    distinct, index = np.unique(lam, return_inverse=True)
    one = modes(sigma_yx, float(distinct[0]))
    half = np.abs(distinct)[:, None] / 2
    kappa = np.hypot(one.s, half)
    norm = np.hypot(one.s, kappa + half)
    vanishing = norm == 0
    norm[vanishing] = 1.0
    p, q = one.s / norm, (kappa + half) / norm
    p[vanishing] = q[vanishing] = np.sqrt(0.5)
    gap = np.divide(half, kappa * (p + q), out=np.zeros_like(kappa), where=~vanishing)
    return BlockModes(one, lam, *(values[index] for values in (kappa, p, q, gap)))


def block_coordinates(
    basis: BlockModes, w1: Float[np.ndarray, "network hidden in"], w2: Float[np.ndarray, "network out hidden"]
) -> tuple[BlockCoordinates, Bool[np.ndarray, " network"]]:
    """Compute the echelon forms of the initial weights of many networks.

    Args:
        basis: eigenpairs of F for the task and the balances.
        w1: initial first layers, (network, hidden, in).
        w2: initial second layers, (network, out, hidden).

    Returns:
        The coordinates, and for which networks they are valid: those whose weights are generic and clearly not aligned.

    Source: as for `coordinates` and `echelon`.
    """
    into, out = basis.one.v.T @ w1.transpose(0, 2, 1), basis.one.u.T @ w2
    small, large = (out, into) if basis.one.exchanged else (into, out)
    g, errors = _rows(basis, small, large), _row_errors(basis, w1, w2)
    n_rows, m = g.shape[1], len(basis.one.s)
    lower = np.asarray(np.linalg.qr(g.transpose(0, 2, 1), mode="r")).transpose(0, 2, 1)
    overlaps, generic = _overlaps(lower, errors, basis.eigenvalues)
    minor = lower[:, n_rows - m :][:, ::-1]
    decay = (minor - basis.p[:, :, None] * lower[:, :m]) / basis.q[:, :, None]
    echelon_form = np.concatenate([lower[:, : n_rows - m], decay[:, ::-1]], axis=1)
    return BlockCoordinates(basis, echelon_form, minor, overlaps), generic & _clearly_not_orthogonal(into, out)


def _rows(
    basis: BlockModes,
    small: Float[np.ndarray, "network minor hidden"],
    large: Float[np.ndarray, "network major hidden"],
) -> Float[np.ndarray, "network row hidden"]:
    """Coordinates along the growing eigenvectors, and rows of the layers, as in `initial_coordinates`."""
    m = len(basis.one.s)
    grow = basis.p[:, :, None] * (small[:, :m] + large[:, :m]) + basis.gap[:, :, None] * large[:, :m]
    return np.concatenate([grow, small[:, m:], large[:, m:], small[:, :m][:, ::-1]], axis=1)


def _row_errors(
    basis: BlockModes, w1: Float[np.ndarray, "network hidden in"], w2: Float[np.ndarray, "network out hidden"]
) -> Float[np.ndarray, "network row"]:
    """Norms of the rounding errors of the rows."""
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
    """Smallest overlaps in units of rounding errors, and whether the first rows are the pivots, as in `echelon`."""
    n = lower.shape[2]
    leading, errors = lower[:, :n], errors[:, :n]
    pivots = np.abs(np.einsum("bii->bi", leading))
    generic = np.all(pivots > _ROUNDING_FACTOR * errors, axis=1) & (f[:, n - 1] >= 0)
    generic &= np.all((pivots > _MIN_PIVOT) & (pivots < _MAX_PIVOT), axis=1)
    with np.errstate(all="ignore"):  # weights that are not generic may overflow or divide by zero; they are not used
        inverse = np.abs(invert_upper(leading.transpose(0, 2, 1))).transpose(0, 2, 1)
        sizes = errors + EPS * np.sqrt(np.vecdot(leading, leading))
        relative = (inverse @ sizes[:, :, None])[:, :, 0]
        generic &= _ROUNDING_FACTOR * np.max(relative, axis=1) < 1
        rounding_errors = np.maximum(pivots * relative, EPS * np.sqrt(np.einsum("brp,brp->bp", lower, lower)))
        overlaps = np.where(f[:, :n] > 0, pivots / rounding_errors, np.inf)
    return np.min(overlaps, axis=1), generic


def _clearly_not_orthogonal(
    into: Float[np.ndarray, "network in hidden"], out: Float[np.ndarray, "network out hidden"]
) -> Bool[np.ndarray, " network"]:
    """Whether two long rows of different modes are clearly not orthogonal, so that the weights are not aligned."""
    first, second = _units_of_long_rows(into), _units_of_long_rows(out)
    overlapping = np.zeros(len(into), dtype=bool)
    for one, other in ((first, first), (second, second), (first, second)):
        cosines = np.abs(one @ other.transpose(0, 2, 1))
        np.einsum("bii->bi", cosines[:, : cosines.shape[2], : cosines.shape[1]])[:] = 0.0
        overlapping |= np.any(cosines > _MIN_COSINE, axis=(1, 2))
    return overlapping


def _units_of_long_rows(rows: Float[np.ndarray, "network row hidden"]) -> Float[np.ndarray, "network row hidden"]:
    """Unit vectors along the rows; zeros for rows that are short compared with the longest."""
    lengths = np.sqrt(np.vecdot(rows, rows))
    lengths[(lengths < _MIN_RELATIVE_LENGTH * np.max(lengths, axis=1, keepdims=True)) | (lengths == 0)] = np.inf
    return rows / lengths[:, :, None]
