"""Exact solution of gradient flow for balanced two-layer networks of any widths, rank and sign of lambda.

tau dP/dt = F P + P F - P^2 for P = Q Q^T, Q = [w1^T; w2], has the solution
P(t) = e^{Ft} Q0 [I + Q0^T (int_0^t e^{2Fs} ds) Q0]^{-1} Q0^T e^{Ft} (Fukumizu 1998; Braun et al. 2022, arXiv
2206.03738; Domine et al. 2025, arXiv 2409.14623). It is evaluated in the eigenbasis of F, scaled to avoid overflow at
all times. Only positive definite matrices are inverted, so that no width, rank or sign of lambda is a special case.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.echelon import Echelon
from lindyn_service.dynamics.growth_scaling import Scaled, are_still, in_units_of_growth, unscaled
from lindyn_service.dynamics.initial_coordinates import Coordinates, coordinates
from lindyn_service.dynamics.inverse_roots import gram, safe_inverse_roots, times_upper
from lindyn_service.dynamics.late_deviation import LateDeviation, late_deviation
from lindyn_service.dynamics.late_elimination import late_errors
from lindyn_service.dynamics.modes import Modes, diagonal, modes
from lindyn_service.dynamics.singularities import Singularities, singularities
from lindyn_service.dynamics.time_batches import time_batches

_CANCELLATION_THRESHOLD = 1e-2  # relative to the largest singular value; subtraction is accurate for larger errors
_NEGLIGIBLE = 1e-200  # products of smaller numbers are subnormal, which would be slow
_MAX_PRODUCT_ENTRIES = 2**17  # one megabyte; for larger arrays, a matrix product for each time is faster

_Weights = tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]


@dataclass(frozen=True)
class Factors:
    """Weights at some times, in the singular bases of the task and up to a rotation of the hidden units.

    w1^T = V into @ R and w2 = U out @ R with one orthogonal R for each time. Products of the two layers, and all other
    invariants under rotations of the hidden units, are exact.

    Attributes:
        into: V^T w1^T, up to the rotation.
        out: U^T w2, up to the same rotation.
    """

    into: Float[np.ndarray, "time in hidden"]
    out: Float[np.ndarray, "time out hidden"]


@dataclass(frozen=True)
class Solution:
    """Exact solution of gradient flow; times are in units of the time constant.

    Attributes:
        modes: singular modes of the task and eigenpairs of F.
        start: coordinates of the initial weights.
    """

    modes: Modes
    start: Coordinates

    @property
    def echelon(self) -> Echelon:
        """Echelon form of the initial weights in the eigenbasis of F."""
        return self.start.echelon

    @property
    def initial_size(self) -> float:
        """Squared Frobenius norm of both layers at time 0, in squared units of the weights."""
        return float(np.sum(self.echelon.lower**2))

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit into the cache of one core."""
        for batch in time_batches(len(times), self.echelon.lower.size):
            yield batch, self.at(times[batch])

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times in one batch; the values at one time do not depend on the others."""
        if not len(self.echelon.pivots):
            # weights without overlap, such as zeros, are constant; LAPACK does not accept empty matrices
            return Factors(np.zeros((len(times), len(self.modes.v), 1)), np.zeros((len(times), len(self.modes.u), 1)))
        still = are_still(self.modes, self.start, times)
        if np.all(still):
            return self._factors(unscaled(self.modes, self.start, times))
        late = self._factors(in_units_of_growth(self.modes, self.start, times[~still]))
        if not np.any(still):
            return late
        return _merged(still, self._factors(unscaled(self.modes, self.start, times[still])), late)

    def errors(
        self, times: Float[np.ndarray, " time"], functions: Float[np.ndarray, "time out rank"]
    ) -> Float[np.ndarray, "time out rank"]:
        """Errors u^T (W - sigma_yx) v, accurate relative to each error, however small.

        Args:
            times: a few times, in units of the time constant.
            functions: network functions u^T W v at these times.
        """
        distances = functions - diagonal(self.modes.s, functions.shape[1:])
        near = np.max(np.abs(distances), axis=(1, 2)) < _CANCELLATION_THRESHOLD * self.modes.s[0]
        if len(self.echelon.pivots) and np.any(near):
            distances[near] = late_errors(self.late, times[near])
        return distances

    @cached_property
    def late(self) -> LateDeviation:
        """Deviation from the task, prepared for late times."""
        return late_deviation(self.modes, self.echelon)

    @cached_property
    def singularities(self) -> Singularities:
        """Complex times near which the solution is hard to interpolate."""
        lower, own = self.echelon.lower, self.echelon.pivots[self.echelon.pivots < len(self.modes.s)]
        growing, decaying = lower[own, np.arange(len(own))] ** 2, np.vecdot(lower, lower)[::-1][own]
        return singularities(self.modes.kappa[None, own], growing[None], decaying[None])

    def _factors(self, scaled: Scaled) -> Factors:
        inverse_root = safe_inverse_roots(self.grams(scaled), scaled.diagonal, lambda times: scaled.gram_root[times])
        if not scaled.still:
            inverse_root[np.abs(inverse_root) < _NEGLIGIBLE] = 0.0
        minor, major = (times_upper(rows, inverse_root) for rows in self.sides(scaled))
        return Factors(major, minor) if self.modes.exchanged else Factors(minor, major)

    def grams(self, scaled: Scaled) -> Float[np.ndarray, "time pivot pivot"]:
        """Upper triangles of K^T K; what is below them is arbitrary."""
        n_pivots = len(self.echelon.pivots)
        if scaled.still and self.echelon.lower.size * n_pivots <= _MAX_PRODUCT_ENTRIES:
            return (scaled.gram_weights**2 @ self.products).reshape(-1, n_pivots, n_pivots)
        return gram(scaled.gram_root)

    @cached_property
    def products(self) -> Float[np.ndarray, "row pivot_squared"]:
        """Outer products of the rows of the echelon form; the Gram matrices are sums of these with weights by time."""
        lower = self.echelon.lower
        return (lower[:, :, None] * lower[:, None, :]).reshape(len(lower), -1)

    @cached_property
    def _pairs(self) -> Float[np.ndarray, "mode 2 pivot"]:
        """Growing row and row of the minor layer of each mode."""
        return np.stack([self.echelon.lower[: len(self.modes.s)], self.start.minor], axis=1)

    def sides(
        self, scaled: Scaled
    ) -> tuple[Float[np.ndarray, "time minor pivot"], Float[np.ndarray, "time major pivot"]]:
        """Both layers in the singular vectors of the task, before multiplication by the inverse roots.

        A mode with the growing row g and the row x of the minor layer is
        p (e^{kappa t} - e^{-kappa t}) g + e^{-kappa t} x in the minor layer. In the major layer, q takes the role of p
        and y = (g - p x) / q that of x.
        """
        basis, m = self.modes, len(self.modes.s)
        minor = np.empty((len(scaled.left), basis.n_minor, scaled.y.shape[2]))
        major = np.empty((len(scaled.left), basis.n_major, scaled.y.shape[2]))
        combine = self._combine_still if scaled.still else _combine
        for rows, weights in zip((minor, major), self.weights_of_rows(scaled), strict=True):
            combine(*weights, scaled, rows[:, :m])
        if scaled.extra.shape[1]:
            wider = major if basis.n_major > m else minor
            np.multiply(scaled.y[:, m : scaled.y.shape[1] - m], scaled.extra[:, :, None], out=wider[:, m:])
        return minor, major

    def weights_of_rows(self, scaled: Scaled) -> tuple[_Weights, _Weights]:
        """Weights of the growing row and of the row of the minor layer of each mode, in the minor and the major one."""
        basis, ratio = self.modes, self.modes.p / self.modes.q
        grown = basis.q * scaled.growth * (1 + (ratio * scaled.left) ** 2)
        return (basis.p * scaled.growth * scaled.gone, scaled.left), (grown, -ratio * scaled.left)

    def _combine_still(
        self,
        growing: Float[np.ndarray, "time mode"],
        staying: Float[np.ndarray, "time mode"],
        _: Scaled,
        out: Float[np.ndarray, "time mode pivot"],
    ) -> None:
        """Combine rows as `_combine` does, by one matrix product for each mode."""
        weights = np.empty((growing.shape[1], len(growing), 2))
        weights[:, :, 0], weights[:, :, 1] = growing.T, staying.T
        np.matmul(weights, self._pairs, out=out.transpose(1, 0, 2))


def solve(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    lam: float,
    *,
    rounded: bool = True,
) -> Solution:
    """Solve gradient flow from balanced weights on white inputs.

    Args:
        w1: initial first layer, (hidden, in).
        w2: initial second layer, (out, hidden), with w2^T w2 - w1 w1^T = lam I up to rounding.
        sigma_yx: input-output correlation, (out, in).
        lam: balance of the weights.
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Returns:
        The solution; its evaluation costs about 10 n^3 floating-point operations per time for equal widths n.

    Source: Fukumizu (1998); Braun et al. (2022), arXiv 2206.03738; Domine et al. (2025), arXiv 2409.14623.
    """
    basis = modes(sigma_yx, lam)
    return Solution(basis, coordinates(basis, w1, w2, rounded=rounded))


def _combine(
    growing: Float[np.ndarray, "time mode"],
    staying: Float[np.ndarray, "time mode"],
    scaled: Scaled,
    out: Float[np.ndarray, "time mode pivot"],
) -> None:
    """Weighted sum of the growing row and the row of the minor layer of each mode, written to `out`."""
    np.multiply(growing[:, :, None], scaled.y[:, : out.shape[1]], out=out)
    out += staying[:, :, None] * scaled.minor


def _merged(is_first: Bool[np.ndarray, " time"], first_factors: Factors, other_factors: Factors) -> Factors:
    """Merge factors at some times with those at the other times, in the order of times."""
    order = np.argsort(np.concatenate([np.flatnonzero(is_first), np.flatnonzero(~is_first)]))
    into = np.concatenate([first_factors.into, other_factors.into])
    out = np.concatenate([first_factors.out, other_factors.out])
    return Factors(into[order], out[order])
