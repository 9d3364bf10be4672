"""The distance from the task late in training with weight decay, where W minus the task would lose its digits.

Modes are learned if they have pivots and grow for ever. With T the inverse of their block of the echelon form and X the
other rows times T, the block of (I + Q(0)^T N Q(0))^{-1} along the growing solutions of these modes is (A + S)^{-1}
with their integrals A on the diagonal and S = T^T T + X^T N X + (terms of N between both). One mode alone with squares
k has (A + 1/k)^{-1}. The difference (A + S)^{-1} (1/k - S) (A + 1/k)^{-1} is small by itself, and the distance of the
mode alone is known (`decaying_propagators`).
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack

from lindyn_service.dynamics.decaying_rows import Growth, Rows, decay
from lindyn_service.dynamics.echelon import Echelon
from lindyn_service.dynamics.inverse_roots import inverse_roots


@dataclass(frozen=True)
class DecayingDeviation:
    """A problem prepared for late times.

    Attributes:
        echelon: echelon form of the initial weights.
        learned: pivots of the modes that are learned, the first ones.
        inverse: T with columns in units of 1 / sizes.
        sizes: of these pivots.
    """

    echelon: Echelon
    learned: Int[np.ndarray, " learned"]
    inverse: Float[np.ndarray, "learned learned"]
    sizes: Float[np.ndarray, " learned"]

    def errors(self, growth: Growth, solved: Rows) -> Float[np.ndarray, "time major minor"]:
        """Evaluate u^T (W - sigma_yx) v for the major layer times the minor one.

        Args:
            growth: of the modes by some times.
            solved: rows times the inverse root, whose products are the blocks of the inverse.
        """
        along, learned, states = growth.coordinates, self.learned, growth.states
        growing, falling = solved.growing, solved.falling
        blocks = growing @ growing.transpose(0, 2, 1)
        change = -growth.propagators.unit * self._sum(growth)
        np.einsum("tii->ti", change)[:] += decay(-2 * growth.level[:, learned])
        blocks[:, learned[:, None], learned] = blocks[:, learned[:, None], learned] @ change
        minor = along.minor_falling * falling
        errors = along.major_growing * (
            blocks * along.minor_growing.transpose(0, 2, 1) + growing @ minor.transpose(0, 2, 1)
        )
        both = along.minor_growing * growing + minor
        errors += along.major_falling * (falling @ both.transpose(0, 2, 1))
        missing = np.broadcast_to(growth.propagators.ratios.s[:-1], errors.shape[:2]).copy()
        missing[:, learned] = states.residual[:, learned]
        np.einsum("tii->ti", errors)[:] -= missing
        extra = along.extra * solved.extra
        if growth.extra_grow:
            return np.concatenate([errors, extra @ both.transpose(0, 2, 1)], axis=1)
        major = along.major_growing * growing + along.major_falling * falling
        return np.concatenate([errors, major @ extra.transpose(0, 2, 1)], axis=2)

    def _sum(self, growth: Growth) -> Float[np.ndarray, "time learned learned"]:
        """S in units of the growth of the learned modes."""
        lower, pivots, learned = self.echelon.lower, self.echelon.pivots, self.learned
        n, weights = len(learned), growth.weights
        own, beside, rest = weights.own.copy(), weights.beside.copy(), weights.rest.copy()
        own[:, learned], beside[:, learned] = 0.0, 0.0
        rest[:, learned] = np.sqrt(growth.states.decayed[:, learned])
        others = replace(weights, own=own, beside=beside, rest=rest)
        scaled = growth.relative(lower[:, :n] @ self.inverse / self.sizes, learned)
        cross = (growth.states.cross * decay(-growth.level))[:, learned, None]
        between = cross * scaled.falling[:, learned]
        start = self.inverse / self.sizes * decay(-growth.level[:, None, learned])
        root = np.concatenate([start, others.root(scaled)], axis=1)
        total = root.transpose(0, 2, 1) @ root + between + between.transpose(0, 2, 1)
        if n == len(pivots):
            return total
        columns = growth.relative(lower[:, n:], pivots[n:])
        fading = others.root(columns)
        diagonal = decay(-growth.of_rows(len(lower))[:, pivots[n:]])
        joined = fading.transpose(0, 2, 1) @ root[:, n:] + (cross * columns.falling[:, learned]).transpose(0, 2, 1)
        inverse, _ = inverse_roots(fading.transpose(0, 2, 1) @ fading, diagonal, careful=True)
        part = inverse.transpose(0, 2, 1) @ joined
        return total - part.transpose(0, 2, 1) @ part


def decaying_deviation(reduced: Echelon, late_rates: Float[np.ndarray, " mode"]) -> DecayingDeviation | None:
    """Prepare a problem for late times; None if no mode is learned.

    Args:
        reduced: echelon form of the initial weights along the solutions.
        late_rates: rates at which the modes grow late.

    Source: docs/theory.md, section 3.
    """
    pivots = reduced.pivots
    n = int(np.count_nonzero(np.append(late_rates, np.zeros(len(reduced.lower)))[pivots] > 0))
    if n == 0:
        return None
    learned = pivots[:n]
    sizes = np.abs(reduced.lower[learned, np.arange(n)])
    inverse, _ = lapack.dtrtri(reduced.lower[learned, :n] / sizes[:, None], lower=1)
    return DecayingDeviation(reduced, learned, inverse, sizes)
