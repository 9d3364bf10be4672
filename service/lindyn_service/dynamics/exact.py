"""The exact solution of gradient flow for balanced two-layer networks: any widths, rank, sign of lambda and time.

tau dP/dt = F P + P F - P^2 for P = Q Q^T, Q = [w1^T; w2], has the solution
P(t) = e^{Ft} Q0 [I + Q0^T (int_0^t e^{2Fs} ds) Q0]^{-1} Q0^T e^{Ft} (Fukumizu 1998; Braun et al. 2022, arXiv
2206.03738; Domine et al. 2025, arXiv 2409.14623). Here it is evaluated in the eigenbasis of F, scaled so that no time
overflows; no matrix but a positive definite one is inverted, and no width, rank or sign of lambda is special.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import Echelon, echelon
from lindyn_service.dynamics.modes import Modes, modes
from lindyn_service.dynamics.scaling import Scaled, scale
from lindyn_service.dynamics.triangular import gram, inverse_root_by_qr, inverse_roots, times_upper

_BATCH_ENTRIES = 2**18  # two megabytes an array: the arrays of one batch stay in a core's cache
_LARGEST_RATIO = 1e3  # of a column to its Cholesky pivot, up to which a squared matrix is trusted
_LARGEST_RATIO_OF_BLOCKS = 30.0  # the same where blocks are inverted, or rows are not rounded before they are squared
_NEGLIGIBLE = 1e-200  # beside pivots; products of less are subnormal, thus slow
_LARGEST_PRODUCTS = 2**17  # entries, a megabyte: beyond, a matrix product for each time is faster


@dataclass(frozen=True)
class Factors:
    """Weights at some times, in the singular bases of the task and up to one rotation of the hidden units.

    w1^T = V into @ R and w2 = U out @ R with one orthogonal R for each time: products of the two are exact, and so is
    everything else that a rotation of the hidden units leaves alone.
    """

    into: Float[np.ndarray, "time in hidden"]
    out: Float[np.ndarray, "time out hidden"]


@dataclass(frozen=True)
class Solution:
    """A problem solved once, to be evaluated at many times; times are in units of the time constant."""

    modes: Modes
    echelon: Echelon

    @property
    def initial_size(self) -> float:
        """Squared Frobenius norm of both layers at time 0, in squared units of the weights."""
        return float(np.sum(self.echelon.lower**2))

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit a core's cache."""
        size = max(1, min(256, _BATCH_ENTRIES // max(1, self.echelon.lower.size)))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            yield part, self.at(times[part])

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times at once."""
        if not len(self.echelon.pivots):
            # weights without any overlap, such as zero, stay; LAPACK takes no empty matrices
            return Factors(np.zeros((len(times), len(self.modes.v), 1)), np.zeros((len(times), len(self.modes.u), 1)))
        scaled = scale(self.modes, self.echelon, times)
        inverse_root = self._inverse_roots(scaled)
        if not scaled.still:
            inverse_root[np.abs(inverse_root) < _NEGLIGIBLE] = 0.0
        into, out = self._rotate(scaled)
        return Factors(times_upper(into, inverse_root), times_upper(out, inverse_root))

    def _inverse_roots(self, scaled: Scaled) -> Float[np.ndarray, "time pivot pivot"]:
        """Inverses of the upper Cholesky factors of K^T K + diag(diagonal)^2, by the cheapest way that is safe."""
        n_pivots = len(self.echelon.pivots)
        if scaled.still and self.echelon.lower.size * n_pivots <= _LARGEST_PRODUCTS:
            matrices = (scaled.gram_weights**2 @ self._products).reshape(-1, n_pivots, n_pivots)
        else:
            matrices = gram(scaled.gram_root)
        found, ratio = inverse_roots(matrices, scaled.diagonal)
        if ratio.max() > _LARGEST_RATIO_OF_BLOCKS:
            doubtful = np.flatnonzero(ratio > _LARGEST_RATIO_OF_BLOCKS)
            roots, diagonal = scaled.gram_root[doubtful], scaled.diagonal[doubtful]
            found[doubtful], ratio[doubtful] = inverse_roots(gram(roots), diagonal, careful=True)
            for i in np.flatnonzero(ratio > _LARGEST_RATIO):
                found[i] = inverse_root_by_qr(scaled.gram_root[i], scaled.diagonal[i])
        return found

    @cached_property
    def _products(self) -> Float[np.ndarray, "row pivot_squared"]:
        """Of all entries of each row of the echelon form: the Gram matrices are sums of these, weighted by time."""
        lower = self.echelon.lower
        return (lower[:, :, None] * lower[:, None, :]).reshape(len(lower), -1)

    @cached_property
    def _pairs(self) -> Float[np.ndarray, "mode 2 pivot"]:
        """The two rows of each mode in the echelon form, which grow and decay."""
        lower, m = self.echelon.lower, len(self.modes.s)
        return np.stack([lower[:m], lower[len(lower) - m :][::-1]], axis=1)

    def _rotate(self, scaled: Scaled) -> tuple[Float[np.ndarray, "time in pivot"], Float[np.ndarray, "time out pivot"]]:
        """Weigh the rows; go from eigenvectors of F to singular vectors of the task."""
        m, n_in, n_rows = len(self.modes.s), len(self.modes.v), len(self.echelon.lower)
        y, weights = scaled.y, scaled.row_weights
        grow, decay = weights[:, :m], weights[:, n_rows - m :][:, ::-1]
        p, q = self.modes.p, self.modes.q
        into = np.empty((len(weights), n_in, y.shape[2]))
        out = np.empty((len(weights), n_rows - n_in, y.shape[2]))
        combine = self._combine_still if scaled.still else _combine
        combine(p * grow, q * decay, y, into[:, :m])
        combine(q * grow, -p * decay, y, out[:, :m])
        if n_rows > 2 * m:
            extra = into[:, m:] if n_in > m else out[:, m:]
            np.multiply(y[:, m : n_rows - m], weights[:, m : n_rows - m, None], out=extra)
        return into, out

    def _combine_still(
        self,
        grow: Float[np.ndarray, "time mode"],
        decay: Float[np.ndarray, "time mode"],
        _: Float[np.ndarray, "1 row pivot"],
        out: Float[np.ndarray, "time mode pivot"],
    ) -> None:
        """As `_combine`, by a matrix product for each mode."""
        weights = np.empty((grow.shape[1], len(grow), 2))
        weights[:, :, 0], weights[:, :, 1] = grow.T, decay.T
        np.matmul(weights, self._pairs, out=out.transpose(1, 0, 2))


def solve(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    lam: float,
) -> Solution:
    """Solve gradient flow from balanced weights on white inputs.

    Args:
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden), with w2^T w2 - w1 w1^T = lam I up to rounding.
        sigma_yx: input-output correlation, (out, in).
        lam: balance of the weights.

    Returns:
        The solution; evaluating it costs about 10 n^3 floating-point operations a time at equal widths n.

    Source: Fukumizu (1998); Braun et al. (2022), arXiv 2206.03738; Domine et al. (2025), arXiv 2409.14623.
    """
    basis = modes(sigma_yx, lam)
    return Solution(basis, echelon(basis.project(w1, w2)))


def _combine(
    grow: Float[np.ndarray, "time mode"],
    decay: Float[np.ndarray, "time mode"],
    y: Float[np.ndarray, "time row pivot"],
    out: Float[np.ndarray, "time mode pivot"],
) -> None:
    """Weigh and add the two rows of each mode, which grow and decay."""
    m = out.shape[1]
    np.multiply(grow[:, :, None], y[:, :m], out=out)
    out += decay[:, :, None] * y[:, y.shape[1] - m :][:, ::-1]
