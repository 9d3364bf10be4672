"""The exact solution of gradient flow with weight decay for lambda-balanced networks of two layers on white inputs.

The balance decays, W2^T W2 - W1 W1^T = lam(t) I with lam(t) = lam e^{-2 gamma t}. With F(lam) as without weight decay
and Phi the solution of tau dPhi/dt = (F(lam(t)) - gamma) Phi, Phi(0) = I,

    P = Q Q^T = Phi Q(0) (I + Q(0)^T N Q(0))^{-1} Q(0)^T Phi^T,    N = integral of Phi^T Phi.

Phi and N have a block of 2 x 2 numbers for each mode, which `decaying_propagators` provides; all rows and columns are
scaled by the growth of the modes, so that nothing overflows at any time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.decaying_deviation import DecayingDeviation, decaying_deviation
from lindyn_service.dynamics.decaying_propagators import DecayingPropagators
from lindyn_service.dynamics.decaying_ratios import DecayingRatios
from lindyn_service.dynamics.decaying_rows import Growth, Rows, decay
from lindyn_service.dynamics.echelon import EPS, Echelon
from lindyn_service.dynamics.initial_coordinates import coordinates
from lindyn_service.dynamics.inverse_roots import gram, safe_inverse_roots, times_upper
from lindyn_service.dynamics.modes import Modes, diagonal, modes
from lindyn_service.dynamics.riccati import Factors
from lindyn_service.dynamics.time_batches import time_batches

_NEAR = 1e-2  # likewise


@dataclass(frozen=True)
class DecayingBalance:
    """A problem solved once, to be evaluated at many times, in units of the time constant.

    Attributes:
        modes: singular modes of the task, with the directions in which modes grow.
        echelon: of the initial weights along these directions.
        propagators: solutions of the modes, and of one more without a task, for extra rows.
    """

    modes: Modes
    echelon: Echelon
    propagators: DecayingPropagators

    @property
    def gamma(self) -> float:
        """Weight decay, in units of the task."""
        return self.propagators.ratios.gamma

    @property
    def late_rates(self) -> Float[np.ndarray, " mode"]:
        """Rates at which modes grow after the balance has vanished."""
        return self.modes.s - self.gamma

    def growth(self, time: float) -> Float[np.ndarray, " mode"]:
        """Logarithms of the growth of the modes by a time."""
        return self.propagators.at(np.array([time])).level[0, :-1]

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times at once, in the singular bases of the task and up to a rotation of hidden units."""
        growth = Growth(self.propagators, times, extra_grow=self._extra_grow)
        return self._factors(growth, self._solved(growth))

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit a core's cache."""
        for part in time_batches(len(times), self.echelon.lower.size):
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
        if self._deviation is not None and np.any(near):
            growth = Growth(self.propagators, times[near], extra_grow=self._extra_grow)
            errors = self._deviation.errors(growth, self._solved(growth))
            distances[near] = errors.transpose(0, 2, 1) if self.modes.exchanged else errors
        return distances

    def rounded(self, seed: int) -> "DecayingBalance":
        """Return the solution with other rounding errors in its rows, in which small layers lose digits."""
        errors = 4 * EPS * np.random.default_rng(seed).uniform(-1, 1, self.echelon.lower.shape)
        return replace(self, echelon=replace(self.echelon, lower=self.echelon.lower * (1 + errors)))

    @property
    def _extra_grow(self) -> bool:
        return self.modes.n_major > self.modes.n_minor

    @cached_property
    def _deviation(self) -> DecayingDeviation | None:
        return decaying_deviation(self.echelon, self.late_rates)

    def _solved(self, growth: Growth) -> Rows:
        """Rows times the inverse root of I + Q(0)^T N Q(0)."""
        lower, pivots = self.echelon.lower, self.echelon.pivots
        sizes = np.abs(lower[pivots, np.arange(len(pivots))])
        grown = growth.of_rows(len(lower))[:, pivots] + np.log(sizes)
        columns = np.exp(np.minimum(grown, 0.0))[:, None, :]
        rows = growth.relative(lower / sizes, pivots).map(lambda part: part * columns)
        root = growth.weights.root(rows)
        inverse = safe_inverse_roots(gram(root), decay(-np.maximum(grown, 0.0)), lambda kept: root[kept])
        return rows.map(lambda part: times_upper(part, inverse))

    def _factors(self, growth: Growth, rows: Rows) -> Factors:
        """From rows along the solutions to singular vectors of the task."""
        along = growth.coordinates
        minor = along.minor_growing * rows.growing + along.minor_falling * rows.falling
        major = along.major_growing * rows.growing + along.major_falling * rows.falling
        extra = along.extra * rows.extra
        if self._extra_grow:
            major = np.concatenate([major, extra], axis=1)
        else:
            minor = np.concatenate([minor, extra], axis=1)
        return Factors(major, minor) if self.modes.exchanged else Factors(minor, major)


def decaying_balance(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    lam: float,
    gamma: float,
    *,
    rounded: bool = True,
) -> DecayingBalance:
    """Solve gradient flow with weight decay from lambda-balanced weights on white inputs.

    Args:
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden), with w2^T w2 - w1 w1^T = lam I up to rounding.
        sigma_yx: input-output correlation.
        lam: balance at time 0, not 0.
        gamma: weight decay, positive, in units of the task.
        rounded: as in `closed_form`.

    Raises:
        TooManyStepsError: the numbers of the problem are too many orders of magnitude apart.

    Source: Domine et al. (2025), arXiv 2409.14623, for F; docs/theory.md, section 3.
    """
    basis = modes(sigma_yx, lam)
    propagators = DecayingPropagators(DecayingRatios(np.append(basis.s, 0.0), abs(lam), gamma))
    ratio = propagators.start[:-1]
    length = np.sqrt(1 + ratio**2)
    basis = replace(basis, p=ratio / length, q=1 / length, gap=(1 - ratio) / length)
    return DecayingBalance(basis, coordinates(basis, w1, w2, rounded=rounded).echelon, propagators)
