"""Independent modes of two layers under weight decay, which adds gamma / 2 sum ||W_l||_F^2 to the loss.

The rows x and y of a mode follow dx/dt = (s - d a) y - gamma x and dy/dt = (s - d a) x - gamma y with a = x . y. Hence
x + y is multiplied by e^{G - gamma t} and x - y by e^{-G - gamma t}, where G is the integral of s - d a over time.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.decayed_path import DecayedPaths
from lindyn_service.dynamics.decoupled_modes import DecoupledModes, ModeStates


@dataclass(frozen=True)
class DecayedModes:
    """Independent modes of two layers under weight decay; times are in units of the time constant.

    Attributes:
        modes: the same modes without weight decay.
        gamma: weight decay, positive, in units of the task.
    """

    modes: DecoupledModes
    gamma: float

    def at(self, times: Float[np.ndarray, " time"]) -> ModeStates:
        """Evaluate at non-negative times; the change of |y|^2 is that of |x|^2 minus (1 - e^{-2 gamma t}) lam."""
        plus, residuals = self._paths.at(times)
        minus, opposite = -plus - 2 * self.gamma * times[:, None], self.modes.unreached
        growth = plus + self.gamma * times[:, None]
        size, outer = np.abs(growth), np.exp(np.where(opposite, minus, np.maximum(plus, minus)))
        even = np.where(opposite, 1.0, (1 + np.exp(-2 * size)) / 2) * outer
        odd = np.where(opposite, 0.0, -np.sign(growth) * np.expm1(-2 * size) / 2) * outer
        x0, y0 = self.modes.x, self.modes.y
        x = even[:, :, None] * x0 + odd[:, :, None] * y0
        y = even[:, :, None] * y0 + odd[:, :, None] * x0
        squares = np.vecdot(x0, x0) + np.vecdot(y0, y0)
        strengths = self.modes.initial * (even**2 + odd**2) + squares * even * odd
        return ModeStates(strengths, residuals, x, y, np.vecdot(x, x) - np.vecdot(x0, x0))

    def limit_strengths(self) -> Float[np.ndarray, " mode"]:
        """Strengths at t -> infinity."""
        reached = self.modes.alpha > 0
        return np.where(reached, soft_threshold(self.modes.s, self.modes.d, self.gamma), 0.0)

    @cached_property
    def _paths(self) -> DecayedPaths:
        modes = self.modes
        residuals = modes.s - modes.d * modes.initial
        return DecayedPaths(modes.s, self.gamma, modes.alpha / 2, modes.beta / 2, residuals)


def soft_threshold(
    s: Float[np.ndarray, " mode"], d: Float[np.ndarray, " mode"], gamma: float
) -> Float[np.ndarray, " mode"]:
    """Strengths (s - gamma)_+ / d of modes of two layers at t -> infinity under weight decay.

    Args:
        s: singular values of the task, non-negative.
        d: input variances, non-negative; modes with d = 0 decay to 0.
        gamma: weight decay, non-negative, in units of the task.

    Source: Srebro, Rennie and Jaakkola (2004), Maximum-margin matrix factorization: |W1|_F^2 + |W2|_F^2 is at least
    twice the nuclear norm of w2 w1; Cai, Candes and Shen (2010), 10.1137/080738970, equation (2.2), its minimiser.
    """
    return np.divide(np.maximum(s - gamma, 0.0), d, out=np.zeros_like(d), where=d > 0)
