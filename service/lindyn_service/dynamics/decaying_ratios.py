"""Directions of the growing and of the decaying solution of a mode while the balance of the weights decays.

With weight decay gamma the balance is lam(t) = lam e^{-2 gamma t}. Each singular value s of the task has a linear
equation for a pair of coordinates x and y of the minor and the major layer,

    dx/dt = -(lam(t) / 2 + gamma) x + s y,    dy/dt = s x + (lam(t) / 2 - gamma) y.

The ratio w = x / y of any growing solution and the ratio z = -y / x of the decaying one obey

    dw/dt = s (1 - w^2) - lam(t) w,    dz/dt = lam(t) z - s (1 - z^2).

All w converge to each other forwards in time, and all z backwards. As logarithms, both solve one equation,
du/dt = -2 s sinh u - lam, which is integrated by Radau collocation: the length of its steps is limited by the
smoothness of the solution but not by stiffness.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.radau_collocation import NODES, Pieces, integrate, is_smooth, radau_rule, solve

_SMALL = 1e-9  # of lam(t) / (s + gamma); z = 1 - lam(t) / (2 (s + gamma)) up to the square of this


@dataclass(frozen=True)
class DecayingRatios:
    """The decaying solutions of some modes; times are in units of the time constant.

    Attributes:
        s: singular values of the task, non-negative.
        lam: size of the balance at time 0, positive.
        gamma: weight decay, positive, in units of the task.
    """

    s: Float[np.ndarray, " mode"]
    lam: float
    gamma: float

    def balance(self, t: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return lam(t)."""
        return self.lam * np.exp(-2 * self.gamma * t)

    def half_integral(self, t: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Return the integral of lam / 2 from 0 to t."""
        return -self.lam * np.expm1(-2 * self.gamma * t) / (4 * self.gamma)

    def at(self, t: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time mode"]:
        """Evaluate z at non-negative times; modes with s = 0, whose layers are independent, have z = 0."""
        logs = -self.balance(t)[:, None] / (2 * (self.s + self.gamma))
        early = t < self._turn
        if np.any(early):
            logs[early] = self._path.at(self._turn - t[early])
        return np.where(self.s > 0, np.exp(logs), 0.0)

    @cached_property
    def _turn(self) -> float:
        """Time from which the balance is small for all modes."""
        slowest = float(np.min(self.s)) + self.gamma
        return max(0.0, float(np.log(self.lam / (2 * _SMALL * slowest)) / (2 * self.gamma)))

    @cached_property
    def _path(self) -> Pieces:
        """Logarithms of z against the time that is left until the turn."""

        def step(u: Float[np.ndarray, " mode"], time: float, length: float) -> Float[np.ndarray, "mode point"] | None:
            left = self._turn - time - length * np.append(0.0, radau_rule().nodes)
            return log_ratios(self.s, self.balance(left), u, length, 2 * self.gamma)

        start = -self.balance(np.array([self._turn])) / (2 * (self.s + self.gamma))
        return integrate(step, start, 0.5 / self.gamma, lambda _time, _u: False, self._turn)[0]


def log_ratios(
    s: Float[np.ndarray, " mode"],
    balance: Float[np.ndarray, " point"],
    start: Float[np.ndarray, " mode"],
    length: float,
    rate: float,
) -> Float[np.ndarray, "mode point"] | None:
    """Solve du/dt = -2 s sinh u - lam over one step.

    Args:
        s: singular values; those that are 0 have no ratio, and get 0.
        balance: lam at the start and at the nodes of the step.
        start: u at the start.
        length: length of the step.
        rate: rate at which the balance changes.

    Returns:
        u at the start and at the nodes, or None if a polynomial does not resolve it.
    """
    logs, some = np.zeros((len(s), NODES + 1)), s > 0
    if not np.any(some):
        return logs
    twice, u0 = 2 * s[some, None], start[some, None]

    def right_side(
        u: Float[np.ndarray, "mode node"],
    ) -> tuple[Float[np.ndarray, "mode node"], Float[np.ndarray, "mode node"]]:
        return -twice * np.sinh(u) - balance[1:], twice * np.cosh(u)

    # a stiff solution follows the zero of the right-hand side
    followed = np.arcsinh(balance[0] / twice) - np.arcsinh(balance[1:] / twice)
    solution = solve(right_side, u0, np.where(twice * np.cosh(u0) * length > 1, followed, 0.0), length)
    logs[some] = solution
    fastest = float(np.max(twice * np.cosh(solution))) + rate
    return logs if is_smooth(logs, 1 + np.max(np.abs(logs), axis=1), length * fastest) else None
