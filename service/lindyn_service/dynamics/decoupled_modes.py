"""Modes of two layers that learn alone, each with its own balance, input variance and several hidden units.

A mode has the rows x = W1 v and y = W2^T u among the hidden units, and tau dx/dt = (s - d a) y, tau dy/dt =
(s - d a) x with a = x . y. Hence x + y grows by the factor e^G and x - y falls by it, and e^{2G} obeys a scalar Riccati
equation with constant coefficients, whose solution is written here in terms that are positive and bounded at all times.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.phi import phi

_ROUNDINGS = 16  # of the size of a rounding error, up to which a sum or a part of rows is none


_QUARTER_TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


@dataclass(frozen=True)
class ModeStates:
    """Modes at some times.

    Attributes:
        strengths: a = x . y.
        residuals: s - d a; small ones keep their digits.
        x: coordinates of x along the two hidden directions of each mode.
        y: coordinates of y along the same.
        square_changes: |x|^2 less that at time 0, which is also that of |y|^2, to its own rounding errors.
    """

    strengths: Float[np.ndarray, "time mode"]
    residuals: Float[np.ndarray, "time mode"]
    x: Float[np.ndarray, "time mode 2"]
    y: Float[np.ndarray, "time mode 2"]
    square_changes: Float[np.ndarray, "time mode"]


@dataclass(frozen=True)
class DecoupledModes:
    """Modes of two layers; times are in units of the time constant.

    Attributes:
        s: singular values of the task, non-negative.
        d: input variances, non-negative; where d = 0, s is 0, too, and the mode stays.
        x: coordinates of the rows of the first layer at time 0.
        y: coordinates of those of the second one.
        directions: unit vectors of the coordinates among the hidden units, orthogonal, or zeros.
        unreached: modes with s > 0 and x + y = 0 up to rounding: they are never learned.
    """

    s: Float[np.ndarray, " mode"]
    d: Float[np.ndarray, " mode"]
    x: Float[np.ndarray, "mode 2"]
    y: Float[np.ndarray, "mode 2"]
    directions: Float[np.ndarray, "mode 2 hidden"]
    unreached: Bool[np.ndarray, " mode"]

    @cached_property
    def initial(self) -> Float[np.ndarray, " mode"]:
        """Strengths at time 0."""
        return np.vecdot(self.x, self.y)

    @cached_property
    def lam(self) -> Float[np.ndarray, " mode"]:
        """Balance |y|^2 - |x|^2 of each mode, conserved."""
        x, y = np.linalg.norm(self.x, axis=1), np.linalg.norm(self.y, axis=1)
        return (y - x) * (y + x)

    @cached_property
    def alpha(self) -> Float[np.ndarray, " mode"]:
        """The rate d |x + y|^2 / 2 at time 0, zero for modes that are not reached."""
        total = self.x + self.y
        return np.where(self.unreached, 0.0, self.d * np.vecdot(total, total) / 2)

    @cached_property
    def beta(self) -> Float[np.ndarray, " mode"]:
        """The rate d |x - y|^2 / 2 at time 0."""
        difference = self.x - self.y
        return self.d * np.vecdot(difference, difference) / 2

    @cached_property
    def kappa(self) -> Float[np.ndarray, " mode"]:
        """Rates sqrt(s^2 + d^2 l^2 / 4), half of those at which the residuals decay in the end; l = |x + y| |x - y|."""
        return np.hypot(self.s, np.sqrt(self.alpha) * np.sqrt(self.beta))

    def at(self, times: Float[np.ndarray, " time"]) -> ModeStates:
        """Evaluate at non-negative times.

        With T = (1 - e^{-2 kappa t}) / (2 kappa), e^{2G} is the ratio of `above` n = (1 + e^{-2 kappa t}) / 2 +
        (s + beta) T and `below` m = e^{-2 kappa t} + (alpha + kappa - s) T; then s - d a falls as e^{-2 kappa t} / n m.
        """
        t = times[:, None]
        left = np.exp(-2 * self.kappa * t)
        mean, grown = (1 + left) / 2, t * phi(2 * self.kappa * t)
        above = mean + (self.s + self.beta) * grown
        below = left + (self.alpha + self._gap) * grown
        # without any x + y both vanish alike
        share = np.divide(left, below, out=np.ones_like(left), where=below > 0)
        below = np.where(below > 0, below, 1.0)
        squares = np.vecdot(self.x, self.x) + np.vecdot(self.y, self.y)
        start = self.s - self.d * self.initial
        alone = self.unreached
        rise = mean * self.initial * 2 + self.s * grown * squares
        strengths = self.initial * (left + 2 * (self.s * grown) ** 2) + self.s * grown * (
            mean * squares + 2 * grown * self._both
        )
        strengths = np.where(alone, self.initial * left / above, strengths / (above * below))
        changes = np.where(alone, -(strengths - self.initial), grown * start * rise / (above * below))
        size = np.sqrt(above * below)[:, :, None]
        fallen = np.sqrt(left / above)[:, :, None]
        x, y = (
            np.where(alone[:, None], own * fallen, self._row(own, other, left, grown) / size)
            for own, other in ((self.x, self.y), (self.y, self.x))
        )
        return ModeStates(strengths, start * share / above, x, y, changes)

    def hidden_rows(self, rows: Float[np.ndarray, "time mode 2"]) -> Float[np.ndarray, "time mode hidden"]:
        """Vectors among the hidden units from their coordinates."""
        return np.einsum("tmc,mch->tmh", rows, self.directions)

    @cached_property
    def _both(self) -> Float[np.ndarray, " mode"]:
        """The product alpha beta / d = d l^2 / 4."""
        difference = self.x - self.y
        return self.alpha * np.vecdot(difference, difference) / 2

    @cached_property
    def _gap(self) -> Float[np.ndarray, " mode"]:
        """The difference kappa - s without cancellation."""
        far = self.kappa + self.s
        return self.alpha * np.divide(self.beta, far, out=np.zeros_like(far), where=far > 0)

    def _row(
        self,
        own: Float[np.ndarray, "mode 2"],
        other: Float[np.ndarray, "mode 2"],
        left: Float[np.ndarray, "time mode"],
        grown: Float[np.ndarray, "time mode"],
    ) -> Float[np.ndarray, "time mode 2"]:
        """Rows of one layer, here x, multiplied by e^{-kappa t} and the root of n m.

        With y = eta x / |x| + zeta across x, the row x becomes x (e^{-2 kappa t} + T (kappa - delta)) + T s eta x / |x|
        + T (s - d a) zeta across x: sums of positive numbers along x as long as a is positive.
        """
        length = np.linalg.norm(own, axis=1)
        unit = np.divide(own, length[:, None], out=np.zeros_like(own), where=length[:, None] > 0)
        across = unit @ _QUARTER_TURN
        eta, zeta = (np.einsum("mc,mc->m", direction, other) for direction in (unit, across))
        beside = np.where(length[:, None] > 0, zeta[:, None] * across, other)
        square = np.einsum("mc,mc->m", beside, beside)
        delta = self.d * (eta**2 - length**2 - square) / 2
        far = np.where(delta > 0, self.kappa + delta, 1.0)
        near = self.s**2 + self.d**2 * eta**2 * square
        behind = np.divide(near, far, out=self.kappa - delta, where=delta > 0)
        start = self.s - self.d * self.initial
        along = (left + grown * behind)[:, :, None] * own + (grown * self.s * eta)[:, :, None] * unit
        return along + (grown * start)[:, :, None] * beside


def decoupled_modes(
    s: Float[np.ndarray, " mode"],
    d: Float[np.ndarray, " mode"],
    x: Float[np.ndarray, "mode hidden"],
    y: Float[np.ndarray, "mode hidden"],
    errors: Float[np.ndarray, " mode"],
) -> DecoupledModes:
    """Prepare modes from the rows of both layers.

    Args:
        s: singular values of the task, non-negative.
        d: input variances of the modes, non-negative.
        x: rows W1 v of the first layer.
        y: rows W2^T u of the second layer.
        errors: sizes of the rounding errors of the rows, both layers together; what is within 16 of them, of x + y or
            of one row across the other, is none. Zeros take all numbers as exact.

    Source: Saxe et al. (2014), arXiv 1312.6120, equation (13), and Tarmoun et al. (2021), section 4, for modes with
    one hidden unit each or white inputs; for rows that are not parallel docs/theory.md, section 3.
    """
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    longer = (lengths[0] >= lengths[1])[:, None]
    first, other = _unit(np.where(longer, x, y)), np.where(longer, y, x)
    across = other - np.vecdot(first, other)[:, None] * first
    across -= np.vecdot(first, across)[:, None] * first
    beside = np.linalg.norm(across, axis=1)
    across[beside <= _ROUNDINGS * errors] = 0.0
    directions = np.stack([first, _unit(across)], axis=1)
    x, y = np.einsum("mh,mch->mc", x, directions), np.einsum("mh,mch->mc", y, directions)
    unreached = np.linalg.norm(x + y, axis=1) <= _ROUNDINGS * errors
    return DecoupledModes(s, d, x, np.where(unreached[:, None], -x, y), directions, unreached)


def _unit(rows: Float[np.ndarray, "mode hidden"]) -> Float[np.ndarray, "mode hidden"]:
    """Rows of length 1; zeros stay."""
    lengths = np.linalg.norm(rows, axis=1)[:, None]
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
