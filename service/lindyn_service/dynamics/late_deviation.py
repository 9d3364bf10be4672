"""Deviation from the task late in training, without the cancellation in the network function minus the task.

Rows of the weights are divided into learned ones, the pivots with positive eigenvalues f, and all others. Let T be the
inverse of the block of the echelon form in the rows of the learned pivots, and X the other rows times T. The block of
P = Q Q^T in the learned rows is the inverse of

    H = (1 - e^{-2ft}) / (2f) + S,    S = e^{-ft} (T^T T + X^T D X) e^{-ft},    D = (e^{2ft} - 1) / (2f) in other rows,

so that P - 2f = H^{-1} (e^{-2ft} - 2f S), which does not cancel; neither do the other blocks of P (docs/theory.md,
section 2).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack

from lindyn_service.dynamics.echelon import Echelon
from lindyn_service.dynamics.inverse_roots import inverse_roots, safe_inverse_roots
from lindyn_service.dynamics.modes import Modes
from lindyn_service.dynamics.phi import phi

_MAX_EXPONENT = 345.0  # the square of e^345 is 1e299


@dataclass(frozen=True)
class LateDeviation:
    """Exact solution, prepared for late times, in units of the time constant.

    Attributes:
        modes: eigenpairs of F.
        learned: rows of the pivots with positive eigenvalues.
        missed: other rows with positive eigenvalues.
        fading: rows whose eigenvalues are not positive.
        inverse: T, with columns in units of 1 / sizes.
        sizes: magnitudes of the learned pivots.
        missed_x: X in the missed rows.
        missed_behind: growth rates of learned rows minus those of missed ones, non-negative.
        fading_x: X in the fading rows, with columns in units of 1 / sizes.
        fading_columns: columns of the echelon form with pivots in fading rows, restricted to these rows.
        gamma: weight decay, which reduces all eigenvalues of F and needs balance 0.
    """

    modes: Modes
    learned: Int[np.ndarray, " learned"]
    missed: Int[np.ndarray, " missed"]
    fading: Int[np.ndarray, " fading"]
    inverse: Float[np.ndarray, "learned learned"]
    sizes: Float[np.ndarray, " learned"]
    missed_x: Float[np.ndarray, "missed learned"]
    missed_behind: Float[np.ndarray, "missed learned"]
    fading_x: Float[np.ndarray, "fading learned"]
    fading_columns: Float[np.ndarray, "fading column"]
    gamma: float

    @cached_property
    def rates(self) -> Float[np.ndarray, " row"]:
        """Eigenvalues of F - gamma."""
        return self.modes.eigenvalues - self.gamma

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out rank"]:
        """Evaluate the errors u^T (W - sigma_yx) v at a few times."""
        modes, m = self.modes, len(self.modes.s)
        change = self._change(times[:, None])
        minor = _joined(change.transpose(0, 2, 1), modes.p, modes.q, wider=modes.n_minor > m)
        errors = _joined(minor.transpose(0, 2, 1), modes.q, -modes.p, wider=modes.n_major > m)
        missed = self.missed[self.missed < m]
        errors[:, missed, missed] -= modes.s[missed]
        if self.gamma:
            learned, fading = self.learned[self.learned < m], self.fading[self.fading < m]
            errors[:, learned, learned] -= self.gamma
            errors[:, fading, fading] -= modes.s[fading]
        return errors.transpose(0, 2, 1) if modes.exchanged else errors

    def _change(self, t: Float[np.ndarray, "time 1"]) -> Float[np.ndarray, "time row row"]:
        """Matrix P in the eigenbasis of F, minus 2f on the diagonal of the learned rows."""
        f = self.rates
        rate, learned, others = f[self.learned], self.learned, np.concatenate([self.missed, self.fading])
        behind = np.exp(np.minimum(-rate * t - np.log(self.sizes), _MAX_EXPONENT))[:, None, :]
        missed = self.missed_x * np.exp(-self.missed_behind * t[:, :, None])
        missed_root = np.sqrt(t * phi(2 * f[self.missed] * t))[:, :, None] * missed
        fading_root, fading, own = self._fading(self.fading_x * behind, t)
        root = np.concatenate([self.inverse * behind, missed_root, fading_root], axis=1)
        s = root.transpose(0, 2, 1) @ root
        part = -2 * s * rate
        np.einsum("tii->ti", part)[:] += np.exp(-2 * rate * t)
        inverse_root = safe_inverse_roots(s, np.sqrt(t * phi(2 * rate * t)), lambda times: root[times])
        inverse = inverse_root @ inverse_root.transpose(0, 2, 1)
        x = np.concatenate([missed, fading], axis=1)
        beside = x @ inverse
        change = np.empty((len(t), len(f), len(f)))
        change[:, learned[:, None], learned] = inverse @ part
        change[:, others[:, None], learned] = beside
        change[:, learned[:, None], others] = beside.transpose(0, 2, 1)
        change[:, others[:, None], others] = beside @ x.transpose(0, 2, 1)
        change[:, self.fading[:, None], self.fading] += own @ own.transpose(0, 2, 1)
        return change

    def _fading(
        self, x: Float[np.ndarray, "time fading learned"], t: Float[np.ndarray, "time 1"]
    ) -> tuple[
        Float[np.ndarray, "time fading learned"],
        Float[np.ndarray, "time fading learned"],
        Float[np.ndarray, "time fading column"],
    ]:
        """Rows of the root of S from the fading rows, X in these rows, and a root of their own part of P."""
        f = self.rates[self.fading]
        left, weights = np.exp(f * t)[:, :, None], np.sqrt(t * phi(-2 * f * t))[:, :, None]
        columns = self.fading_columns
        if not columns.shape[1]:
            return weights * x, left * x, np.zeros((len(t), len(f), 0))
        own = weights * columns
        turned = own.transpose(0, 2, 1)
        between, _ = inverse_roots(own @ turned, np.ones(own.shape[:2]), careful=True)
        among, _ = inverse_roots(turned @ own, np.ones((len(t), own.shape[2])), careful=True)
        root = between.transpose(0, 2, 1) @ (weights * x)
        return root, left * (x - columns @ (turned @ (between @ root))), left * (columns @ among)


def late_deviation(basis: Modes, reduced: Echelon, gamma: float = 0.0) -> LateDeviation:
    """Prepare an exact solution for late times.

    Args:
        basis: eigenpairs of F.
        reduced: echelon form of the initial weights in the eigenbasis of F, with at least one pivot.
        gamma: weight decay, in units of the task; 0 unless the balance is 0.

    Source: docs/theory.md, section 2.
    """
    f, lower, pivots = basis.eigenvalues - gamma, reduced.lower, reduced.pivots
    n = int(np.count_nonzero(f[pivots] > 0))
    learned = pivots[:n]
    is_other = np.ones(len(f), dtype=bool)
    is_other[learned] = False
    others = np.flatnonzero(is_other)
    missed, fading = others[f[others] > 0], others[f[others] <= 0]
    sizes = np.abs(lower[learned, np.arange(n)])
    inverse = _inverse(lower[learned, :n] / sizes[:, None])
    return LateDeviation(
        modes=basis,
        learned=learned,
        missed=missed,
        fading=fading,
        inverse=inverse,
        sizes=sizes,
        missed_x=lower[missed, :n] @ inverse / sizes,
        missed_behind=np.maximum(basis.excess[learned] - basis.excess[missed, None], 0.0),
        fading_x=lower[fading, :n] @ inverse,
        fading_columns=lower[fading, n:],
        gamma=gamma,
    )


def _inverse(lower: Float[np.ndarray, "row row"]) -> Float[np.ndarray, "row row"]:
    return lapack.dtrtri(lower, lower=1)[0] if len(lower) else lower


def _joined(
    rows: Float[np.ndarray, "time row any"],
    growing: Float[np.ndarray, " mode"],
    decaying: Float[np.ndarray, " mode"],
    *,
    wider: bool,
) -> Float[np.ndarray, "time side any"]:
    """Transform rows from the eigenvectors of F to the singular vectors of one side, which may exceed the modes."""
    m, n_rows = len(growing), rows.shape[1]
    joined = growing[:, None] * rows[:, :m] + decaying[:, None] * rows[:, n_rows - m :][:, ::-1]
    return np.concatenate([joined, rows[:, m : n_rows - m]], axis=1) if wider else joined
