"""Eigenvectors of the matrix F of the Riccati flow, in closed form from the singular vectors of the task."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Modes:
    """Singular modes of sigma_yx and the eigenpairs of F.

    A network with lam < 0 is solved with its layers exchanged, w1 <-> w2^T, sigma_yx <-> sigma_yx^T, lam <-> -lam, so
    that both signs share one algorithm. The layer that is smaller by the balance is the *minor* layer (w1 for lam >=
    0), the other one the *major* layer. With |lam| for lam, each mode gives F the eigenvalue +kappa with the vector (p,
    q) in (minor, major) singular vectors, and -kappa with (q, -p), where 0 <= p <= q. The singular vectors of the wider
    side that belong to no mode have the eigenvalue +|lam|/2 on the major side and -|lam|/2 on the minor side.

    Attributes:
        u: left singular vectors of the task as columns.
        s: singular values of the task, descending.
        v: right singular vectors of the task as columns.
        lam: balance of the weights.
        kappa: sqrt(s^2 + lam^2 / 4), rates per time constant.
        p: weight of the minor layer in the growing eigenvector.
        q: weight of the major layer in the growing eigenvector.
        gap: q - p.
    """

    u: Float[np.ndarray, "out out"]
    s: Float[np.ndarray, " mode"]
    v: Float[np.ndarray, "in in"]
    lam: float
    kappa: Float[np.ndarray, " mode"]
    p: Float[np.ndarray, " mode"]
    q: Float[np.ndarray, " mode"]
    gap: Float[np.ndarray, " mode"]

    @property
    def exchanged(self) -> bool:
        """Whether the second layer is the minor one."""
        return bool(self.lam < 0)

    @property
    def n_minor(self) -> int:
        """Dimensions of the minor side: inputs for lam >= 0."""
        return len(self.u) if self.exchanged else len(self.v)

    @property
    def n_major(self) -> int:
        """Dimensions of the major side: outputs for lam >= 0."""
        return len(self.v) if self.exchanged else len(self.u)

    @cached_property
    def eigenvalues(self) -> Float[np.ndarray, " in_plus_out"]:
        """Eigenvalues of F, descending: +kappa, those of the wider side, then -kappa."""
        n_extra = self.n_minor + self.n_major - 2 * len(self.s)
        extra = np.full(n_extra, abs(self.lam) / 2 if self.n_major > self.n_minor else -abs(self.lam) / 2)
        return np.concatenate([self.kappa, extra, -self.kappa[::-1]])

    @cached_property
    def excess(self) -> Float[np.ndarray, " in_plus_out"]:
        """Positive eigenvalues minus |lam| / 2, as s^2 / (kappa + |lam| / 2), without cancellation; 0 for the others.

        At large |lam|, differences of these distinguish growth rates whose eigenvalues are equal up to rounding.
        """
        far = self.kappa + abs(self.lam) / 2
        above = self.s * np.divide(self.s, far, out=np.zeros_like(far), where=far > 0)
        return np.concatenate([above, np.zeros(len(self.u) + len(self.v) - len(self.s))])

    def sides(
        self, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]
    ) -> tuple[Float[np.ndarray, "minor hidden"], Float[np.ndarray, "major hidden"]]:
        """Coordinates of the layers along the singular vectors, the minor layer first."""
        into, out = self.v.T @ w1.T, self.u.T @ w2
        return (out, into) if self.exchanged else (into, out)

    def grow(
        self, minor: Float[np.ndarray, "mode hidden"], major: Float[np.ndarray, "mode hidden"]
    ) -> Float[np.ndarray, "mode hidden"]:
        """Growing coordinates p minor + q major, accurate also for layers that nearly cancel."""
        return self.p[:, None] * (minor + major) + self.gap[:, None] * major


def modes(sigma_yx: Float[np.ndarray, "out in"], lam: float) -> Modes:
    """Diagonalise F for a task and a balance, without cancellation at any sign or size of lam.

    The unit vector (p, q) lies along (s, kappa + |lam|/2).

    Source: Domine et al. (2025), arXiv 2409.14623, with lam = 0 and unequal widths as in docs/theory.md, section 2.
    """
    if lam < 0:
        v, s, ut = np.linalg.svd(sigma_yx.T, full_matrices=True)
        u = ut.T
    else:
        u, s, vt = np.linalg.svd(sigma_yx, full_matrices=True)
        v = vt.T
    half = abs(lam) / 2
    kappa = np.hypot(s, half)
    norm = np.hypot(s, kappa + half)
    vanishing = norm == 0
    norm[vanishing] = 1.0
    p, q = s / norm, (kappa + half) / norm
    p[vanishing] = q[vanishing] = np.sqrt(0.5)
    # q - p without cancellation, from q^2 - p^2 = |lam| / (2 kappa)
    gap = np.divide(half, kappa * (p + q), out=np.zeros_like(kappa), where=~vanishing)
    return Modes(u=u, s=s, v=v, lam=lam, kappa=kappa, p=p, q=q, gap=gap)


def diagonal(values: Float[np.ndarray, " mode"], shape: tuple[int, ...]) -> Float[np.ndarray, "rows columns"]:
    """Rectangular matrix with values on its diagonal."""
    matrix = np.zeros(shape)
    np.fill_diagonal(matrix, values)
    return matrix
