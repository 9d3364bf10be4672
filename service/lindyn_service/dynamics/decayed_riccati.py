"""Exact solution of gradient flow with weight decay for zero-balanced networks of two layers on white inputs.

With weight decay, w2^T w2 - w1 w1^T = B(0) e^{-2 gamma t / tau}, so that balance 0 is conserved. Then
tau dP/dt = (F - gamma) P + P (F - gamma) - P^2, which has the solution of `riccati` with all eigenvalues of F reduced
by gamma.
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
from lindyn_service.dynamics.time_batches import time_batches

_NEGLIGIBLE = -230.0  # e^-230 = 1e-100 counts as 0, so that products are not subnormal, which would be slow
_CANCELLATION_THRESHOLD = 1e-2  # as in `riccati`
_EQUAL_TOLERANCE = 1e-14  # relative to the largest; equal singular values differ by rounding


@dataclass(frozen=True)
class DecayedSolution:
    """Exact solution with weight decay; times are in units of the time constant.

    Attributes:
        modes: singular modes of the task.
        echelon: echelon form of the initial weights in the eigenbasis of F.
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
        """Evaluate at a few times in one batch, in the singular bases of the task, up to a rotation of hidden units."""
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
        """Evaluate at non-negative times, in batches that fit into the cache of one core."""
        for part in time_batches(len(times), self.echelon.lower.size):
            yield part, self.at(times[part])

    def errors(
        self, times: Float[np.ndarray, " time"], functions: Float[np.ndarray, "time out in"]
    ) -> Float[np.ndarray, "time out in"]:
        """Errors u^T (W - sigma_yx) v, accurate relative to each error, however small.

        Args:
            times: a few times, in units of the time constant.
            functions: network functions u^T W v at these times.
        """
        errors = functions - diagonal(self.modes.s, functions.shape[1:])
        small = np.max(np.abs(errors), axis=(1, 2)) < _CANCELLATION_THRESHOLD * self.modes.s[0]
        if len(self.echelon.pivots) and np.any(small):
            errors[small] = self._late.errors(times[small])
        return errors

    @cached_property
    def _late(self) -> LateDeviation:
        return late_deviation(self.modes, self.echelon, self.gamma)

    def limit(self) -> Float[np.ndarray, "out in"]:
        """Network function u^T W v at t -> infinity: strengths s - gamma in the strongest modes that are reached."""
        pivots = self.echelon.pivots
        end = np.zeros((len(self.modes.u), len(self.modes.v)))
        bounds = np.flatnonzero(-np.diff(self.modes.s, append=-1.0) > _EQUAL_TOLERANCE * self.modes.s[0]) + 1
        for start, stop in zip([0, *bounds[:-1]], bounds, strict=True):
            block, columns = slice(start, stop), np.flatnonzero((pivots >= start) & (pivots < stop))
            if self.rates[start] > 0 and len(columns):
                basis, _ = np.linalg.qr(self.echelon.lower[block, columns])
                end[block, block] = (basis * self.rates[start]) @ basis.T
        return end

    def _layers(self, rows: Float[np.ndarray, "time row column"]) -> Factors:
        """Transform rows from the eigenvectors of F to the singular vectors of the task."""
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
        w1: initial first layer, (hidden, in).
        w2: initial second layer, (out, hidden), with w2^T w2 = w1 w1^T up to rounding.
        sigma_yx: input-output correlation, (out, in).
        gamma: weight decay, non-negative, in units of the task.
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Source: Braun et al. (2022), arXiv 2206.03738, for F - gamma; docs/theory.md, section 3.
    """
    basis = modes(sigma_yx, 0.0)
    return DecayedSolution(basis, coordinates(basis, w1, w2, rounded=rounded).echelon, gamma)


def _decay(exponent: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Exponential, with 0 for negligible values."""
    return np.exp(np.where(exponent < _NEGLIGIBLE, -np.inf, exponent))
