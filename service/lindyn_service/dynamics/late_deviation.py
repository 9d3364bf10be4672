"""Error of the network function late in training, without the cancellation of subtracting the task.

The rows of the echelon form are split into learned ones, which are the pivots with positive eigenvalues f, and others.
Let T be the inverse of the block of learned rows, and X the other rows times T. The block of P = Q Q^T that belongs to
the learned rows is the inverse of

    H = (1 - e^{-2ft}) / (2f) + S,    S = e^{-ft} (T^T T + X^T D X) e^{-ft},    D = (e^{2ft} - 1) / (2f) of the others,

so that P - 2f = H^{-1} (e^{-2ft} - 2f S) is obtained without cancellation, as are the other blocks of P
(docs/theory.md, section 2).
"""

from dataclasses import dataclass

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
    """Echelon form prepared for evaluation at late times.

    Attributes:
        modes: eigenpairs of F.
        learned: indices of the pivots with positive eigenvalues.
        missed: indices of the other rows with positive eigenvalues.
        fading: indices of the rows with eigenvalues that are not positive.
        inverse: T, with columns in units of 1 / sizes.
        sizes: magnitudes of the learned pivots.
        missed_x: rows of X that belong to missed rows.
        missed_behind: growth rates of learned rows minus those of missed rows.
        fading_x: rows of X that belong to fading rows, with columns in units of 1 / sizes.
        fading_columns: fading rows of the columns whose pivots are fading rows.
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

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out rank"]:
        """Errors u^T (W - sigma_yx) v at a few times, in units of the time constant."""
        modes, m = self.modes, len(self.modes.s)
        change = self._change(times[:, None])
        minor = _from_eigenvectors(change.transpose(0, 2, 1), modes.p, modes.q, wider=modes.n_minor > m)
        errors = _from_eigenvectors(minor.transpose(0, 2, 1), modes.q, -modes.p, wider=modes.n_major > m)
        missed = self.missed[self.missed < m]
        errors[:, missed, missed] -= modes.s[missed]
        return errors.transpose(0, 2, 1) if modes.exchanged else errors

    def _change(self, t: Float[np.ndarray, "time 1"]) -> Float[np.ndarray, "time row row"]:
        """P along the eigenvectors, minus 2f on the diagonal of the learned rows."""
        f = self.modes.eigenvalues
        rate, learned, others = f[self.learned], self.learned, np.concatenate([self.missed, self.fading])
        behind = np.exp(np.minimum(-rate * t - np.log(self.sizes), _MAX_EXPONENT))[:, None, :]
        missed = self.missed_x * np.exp(-self.missed_behind * t[:, :, None])
        missed_root = np.sqrt(t * phi(2 * f[self.missed] * t))[:, :, None] * missed
        fading_root, fading, own = self._fading(self.fading_x * behind, t)
        root = np.concatenate([self.inverse * behind, missed_root, fading_root], axis=1)
        s = root.transpose(0, 2, 1) @ root
        numerator = -2 * s * rate
        np.einsum("tii->ti", numerator)[:] += np.exp(-2 * rate * t)
        inverse_root = safe_inverse_roots(s, np.sqrt(t * phi(2 * rate * t)), lambda times: root[times])
        inverse = inverse_root @ inverse_root.transpose(0, 2, 1)
        x = np.concatenate([missed, fading], axis=1)
        off_diagonal = x @ inverse
        change = np.empty((len(t), len(f), len(f)))
        change[:, learned[:, None], learned] = inverse @ numerator
        change[:, others[:, None], learned] = off_diagonal
        change[:, learned[:, None], others] = off_diagonal.transpose(0, 2, 1)
        change[:, others[:, None], others] = off_diagonal @ x.transpose(0, 2, 1)
        change[:, self.fading[:, None], self.fading] += own @ own.transpose(0, 2, 1)
        return change

    def _fading(
        self, x: Float[np.ndarray, "time fading learned"], t: Float[np.ndarray, "time 1"]
    ) -> tuple[
        Float[np.ndarray, "time fading learned"],
        Float[np.ndarray, "time fading learned"],
        Float[np.ndarray, "time fading column"],
    ]:
        """Contribution of the fading rows to the root of S, and the decayed X and columns of these rows."""
        f = self.modes.eigenvalues[self.fading]
        decay, weights = np.exp(f * t)[:, :, None], np.sqrt(t * phi(-2 * f * t))[:, :, None]
        columns = self.fading_columns
        if not columns.shape[1]:
            return weights * x, decay * x, np.zeros((len(t), len(f), 0))
        weighted_columns = weights * columns
        transposed = weighted_columns.transpose(0, 2, 1)
        row_root, _ = inverse_roots(weighted_columns @ transposed, np.ones(weighted_columns.shape[:2]), careful=True)
        ones = np.ones((len(t), weighted_columns.shape[2]))
        column_root, _ = inverse_roots(transposed @ weighted_columns, ones, careful=True)
        root = row_root.transpose(0, 2, 1) @ (weights * x)
        return root, decay * (x - columns @ (transposed @ (row_root @ root))), decay * (columns @ column_root)


def late_deviation(basis: Modes, reduced: Echelon) -> LateDeviation:
    """Prepare an echelon form for evaluation at late times.

    Args:
        basis: eigenpairs of F.
        reduced: echelon form of the initial weights along the eigenvectors, with at least one pivot.

    Source: docs/theory.md, section 2.
    """
    f, lower, pivots = basis.eigenvalues, reduced.lower, reduced.pivots
    n = int(np.count_nonzero(f[pivots] > 0))
    learned = pivots[:n]
    others = np.setdiff1d(np.arange(len(f)), learned)
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
    )


def _inverse(lower: Float[np.ndarray, "row row"]) -> Float[np.ndarray, "row row"]:
    return lapack.dtrtri(lower, lower=1)[0] if len(lower) else lower


def _from_eigenvectors(
    rows: Float[np.ndarray, "time row any"],
    growing: Float[np.ndarray, " mode"],
    decaying: Float[np.ndarray, " mode"],
    *,
    wider: bool,
) -> Float[np.ndarray, "time side any"]:
    """Transform rows from eigenvectors of F to singular vectors of one side, which may be wider than the modes."""
    m, n_rows = len(growing), rows.shape[1]
    rows_of_modes = growing[:, None] * rows[:, :m] + decaying[:, None] * rows[:, n_rows - m :][:, ::-1]
    return np.concatenate([rows_of_modes, rows[:, m : n_rows - m]], axis=1) if wider else rows_of_modes
