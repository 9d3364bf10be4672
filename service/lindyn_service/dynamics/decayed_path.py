"""Growth of modes of two layers under weight decay as a function of time.

Let P = d |x + y|^2 / 4 and M = d |x - y|^2 / 4 for the rows x and y of a mode. Then d a = P - M,
dP/dt = 2 P (s - gamma - P + M) and P M = k^2 e^{-4 gamma t}. The single unknown is g = log(P / P(0)) / 2. Its rate
decreases with g, so that all solutions converge to each other and the equation may be stiff. It is integrated by Radau
collocation. The residual r = s - d a follows dr/dt = 2 gamma s - 2 (P + M + gamma) r and is integrated, too, since the
difference of s and d a loses digits when gamma, the limit of r, is small. Once M is negligible, P follows a logistic
curve.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.radau_collocation import (
    Pieces,
    integrate,
    is_smooth,
    linear_solution,
    radau_rule,
    solve,
)

_NEGLIGIBLE_MINUS = 1e-18  # of M relative to gamma; log P changes by at most half of this ratio afterwards
_LARGEST_EXPONENT = 300.0


@dataclass(frozen=True)
class DecayedPaths:
    """Solutions for some modes under weight decay; times are in units of the time constant.

    Attributes:
        s: singular values of the task, non-negative.
        gamma: weight decay, positive.
        plus: P at time 0.
        minus: M at time 0.
        residuals: s - d a at time 0, which P and M give with fewer digits where they are large.
    """

    s: Float[np.ndarray, " mode"]
    gamma: float
    plus: Float[np.ndarray, " mode"]
    minus: Float[np.ndarray, " mode"]
    residuals: Float[np.ndarray, " mode"]

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]:
        """Evaluate g, where x + y grows by the factor e^g, and the residuals s - d a."""
        g, residuals = self._fall(times[:, None])
        grows = self.plus > 0
        if np.any(grows):
            g[:, grows], residuals[:, grows] = self._growing.grown(times)
        return g, residuals

    @cached_property
    def _growing(self) -> "_GrowingPaths":
        grows = self.plus > 0
        return _GrowingPaths(self.s[grows], self.gamma, self.plus[grows], self.minus[grows], self.residuals[grows])

    def _fall(
        self, t: Float[np.ndarray, "time 1"]
    ) -> tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]:
        """Solutions for x + y = 0, where dM/dt = -2 M (s + gamma + M)."""
        rate = 2 * (self.s + self.gamma)
        more = 2 * self.minus * t * phi(rate * t)
        return (self.s - self.gamma) * t + 0.5 * np.log1p(more), self.s + self.minus * np.exp(-rate * t) / (1 + more)


@dataclass(frozen=True)
class _GrowingPaths:
    """Solutions for modes with positive P; attributes as for `DecayedPaths`."""

    s: Float[np.ndarray, " mode"]
    gamma: float
    plus: Float[np.ndarray, " mode"]
    minus: Float[np.ndarray, " mode"]
    residuals: Float[np.ndarray, " mode"]

    def grown(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]:
        """Evaluate g and the residuals."""
        path, end, last = self._path
        values, late = np.empty((len(times), 2, len(self.s))), times >= end
        values[late] = np.stack(self._logistic(last, end, times[late, None] - end), axis=1)
        values[~late] = path.at(times[~late])
        return values[:, 0], values[:, 1]

    @cached_property
    def _path(self) -> tuple[Pieces, float, Float[np.ndarray, "2 mode"]]:
        """G and the residuals as polynomials until M is negligible, that time, and the values then."""
        start = np.stack([np.zeros(len(self.s)), self.residuals])
        length = 0.1 / float(np.max(self.s + self.gamma + self.plus + self.minus))

        def is_finished(time: float, values: Float[np.ndarray, "2 mode"]) -> bool:
            return bool(np.all(self._minus(values[0], time) <= _NEGLIGIBLE_MINUS * self.gamma))

        return integrate(self._step, start, length, is_finished)

    def _minus(self, g: Float[np.ndarray, " mode"], time: float) -> Float[np.ndarray, " mode"]:
        return self.minus * np.exp(-2 * g - 4 * self.gamma * time)

    def _step(
        self, start: Float[np.ndarray, "2 mode"], time: float, length: float
    ) -> Float[np.ndarray, "2 mode point"] | None:
        """G and the residuals at the start and at the nodes, or None if a polynomial does not resolve them."""
        excess, g0 = (self.s - self.gamma)[:, None], start[0][:, None]
        elapsed = length * radau_rule().nodes
        plus, log_minus = self.plus[:, None], -4 * self.gamma * (time + elapsed)
        minus = self.minus[:, None]

        def squares(
            g: Float[np.ndarray, "mode node"],
        ) -> tuple[Float[np.ndarray, "mode node"], Float[np.ndarray, "mode node"]]:
            return (
                plus * np.exp(np.minimum(2 * g, _LARGEST_EXPONENT)),
                minus * np.exp(np.minimum(log_minus - 2 * g, _LARGEST_EXPONENT)),
            )

        def right_side(
            g: Float[np.ndarray, "mode node"],
        ) -> tuple[Float[np.ndarray, "mode node"], Float[np.ndarray, "mode node"]]:
            growing, falling = squares(g)
            return excess - growing + falling, 2 * (growing + falling)

        g = solve(right_side, g0, self._guess(g0, log_minus, elapsed), length)
        growing, falling = squares(g[:, 1:])
        rate = 2 * (growing + falling + self.gamma)
        residuals = linear_solution(2 * self.gamma * self.s[:, None], rate, start[1][:, None], length)
        values = np.stack([g, residuals])
        sizes = 1 + np.max(np.abs(g), axis=1)
        # a relative rounding error of g is multiplied by g in P, and hence in the residual
        limits = np.stack([sizes, sizes * np.max(np.abs(residuals), axis=1)])
        return values if is_smooth(values, limits, length * float(np.max(rate))) else None

    def _guess(
        self,
        g0: Float[np.ndarray, "mode 1"],
        log_minus: Float[np.ndarray, " node"],
        elapsed: Float[np.ndarray, " node"],
    ) -> Float[np.ndarray, "mode node"]:
        """Displacements of free growth, as far as the zero of the right-hand side, which stiff solutions follow."""
        excess = (self.s - self.gamma)[:, None]
        between = np.sqrt(self.plus * self.minus)[:, None] * np.exp(0.5 * log_minus)
        root = np.hypot(excess, 2 * between)
        zero = np.where(excess > 0, (root + excess) / 2, 2 * between * between / (root + np.abs(excess)))
        still = 0.5 * np.log(np.maximum(zero, 1e-300) / self.plus[:, None]) - g0
        free = excess * elapsed
        return np.where(excess > 0, np.minimum(free, np.maximum(still, 0.0)), np.maximum(free, np.minimum(still, 0.0)))

    def _logistic(
        self, start: Float[np.ndarray, "2 mode"], start_time: float, t: Float[np.ndarray, "time 1"]
    ) -> tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]:
        """Solutions for negligible x - y, where dP/dt = 2 P (s - gamma - P)."""
        excess, p = self.s - self.gamma, self.plus * np.exp(2 * start[0])
        left, more = np.exp(-2 * np.abs(excess) * t), 2 * p * t * phi(2 * np.abs(excess) * t)
        grows = excess > 0
        above = np.where(grows, left + more, 1.0)
        grown: tuple[np.ndarray, np.ndarray] = start[0] - 0.5 * np.log(above), self.gamma + (excess - p) * left / above
        # x + y decays as well, and without a task it decays at the same rate as x - y
        rest = self._minus(start[0], start_time) * (1 + more) * np.exp(-2 * (self.s + self.gamma) * t)
        g: np.ndarray = start[0] + excess * t - 0.5 * np.log1p(more)
        fallen: np.ndarray = self.s - p * left / (1 + more) + rest
        no_task = self.s == 0
        fallen[:, no_task] = (start[1] * left / (1 + more))[:, no_task]
        return np.where(grows, grown[0], g), np.where(grows, grown[1], fallen)
