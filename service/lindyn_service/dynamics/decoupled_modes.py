"""Independent modes of two layers, each with its own balance, input variance and several hidden units.

A mode has the rows x = W1 v and y = W2^T u in the hidden space, which follow tau dx/dt = (s - d a) y and
tau dy/dt = (s - d a) x with a = x . y. Hence x + y is multiplied by e^G and x - y by e^{-G}, where e^{2G} follows a
scalar Riccati equation with constant coefficients. Its solution is evaluated in terms that are positive and bounded at
all times.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.phi import phi

_ROUNDING_FACTOR = 16  # sums and components of rows below this multiple of their rounding errors count as 0


_QUARTER_TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


@dataclass(frozen=True)
class ModeStates:
    """Independent modes at some times.

    Attributes:
        strengths: strengths a = x . y.
        residuals: residuals s - d a, accurate relative to each residual, however small.
        x: coordinates of x along the two hidden directions of each mode.
        y: coordinates of y along the same directions.
        square_changes: change of |x|^2 since time 0, accurate relative to the change; |y|^2 changes by as much without
            weight decay.
    """

    strengths: Float[np.ndarray, "time mode"]
    residuals: Float[np.ndarray, "time mode"]
    x: Float[np.ndarray, "time mode 2"]
    y: Float[np.ndarray, "time mode 2"]
    square_changes: Float[np.ndarray, "time mode"]


@dataclass(frozen=True)
class DecoupledModes:
    """Independent modes of two layers; times are in units of the time constant.

    Attributes:
        s: singular values of the task, non-negative.
        d: input variances, non-negative; modes with d = 0 have s = 0, too, and are constant.
        x: coordinates of the rows of the first layer at time 0.
        y: coordinates of the rows of the second layer at time 0.
        directions: two orthonormal vectors in the hidden space for each mode, or zeros where fewer are needed.
        unreached: whether x + y = 0 up to rounding; such modes with s > 0 are never learned.
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
        """Rate d |x + y|^2 / 2 at time 0; 0 for modes that are not reached."""
        total = self.x + self.y
        return np.where(self.unreached, 0.0, self.d * np.vecdot(total, total) / 2)

    @cached_property
    def beta(self) -> Float[np.ndarray, " mode"]:
        """Rate d |x - y|^2 / 2 at time 0."""
        difference = self.x - self.y
        return self.d * np.vecdot(difference, difference) / 2

    @cached_property
    def kappa(self) -> Float[np.ndarray, " mode"]:
        """Rates sqrt(s^2 + d^2 l^2 / 4) with l = |x + y| |x - y|; residuals decay at twice these rates in the limit."""
        return np.hypot(self.s, np.sqrt(self.alpha) * np.sqrt(self.beta))

    def at(self, times: Float[np.ndarray, " time"]) -> ModeStates:
        """Evaluate at non-negative times.

        Let T = (1 - e^{-2 kappa t}) / (2 kappa). Then e^{2G} = n / m with n = (1 + e^{-2 kappa t}) / 2 + (s + beta) T
        and m = e^{-2 kappa t} + (alpha + kappa - s) T, and s - d a decays like e^{-2 kappa t} / (n m).
        """
        t = times[:, None]
        decay = np.exp(-2 * self.kappa * t)
        mean, integral = (1 + decay) / 2, t * phi(2 * self.kappa * t)
        numerator = mean + (self.s + self.beta) * integral
        denominator = decay + (self.alpha + self._gap) * integral
        # for x + y = 0, numerator and denominator of this ratio underflow together
        share = np.divide(decay, denominator, out=np.ones_like(decay), where=denominator > 0)
        denominator = np.where(denominator > 0, denominator, 1.0)
        squares = np.vecdot(self.x, self.x) + np.vecdot(self.y, self.y)
        initial_residual = self.s - self.d * self.initial
        is_unreached = self.unreached
        rise = mean * self.initial * 2 + self.s * integral * squares
        strengths = self.initial * (decay + 2 * (self.s * integral) ** 2) + self.s * integral * (
            mean * squares + 2 * integral * self._product
        )
        strengths = np.where(is_unreached, self.initial * decay / numerator, strengths / (numerator * denominator))
        risen = integral * initial_residual * rise / (numerator * denominator)
        changes = np.where(is_unreached, -(strengths - self.initial), risen)
        size = np.sqrt(numerator * denominator)[:, :, None]
        root_decay = np.sqrt(decay / numerator)[:, :, None]
        x, y = (
            np.where(is_unreached[:, None], own * root_decay, self._row(own, other, decay, integral) / size)
            for own, other in ((self.x, self.y), (self.y, self.x))
        )
        return ModeStates(strengths, initial_residual * share / numerator, x, y, changes)

    def hidden_rows(self, rows: Float[np.ndarray, "time mode 2"]) -> Float[np.ndarray, "time mode hidden"]:
        """Vectors in the hidden space from coordinates along the directions of the modes."""
        return np.einsum("tmc,mch->tmh", rows, self.directions)

    @cached_property
    def _product(self) -> Float[np.ndarray, " mode"]:
        """Product alpha beta / d = d l^2 / 4."""
        difference = self.x - self.y
        return self.alpha * np.vecdot(difference, difference) / 2

    @cached_property
    def _gap(self) -> Float[np.ndarray, " mode"]:
        """Difference kappa - s without cancellation."""
        total = self.kappa + self.s
        return self.alpha * np.divide(self.beta, total, out=np.zeros_like(total), where=total > 0)

    def _row(
        self,
        own: Float[np.ndarray, "mode 2"],
        other: Float[np.ndarray, "mode 2"],
        decay: Float[np.ndarray, "time mode"],
        integral: Float[np.ndarray, "time mode"],
    ) -> Float[np.ndarray, "time mode 2"]:
        """Rows of one layer, here x, multiplied by e^{-kappa t} sqrt(n m).

        Let y = eta x / |x| + zeta x', where x' is the unit vector orthogonal to x. The result is the sum of x (e^{-2
        kappa t} + T (kappa - delta)), T s eta x / |x| and T (s - d a) zeta x' with s - d a at time 0. The terms along x
        do not cancel while a is positive.
        """
        length = np.linalg.norm(own, axis=1)
        unit = np.divide(own, length[:, None], out=np.zeros_like(own), where=length[:, None] > 0)
        perpendicular = unit @ _QUARTER_TURN
        eta, zeta = (np.einsum("mc,mc->m", direction, other) for direction in (unit, perpendicular))
        orthogonal = np.where(length[:, None] > 0, zeta[:, None] * perpendicular, other)
        square = np.einsum("mc,mc->m", orthogonal, orthogonal)
        delta = self.d * (eta**2 - length**2 - square) / 2
        total = np.where(delta > 0, self.kappa + delta, 1.0)
        product = self.s**2 + self.d**2 * eta**2 * square
        difference = np.divide(product, total, out=self.kappa - delta, where=delta > 0)
        initial_residual = self.s - self.d * self.initial
        along = (decay + integral * difference)[:, :, None] * own + (integral * self.s * eta)[:, :, None] * unit
        return along + (integral * initial_residual)[:, :, None] * orthogonal


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
        errors: norms of the rounding errors of the rows of both layers. If x + y, or the component of one row
            orthogonal to the other, is below 16 times this norm, it counts as 0. Zeros declare all numbers exact.

    Source: Saxe et al. (2014), arXiv 1312.6120, equation (13), and Tarmoun et al. (2021), section 4, for modes with
    one hidden unit each or white inputs; for rows that are not parallel docs/theory.md, section 3.
    """
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    longer = (lengths[0] >= lengths[1])[:, None]
    first, other = _unit(np.where(longer, x, y)), np.where(longer, y, x)
    across = other - np.vecdot(first, other)[:, None] * first
    across -= np.vecdot(first, across)[:, None] * first
    distances = np.linalg.norm(across, axis=1)
    across[distances <= _ROUNDING_FACTOR * errors] = 0.0
    directions = np.stack([first, _unit(across)], axis=1)
    x, y = np.einsum("mh,mch->mc", x, directions), np.einsum("mh,mch->mc", y, directions)
    unreached = np.linalg.norm(x + y, axis=1) <= _ROUNDING_FACTOR * errors
    return DecoupledModes(s, d, x, np.where(unreached[:, None], -x, y), directions, unreached)


def _unit(rows: Float[np.ndarray, "mode hidden"]) -> Float[np.ndarray, "mode hidden"]:
    """Normalise rows to length 1; rows of zeros remain zeros."""
    lengths = np.linalg.norm(rows, axis=1)[:, None]
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
