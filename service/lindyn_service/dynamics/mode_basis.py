"""Bases of inputs and outputs in which the task, the inputs' correlation and the weights may be diagonal together.

Where singular values of the task are equal, its singular vectors are determined up to a rotation of each such block:
here the inputs' correlation chooses among them first, the weights choose among those that it leaves open.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.least_squares import EPS, spanned

_ROUNDINGS = 128  # in units of eps n, relative to the largest: spread of equal values, as in `alignment.equal_modes`
_TRIALS = 6  # of rotations within a block; Newton steps square what is left
_MIXTURE = (
    1.0,
    0.61803398875,
    0.41421356237,
    0.73205080757,
    0.2360679775,
)  # generic: no two modes are equal in it that differ in any part


@dataclass(frozen=True)
class ModeBasis:
    """Inputs and outputs in the order of their modes.

    Attributes:
        u: (out, out), orthogonal; column a belongs to mode a.
        v: (in, in), orthogonal.
        s: singular value of each mode: those above zero, descending, then zeros that the weights pair.
        d: input variance of each column of v; zero where there are no inputs.
        mixing: Frobenius norm of what V^T sigma_xx V holds off its diagonal, relative to that of sigma_xx.
        unseen: largest singular value of the task whose mode has no inputs, relative to the largest one; the task of
            samples has none.
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
    """Choose singular vectors of the task that are eigenvectors of the inputs' correlation and modes of the weights.

    Args:
        sigma_yx: input-output correlation.
        sigma_xx: input correlation; None for white inputs.
        weights: layers, first layer first.
        whole: whether the weights choose among all bases in which the task is diagonal up to rounding, instead of those
            of equal modes: singular vectors are known to the rounding error over the gap of their singular values.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1.1; docs/theory.md, section 3.
    """
    u, s, vt = np.linalg.svd(sigma_yx, full_matrices=True)
    v, n_in = vt.T.copy(), sigma_yx.shape[1]
    inputs = np.eye(n_in) if sigma_xx is None else sigma_xx
    blocks = [*_equal(s), slice(int(np.count_nonzero(_present(s))), n_in)]
    for block in blocks:
        turn = _eigenvectors(v[:, block].T @ inputs @ v[:, block])
        v[:, block] = v[:, block] @ turn
        if block.stop <= len(s) and block is not blocks[-1]:
            u[:, block] = u[:, block] @ turn
    n_learned = blocks[-1].start
    bases = _Bases(sigma_yx, inputs, weights, u, v)
    for block in [slice(0, n_learned)] if whole else blocks[:-1]:
        bases.turn(block)
    in_modes = v.T @ inputs @ v
    d = np.diagonal(in_modes).copy()
    d = np.where(spanned(np.maximum(d, 0.0)), d, 0.0)
    off = in_modes - np.diag(np.diagonal(in_modes))
    s = np.abs(np.einsum("oa,oi,ia->a", u[:, :n_learned], sigma_yx, v[:, :n_learned]))
    unseen = float(np.max(s[d[:n_learned] == 0], initial=0.0)) / float(np.max(s, initial=0.0) or 1.0)
    n_modes = _pair(bases, d, n_learned)
    return ModeBasis(
        u=bases.u,
        v=bases.v,
        s=np.concatenate([s, np.zeros(n_modes - n_learned)]),
        d=bases.ordered(d),
        mixing=float(np.linalg.norm(off) / np.linalg.norm(inputs)),
        unseen=unseen,
    )


@dataclass(frozen=True)
class _Part:
    """A matrix that is to be diagonal, and the sizes of rounding errors of its entries."""

    values: Float[np.ndarray, "mode mode"]
    noise: Float[np.ndarray, "mode mode"]


class _Bases:
    """Bases that are turned until the weights are diagonal in them, if they can be."""

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
        self._function = weights[0]
        for layer in weights[1:]:
            self._function = layer @ self._function
        self._rounding = _ROUNDINGS * EPS * float(np.prod([np.linalg.norm(w) for w in weights]))

    def ordered(self, d: Float[np.ndarray, " in"]) -> Float[np.ndarray, " in"]:
        """Values of the columns of v in their present order."""
        return d[self.order]

    def turn(self, block: slice) -> None:
        """Turn both sides of a block together to where the rows of its modes are orthogonal, if the task allows it.

        The first trial are eigenvectors of a generic sum of all that is to be diagonal, which find any rotation; the
        others are Newton steps, which also find those among modes that are small beside others.
        """
        if block.stop - block.start < 2:
            return
        known, weights = self._parts(self.u[:, block], self.v[:, block])
        for trial in range(_TRIALS):
            turn = _newton([*known, *weights]) if trial else _eigenvectors_of_sum([*known, *weights])
            u, v = self.u[:, block] @ turn, self.v[:, block] @ turn
            kept, better = self._parts(u, v)
            if _excess(better) < _excess(weights) / 2 and _excess(kept) <= _ROUNDINGS:
                self.u[:, block], self.v[:, block], known, weights = u, v, kept, better

    def pair(self, outputs: slice, inputs: slice) -> int:
        """Turn both sides of directions without a task to the singular vectors of the network; returns their rank."""
        function = self.u[:, outputs].T @ self._function @ self.v[:, inputs]
        if not np.any(np.abs(function) > self._rounding):
            return 0
        left, strengths, right = np.linalg.svd(function)
        self.u[:, outputs], self.v[:, inputs] = self.u[:, outputs] @ left, self.v[:, inputs] @ right.T
        return int(np.count_nonzero(strengths > self._rounding))

    def _parts(
        self, u: Float[np.ndarray, "out mode"], v: Float[np.ndarray, "in mode"]
    ) -> tuple[list[_Part], list[_Part]]:
        """What the task and the inputs, and what the weights are in some modes."""
        known = [_symmetric(u.T @ self._sigma_yx @ v), v.T @ self._sigma_xx @ v]
        into, out = v.T @ self._first, u.T @ self._last
        x, y = np.linalg.norm(into, axis=1), np.linalg.norm(out, axis=1)
        sizes = [np.linalg.norm(self._first), np.linalg.norm(self._last)]
        noises = [EPS * x * sizes[0], EPS * y * sizes[1], EPS * (x * sizes[1] + y * sizes[0])]
        weights = [into @ into.T, out @ out.T, _symmetric(u.T @ self._function @ v)]
        if self._deep:
            noises[2] = np.full(len(x), self._rounding)
        tiny = np.finfo(np.float64).tiny
        return [_Part(part, np.full(part.shape, len(part) * EPS * np.linalg.norm(part) + tiny)) for part in known], [
            _Part(part, noise[:, None] + noise + tiny) for part, noise in zip(weights, noises, strict=True)
        ]

    def move_to(self, place: int, inputs: slice) -> None:
        """Move columns of v to the left."""
        moved = np.r_[inputs]
        rest = np.setdiff1d(np.arange(place, len(self.order)), moved)
        self.v[:, place:] = self.v[:, np.concatenate([moved, rest])]
        self.order[place:] = self.order[np.concatenate([moved, rest])]


