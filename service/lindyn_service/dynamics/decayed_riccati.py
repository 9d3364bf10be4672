"""The exact solution of gradient flow with weight decay for zero-balanced networks of two layers on white inputs.

Balance decays, W2^T W2 - W1 W1^T = B(0) e^{-2 gamma t}, so that weights of balance 0 keep it, and tau dP/dt =
(F - gamma) P + P (F - gamma) - P^2: the solution of `exact` with all eigenvalues of F less gamma.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import Echelon
from lindyn_service.dynamics.initial_coordinates import coordinates
from lindyn_service.dynamics.inverse_roots import gram, safe_inverse_roots, times_upper
from lindyn_service.dynamics.late_deviation import LateDeviation, late_deviation
from lindyn_service.dynamics.modes import Modes, diagonal, modes
from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.riccati import Factors

_NEGLIGIBLE = -230.0  # of exponents: beside 1 nothing, and no products are subnormal
_BATCH_ENTRIES = 2**18  # as in `riccati`
_NEAR = 1e-2  # likewise
_EQUAL = 1e-14  # of singular values by rounding, relative to the largest


@dataclass(frozen=True)
class DecayedSolution:
    """A problem solved once, to be evaluated at many times, in units of the time constant.

    Attributes:
        modes: singular modes of the task.
        echelon: of the initial weights along the eigenvectors of F.
        gamma: weight decay, in units of the task.
    """

    modes: Modes
    echelon: Echelon
    gamma: float

    @property
    def rates(self) -> Float[np.ndarray, " row"]:
        """Eigenvalues of F - gamma, descending."""
        return self.modes.eigenvalues - self.gamma

    @property
    def late_rates(self) -> Float[np.ndarray, " mode"]:
        """Rates at which modes grow."""
        return self.rates[: len(self.modes.s)]

    def growth(self, time: float) -> Float[np.ndarray, " mode"]:
        """Logarithms of the growth of the modes by a time."""
        return np.maximum(self.late_rates, 0.0) * time

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times at once, in the singular bases of the task and up to a rotation of hidden units."""
        f, t, reduced = self.rates, times[:, None], self.echelon
        if not len(reduced.pivots):
            return self._layers(np.zeros((len(times), len(f), 1)))
        grow = np.maximum(f, 0.0)
        sizes = np.abs(reduced.lower[reduced.pivots, np.arange(len(reduced.pivots))])
        grown = grow[reduced.pivots] * t + np.log(sizes)
        columns = np.exp(np.minimum(grown, 0.0))[:, None, :] * (reduced.lower / sizes)
        behind = np.minimum(grow[:, None] - grow[reduced.pivots], 0.0)
        shared = _decay(behind * t[:, :, None]) * columns
        root = np.sqrt(t * phi(2 * np.abs(f) * t))[:, :, None] * shared
        diagonal = _decay(-np.maximum(grown, 0.0))
        inverse_root = safe_inverse_roots(gram(root), diagonal, lambda kept: root[kept])
        rows = _decay(np.minimum(f, 0.0) * t)[:, :, None] * shared
        return self._layers(times_upper(rows, inverse_root))

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit a core's cache."""
        size = max(1, min(256, _BATCH_ENTRIES // max(1, self.echelon.lower.size)))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            yield part, self.at(times[part])

    def errors(
        self, times: Float[np.ndarray, " time"], functions: Float[np.ndarray, "time out in"]
    ) -> Float[np.ndarray, "time out in"]:
        """Distances u^T (W - sigma_yx) v from the task; small ones, where gamma is small, keep their digits.

        Args:
            times: a few, in units of the time constant.
            functions: u^T W v at these.
        """
        distances = functions - diagonal(self.modes.s, functions.shape[1:])
        near = np.max(np.abs(distances), axis=(1, 2)) < _NEAR * self.modes.s[0]
        if len(self.echelon.pivots) and np.any(near):
            distances[near] = self._late.errors(times[near])
        return distances

    @cached_property
    def _late(self) -> LateDeviation:
        return late_deviation(self.modes, self.echelon, self.gamma)

    def limit(self) -> Float[np.ndarray, "out in"]:
        """U^T W V at t -> infinity: the soft threshold of the strongest modes that the weights reach."""
        pivots = self.echelon.pivots
        end = np.zeros((len(self.modes.u), len(self.modes.v)))
        bounds = np.flatnonzero(-np.diff(self.modes.s, append=-1.0) > _EQUAL * self.modes.s[0]) + 1
        for start, stop in zip([0, *bounds[:-1]], bounds, strict=True):
            block, columns = slice(start, stop), np.flatnonzero((pivots >= start) & (pivots < stop))
            if self.rates[start] > 0 and len(columns):
                basis, _ = np.linalg.qr(self.echelon.lower[block, columns])
                end[block, block] = (basis * self.rates[start]) @ basis.T
        return end

    def _layers(self, rows: Float[np.ndarray, "time row column"]) -> Factors:
        """From eigenvectors of F to singular vectors of the task."""
        m, n_rows = len(self.modes.s), rows.shape[1]
        growing, decaying = rows[:, :m], rows[:, n_rows - m :][:, ::-1]
        extra = rows[:, m : n_rows - m]
        p, q = self.modes.p[:, None], self.modes.q[:, None]
        into, out = p * growing + q * decaying, q * growing - p * decaying
        if len(self.modes.v) > m:
            return Factors(np.concatenate([into, extra], axis=1), out)
        return Factors(into, np.concatenate([out, extra], axis=1))


def decayed_balanced(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    gamma: float,
    *,
    rounded: bool = True,
) -> DecayedSolution:
    """Solve gradient flow with weight decay from weights of balance 0 on white inputs.

    Args:
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden), with w2^T w2 = w1 w1^T up to rounding.
        sigma_yx: input-output correlation.
        gamma: weight decay, non-negative, in units of the task.
        rounded: as in `closed_form`.

    Source: Braun et al. (2022), arXiv 2206.03738, for F - gamma; docs/theory.md, section 3.
    """
    basis = modes(sigma_yx, 0.0)
    return DecayedSolution(basis, coordinates(basis, w1, w2, rounded=rounded).echelon, gamma)


def _decay(exponent: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """e^exponent, zero where that is negligible."""
    return np.exp(np.where(exponent < _NEGLIGIBLE, -np.inf, exponent))
