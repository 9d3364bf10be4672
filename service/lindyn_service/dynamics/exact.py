"""The exact solution of gradient flow for balanced two-layer networks: any widths, rank, sign of lambda and time.

tau dP/dt = F P + P F - P^2 for P = Q Q^T, Q = [w1^T; w2], has the solution
P(t) = e^{Ft} Q0 [I + Q0^T (int_0^t e^{2Fs} ds) Q0]^{-1} Q0^T e^{Ft} (Fukumizu 1998; Braun et al. 2022, arXiv
2206.03738; Domine et al. 2025, arXiv 2409.14623). Here it is evaluated in the eigenbasis of F, scaled so that no time
overflows; no matrix but a positive definite one is inverted, and no width, rank or sign of lambda is special.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import blas, lapack

from lindyn_service.dynamics.echelon import Echelon, echelon
from lindyn_service.dynamics.modes import Modes, modes
from lindyn_service.dynamics.scaling import Scaled, scale

_BATCH_ENTRIES = 2**16  # half a megabyte an array: the arrays of one batch stay in a core's cache
_LARGEST_RATIO = 1e3  # of a column to its Cholesky pivot, up to which a squared matrix is trusted


@dataclass(frozen=True)
class Factors:
    """Weights at some times, in the singular bases of the task and up to one rotation of the hidden units.

    w1^T = V into @ R and w2 = U out @ R with one orthogonal R for each time: products of the two are exact, and so is
    everything else that a rotation of the hidden units leaves alone.
    """

    into: Float[np.ndarray, "time in hidden"]
    out: Float[np.ndarray, "time out hidden"]


@dataclass(frozen=True)
class Solution:
    """A problem solved once, to be evaluated at many times; times are in units of the time constant."""

    modes: Modes
    echelon: Echelon

    @property
    def initial_size(self) -> float:
        """Squared Frobenius norm of both layers at time 0, in squared units of the weights."""
        return float(np.sum(self.echelon.lower**2))

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit a core's cache."""
        size = max(1, min(256, _BATCH_ENTRIES // max(1, self.echelon.lower.size)))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            yield part, self.at(times[part])

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Evaluate at a few times at once."""
        n_in = len(self.modes.v)
        if not len(self.echelon.pivots):
            # weights without any overlap, such as zero, stay; LAPACK takes no empty matrices
            still = np.zeros((len(times), n_in + len(self.modes.u), 1))
            return Factors(still[:, :n_in], still[:, n_in:])
        scaled = scale(self.modes, self.echelon, times)
        gram_root = np.multiply(scaled.y, scaled.gram_weights[:, :, None], order="C")
        gram = gram_root.transpose(0, 2, 1) @ gram_root
        squares = np.einsum("tii->ti", gram)  # a view of the diagonals
        squares += scaled.diagonal**2
        norm = np.sqrt(squares)
        inverse_root = _inverse_cholesky(gram)
        for i in np.flatnonzero(_untrusted(inverse_root, norm)):
            inverse_root[i] = _inverse_root_by_qr(gram_root[i], scaled.diagonal[i])
        factors = self._rotate(scaled, out=gram_root)
        for both, root in zip(factors, inverse_root, strict=True):
            # row-major arrays seen from Fortran are transposed: in place, both @ root^T
            blas.dtrmm(1.0, root.T, both.T, side=0, lower=0, trans_a=1, overwrite_b=1)
        return Factors(factors[:, :n_in], factors[:, n_in:])

    def _rotate(self, scaled: Scaled, out: Float[np.ndarray, "time row pivot"]) -> Float[np.ndarray, "time row pivot"]:
        """Weigh the rows; go from eigenvectors of F to singular vectors of the task, input rows before output rows."""
        m, n_in, n_rows = len(self.modes.s), len(self.modes.v), out.shape[1]
        p, q, y = self.modes.p, self.modes.q, scaled.y
        weights = scaled.row_weights[:, :, None]
        grow, decay = y[:, :m], y[:, n_rows - m :][:, ::-1]
        grown, decayed = weights[:, :m], weights[:, n_rows - m :][:, ::-1]
        into, outward = out[:, :m], out[:, n_in : n_in + m]
        np.multiply(p[:, None] * grown, grow, out=into)
        np.multiply(q[:, None] * grown, grow, out=outward)
        part = (q[:, None] * decayed) * decay
        into += part
        outward -= np.multiply(p[:, None] * decayed, decay, out=part)
        extra = y[:, m : n_rows - m] * weights[:, m : n_rows - m]
        out[:, m:n_in] = extra[:, : n_in - m]
        out[:, n_in + m :] = extra[:, n_in - m :]
        return out


def solve(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    lam: float,
) -> Solution:
    """Solve gradient flow from balanced weights on white inputs.

    Args:
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden), with w2^T w2 - w1 w1^T = lam I up to rounding.
        sigma_yx: input-output correlation, (out, in).
        lam: balance of the weights.

    Returns:
        The solution; evaluating it costs about 10 n^3 floating-point operations a time at equal widths n.

    Source: Fukumizu (1998); Braun et al. (2022), arXiv 2206.03738; Domine et al. (2025), arXiv 2409.14623.
    """
    basis = modes(sigma_yx, lam)
    return Solution(basis, echelon(basis.project(w1, w2)))


def _inverse_cholesky(gram: Float[np.ndarray, "time pivot pivot"]) -> Float[np.ndarray, "time pivot pivot"]:
    """Inverses of the lower Cholesky factors, in place; zeros where a matrix is not positive definite."""
    for matrix in gram:
        factor = matrix.T  # a row-major lower triangle is an upper one for Fortran
        if lapack.dpotrf(factor, lower=0, overwrite_a=1, clean=0)[1]:
            matrix[:] = 0.0
        else:
            lapack.dtrtri(factor, lower=0, overwrite_c=1)
    return gram


def _untrusted(
    inverse_root: Float[np.ndarray, "time pivot pivot"], norm: Float[np.ndarray, "time pivot"]
) -> Bool[np.ndarray, " time"]:
    """Where a pivot of the Cholesky factor is so small beside its column that rounding of the square matters."""
    ratio = np.diagonal(inverse_root, axis1=1, axis2=2) * norm
    return np.any((ratio == 0) | (ratio > _LARGEST_RATIO), axis=1)


def _inverse_root_by_qr(
    gram_root: Float[np.ndarray, "row pivot"], diagonal: Float[np.ndarray, " pivot"]
) -> Float[np.ndarray, "pivot pivot"]:
    """The same inverse root without squaring the condition number, where that is needed."""
    upper = np.linalg.qr(np.concatenate([np.diag(diagonal), gram_root]), mode="r")
    inverse, _ = lapack.dtrtri(upper, lower=0)
    return (inverse * np.copysign(1.0, np.diagonal(inverse))).T