def _eigenvectors_of_sum(parts: list[_Part]) -> Float[np.ndarray, "mode mode"]:
    """Eigenvectors of a generic sum, in which no two modes are equal that differ in any part; order of the first."""
    total = sum(c * part.values / (np.linalg.norm(part.values) or 1.0) for c, part in zip(_MIXTURE, parts, strict=True))
    turn = np.linalg.eigh(total)[1]
    return turn[:, np.argsort(-np.diagonal(turn.T @ parts[0].values @ turn), kind="stable")]


def _newton(parts: list[_Part]) -> Float[np.ndarray, "mode mode"]:
    """Rotation by the least squares of all off-diagonal entries, each relative to its rounding error.

    Source: the first order of Cardoso and Souloumiac (1996), 10.1137/S0895479893259546.
    """
    numbers, squares = np.zeros_like(parts[0].values), np.ones_like(parts[0].values)
    for part in parts:
        diagonal = np.diagonal(part.values)
        apart = (diagonal[:, None] - diagonal) / part.noise
        numbers -= part.values / part.noise * apart
        squares += apart**2
    np.fill_diagonal(numbers, 0.0)
    angles = np.arctan(2 * numbers / squares) / 2
    q, r = np.linalg.qr(np.eye(len(angles)) + angles)
    return q * np.sign(np.diagonal(r))


def _excess(parts: list[_Part]) -> float:
    """What is off the diagonals, in units of rounding errors."""
    return max(float(np.max(np.abs(part.values - np.diag(np.diagonal(part.values))) / part.noise)) for part in parts)


def _symmetric(matrix: Float[np.ndarray, "mode mode"]) -> Float[np.ndarray, "mode mode"]:
    return (matrix + matrix.T) / 2


def _pair(bases: _Bases, d: Float[np.ndarray, " in"], first: int) -> int:
    """Pair inputs and outputs without a task, those of equal variance at once; returns the number of all modes."""
    n_modes = first
    for part in _equal_within(d, slice(first, len(d))):
        if d[part.start] == 0 or n_modes == len(bases.u):
            continue
        width = part.stop - part.start
        start = int(np.flatnonzero(bases.order == part.start)[0])
        found = bases.pair(slice(n_modes, len(bases.u)), slice(start, start + width))
        bases.move_to(n_modes, slice(start, start + found))
        bases.turn(slice(n_modes, n_modes + found))
        n_modes += found
    return n_modes


def _present(values: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " mode"]:
    """The values above rounding errors of the largest, zero for the others."""
    return np.where(values > _ROUNDINGS * len(values) * EPS * values[0], values, 0.0)


def _equal(values: Float[np.ndarray, " mode"]) -> list[slice]:
    """Blocks of equal values among those above zero; the values descend."""
    values = _present(values)
    first = np.flatnonzero(-np.diff(values) > _ROUNDINGS * len(values) * EPS * values[0]) + 1
    bounds = [0, *first.tolist(), len(values)]
    return [slice(start, stop) for start, stop in pairwise(bounds) if values[stop - 1] > 0]


def _equal_within(d: Float[np.ndarray, " in"], block: slice) -> list[slice]:
    """Parts of a block whose input variances, which descend in it, are equal."""
    rounding = _ROUNDINGS * len(d) * EPS * np.max(d)
    inside = d[block]
    first = np.flatnonzero((-np.diff(inside) > rounding) | ((inside[:-1] > 0) & (inside[1:] == 0))) + 1
    bounds = [block.start, *(block.start + first).tolist(), block.stop]
    return [slice(start, stop) for start, stop in pairwise(bounds) if stop > start]


def _eigenvectors(matrix: Float[np.ndarray, "mode mode"]) -> Float[np.ndarray, "mode mode"]:
    """Eigenvectors in the order of descending eigenvalues; the identity where those are equal."""
    n = len(matrix)
    mean = np.trace(matrix) / max(n, 1)
    if np.linalg.norm(matrix - mean * np.eye(n)) <= _ROUNDINGS * EPS * abs(mean):
        return np.eye(n)
    return np.linalg.eigh(matrix)[1][:, ::-1]
