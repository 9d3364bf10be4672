"""Bases of inputs and outputs in which the task, the input correlation and the weights are diagonal, if possible.

Singular vectors of equal singular values of the task are determined only up to a rotation of their block. This freedom
is used to diagonalise first the input correlation and then the weights.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.layers import network_function
from lindyn_service.dynamics.least_squares import EPS, spanned

_ROUNDING_FACTOR = 128  # equal values differ by at most this times n eps times the largest, as in `alignment`
_TRIALS = 6  # rotations of a block; the Newton steps among them converge quadratically
# generic coefficients, so that modes that differ in some matrix also differ in the sum of all matrices
_MIXTURE = (
    1.0,
    0.61803398875,
    0.41421356237,
    0.73205080757,
    0.2360679775,
)


@dataclass(frozen=True)
class ModeBasis:
    """Orthogonal bases of inputs and outputs in the order of their modes.

    Attributes:
        u: (out, out), orthogonal; column a belongs to mode a.
        v: (in, in), orthogonal; column a belongs to mode a.
        s: singular value of each mode: positive ones, descending, then zeros for directions that only weights couple.
        d: input variance of each column of v; zero where there are no inputs.
        mixing: Frobenius norm of the off-diagonal part of V^T sigma_xx V, relative to that of sigma_xx.
        unseen: largest singular value of a mode without inputs, relative to the largest one; it is zero for moments of
            samples.
    """

    u: Float[np.ndarray, "out out"]
    v: Float[np.ndarray, "in in"]
    s: Float[np.ndarray, " mode"]
    d: Float[np.ndarray, " in"]
    mixing: float
    unseen: float


def mode_basis(
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    weights: tuple[Float[np.ndarray, "_ _"], ...],
    *,
    whole: bool,
) -> ModeBasis:
    """Choose singular vectors of the task that diagonalise the input correlation and the weights, if possible.

    Args:
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        weights: layers, first layer first.
        whole: whether all modes may be rotated by as much as rounding errors of the task allow, and not only those of
            equal singular values; singular vectors are known up to the rounding error divided by the gap of their
            singular values.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1.1; docs/theory.md, section 3.
    """
    u, s, vt = np.linalg.svd(sigma_yx, full_matrices=True)
    v, n_in = vt.T.copy(), sigma_yx.shape[1]
    inputs = np.eye(n_in) if sigma_xx is None else sigma_xx
    blocks = [*_equal(s), slice(int(np.count_nonzero(_present(s))), n_in)]
    for block in blocks:
        rotation = _eigenvectors(v[:, block].T @ inputs @ v[:, block])
        v[:, block] = v[:, block] @ rotation
        if block.stop <= len(s) and block is not blocks[-1]:
            u[:, block] = u[:, block] @ rotation
    n_learned = blocks[-1].start
    bases = _Bases(sigma_yx, inputs, weights, u, v)
    for block in [slice(0, n_learned)] if whole else blocks[:-1]:
        bases.rotate(block)
    in_modes = v.T @ inputs @ v
    d = np.diagonal(in_modes).copy()
    d = np.where(spanned(np.maximum(d, 0.0)), d, 0.0)
    off_diagonal = in_modes - np.diag(np.diagonal(in_modes))
    s = np.abs(np.einsum("oa,oi,ia->a", u[:, :n_learned], sigma_yx, v[:, :n_learned]))
    unseen = float(np.max(s[d[:n_learned] == 0], initial=0.0)) / float(np.max(s, initial=0.0) or 1.0)
    n_modes = _pair(bases, d, n_learned)
    return ModeBasis(
        u=bases.u,
        v=bases.v,
        s=np.concatenate([s, np.zeros(n_modes - n_learned)]),
        d=bases.ordered(d),
        mixing=float(np.linalg.norm(off_diagonal) / np.linalg.norm(inputs)),
        unseen=unseen,
    )


@dataclass(frozen=True)
class _Target:
    """Matrix that should become diagonal, and the rounding errors of its entries."""

    values: Float[np.ndarray, "mode mode"]
    noise: Float[np.ndarray, "mode mode"]


class _Bases:
    """Bases that are rotated to diagonalise the weights, if possible."""

    def __init__(
        self,
        sigma_yx: Float[np.ndarray, "out in"],
        sigma_xx: Float[np.ndarray, "in in"],
        weights: tuple[Float[np.ndarray, "_ _"], ...],
        u: Float[np.ndarray, "out out"],
        v: Float[np.ndarray, "in in"],
    ) -> None:
        self.u, self.v = u, v
        self._sigma_yx, self._sigma_xx = sigma_yx, sigma_xx
        self.order = np.arange(len(v))
        self._first, self._last, self._deep = weights[0].T, weights[-1], len(weights) > 2
        self._function = network_function(weights)
        self._rounding = _ROUNDING_FACTOR * EPS * float(np.prod([np.linalg.norm(w) for w in weights]))

    def ordered(self, d: Float[np.ndarray, " in"]) -> Float[np.ndarray, " in"]:
        """Reorder values of the columns of v to the present order of the columns."""
        return d[self.order]

    def rotate(self, block: slice) -> None:
        """Rotate both sides of a block together so that the rows of its modes become orthogonal, if the task allows it.

        The first trial uses the eigenvectors of a generic sum of all target matrices, which yield rotations by any
        angle. The others are Newton steps, which are accurate also for modes that are small compared with others.
        """
        if block.stop - block.start < 2:
            return
        fixed, weights = self._parts(self.u[:, block], self.v[:, block])
        for trial in range(_TRIALS):
            rotation = _newton([*fixed, *weights]) if trial else _eigenvectors_of_sum([*fixed, *weights])
            u, v = self.u[:, block] @ rotation, self.v[:, block] @ rotation
            fixed_after, weights_after = self._parts(u, v)
            if _excess(weights_after) < _excess(weights) / 2 and _excess(fixed_after) <= _ROUNDING_FACTOR:
                self.u[:, block], self.v[:, block], fixed, weights = u, v, fixed_after, weights_after

    def pair(self, outputs: slice, inputs: slice) -> int:
        """Rotate directions without a task to the singular vectors of the network function; returns its rank there."""
        function = self.u[:, outputs].T @ self._function @ self.v[:, inputs]
        if not np.any(np.abs(function) > self._rounding):
            return 0
        left, strengths, right = np.linalg.svd(function)
        self.u[:, outputs], self.v[:, inputs] = self.u[:, outputs] @ left, self.v[:, inputs] @ right.T
        return int(np.count_nonzero(strengths > self._rounding))

    def _parts(
        self, u: Float[np.ndarray, "out mode"], v: Float[np.ndarray, "in mode"]
    ) -> tuple[list[_Target], list[_Target]]:
        """Target matrices of task and inputs, and those of the weights, in some modes."""
        known = [_symmetric(u.T @ self._sigma_yx @ v), v.T @ self._sigma_xx @ v]
        into, out = v.T @ self._first, u.T @ self._last
        x, y = np.linalg.norm(into, axis=1), np.linalg.norm(out, axis=1)
        sizes = [np.linalg.norm(self._first), np.linalg.norm(self._last)]
        noises = [EPS * x * sizes[0], EPS * y * sizes[1], EPS * (x * sizes[1] + y * sizes[0])]
        weights = [into @ into.T, out @ out.T, _symmetric(u.T @ self._function @ v)]
        if self._deep:
            noises[2] = np.full(len(x), self._rounding)
        tiny = np.finfo(np.float64).tiny
        return [_Target(part, np.full(part.shape, len(part) * EPS * np.linalg.norm(part) + tiny)) for part in known], [
            _Target(part, noise[:, None] + noise + tiny) for part, noise in zip(weights, noises, strict=True)
        ]

    def move_to(self, position: int, inputs: slice) -> None:
        """Move columns of v left to a position."""
        selected = np.r_[inputs]
        rest = np.setdiff1d(np.arange(position, len(self.order)), selected)
        self.v[:, position:] = self.v[:, np.concatenate([selected, rest])]
        self.order[position:] = self.order[np.concatenate([selected, rest])]


def _eigenvectors_of_sum(parts: list[_Target]) -> Float[np.ndarray, "mode mode"]:
    """Eigenvectors of a generic sum of the targets, in the order of descending diagonals of the first target."""
    total = sum(c * part.values / (np.linalg.norm(part.values) or 1.0) for c, part in zip(_MIXTURE, parts, strict=True))
    rotation = np.linalg.eigh(total)[1]
    return rotation[:, np.argsort(-np.diagonal(rotation.T @ parts[0].values @ rotation), kind="stable")]


def _newton(parts: list[_Target]) -> Float[np.ndarray, "mode mode"]:
    """Rotation that minimises, to first order, the squares of all off-diagonal entries over their rounding errors.

    Source: the first order of Cardoso and Souloumiac (1996), 10.1137/S0895479893259546.
    """
    numbers, squares = np.zeros_like(parts[0].values), np.ones_like(parts[0].values)
    for part in parts:
        diagonal = np.diagonal(part.values)
        gaps = (diagonal[:, None] - diagonal) / part.noise
        numbers -= part.values / part.noise * gaps
        squares += gaps**2
    np.fill_diagonal(numbers, 0.0)
    angles = np.arctan(2 * numbers / squares) / 2
    q, r = np.linalg.qr(np.eye(len(angles)) + angles)
    return q * np.sign(np.diagonal(r))


def _excess(parts: list[_Target]) -> float:
    """Largest off-diagonal entry, in units of its rounding error."""
    return max(float(np.max(np.abs(part.values - np.diag(np.diagonal(part.values))) / part.noise)) for part in parts)


def _symmetric(matrix: Float[np.ndarray, "mode mode"]) -> Float[np.ndarray, "mode mode"]:
    return (matrix + matrix.T) / 2


def _pair(bases: _Bases, d: Float[np.ndarray, " in"], first: int) -> int:
    """Pair inputs and outputs that only weights couple, by equal input variance; returns the number of all modes."""
    n_modes = first
    for group in _equal_within(d, slice(first, len(d))):
        if d[group.start] == 0 or n_modes == len(bases.u):
            continue
        width = group.stop - group.start
        start = int(np.flatnonzero(bases.order == group.start)[0])
        rank = bases.pair(slice(n_modes, len(bases.u)), slice(start, start + width))
        bases.move_to(n_modes, slice(start, start + rank))
        bases.rotate(slice(n_modes, n_modes + rank))
        n_modes += rank
    return n_modes


def _present(values: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " mode"]:
    """Values with those at the rounding level of the largest replaced by zero."""
    return np.where(values > _ROUNDING_FACTOR * len(values) * EPS * values[0], values, 0.0)


def _equal(values: Float[np.ndarray, " mode"]) -> list[slice]:
    """Blocks of equal positive values; the values must descend."""
    values = _present(values)
    first = np.flatnonzero(-np.diff(values) > _ROUNDING_FACTOR * len(values) * EPS * values[0]) + 1
    bounds = [0, *first.tolist(), len(values)]
    return [slice(start, stop) for start, stop in pairwise(bounds) if values[stop - 1] > 0]


def _equal_within(d: Float[np.ndarray, " in"], block: slice) -> list[slice]:
    """Parts of a block with equal input variances, which descend within the block."""
    rounding = _ROUNDING_FACTOR * len(d) * EPS * np.max(d)
    inside = d[block]
    first = np.flatnonzero((-np.diff(inside) > rounding) | ((inside[:-1] > 0) & (inside[1:] == 0))) + 1
    bounds = [block.start, *(block.start + first).tolist(), block.stop]
    return [slice(start, stop) for start, stop in pairwise(bounds) if stop > start]


def _eigenvectors(matrix: Float[np.ndarray, "mode mode"]) -> Float[np.ndarray, "mode mode"]:
    """Eigenvectors in the order of descending eigenvalues; the identity if these are equal."""
    n = len(matrix)
    mean = np.trace(matrix) / max(n, 1)
    if np.linalg.norm(matrix - mean * np.eye(n)) <= _ROUNDING_FACTOR * EPS * abs(mean):
        return np.eye(n)
    return np.linalg.eigh(matrix)[1][:, ::-1]
