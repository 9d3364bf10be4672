"""The eigenvectors of the Riccati flow, in closed form from the singular vectors of the task."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Modes:
    """Singular modes of sigma_yx and the eigenpairs that they give F.

    A problem with lam < 0 is solved with its layers exchanged, w1 <-> w2^T, sigma_yx <-> sigma_yx^T, lam <-> -lam, so
    that both signs take the same steps. The layer that is smaller by the balance is the *minor* one (w1 for lam >= 0),
    the other the *major* one. With |lam| for lam, F has for each mode the eigenvalue +kappa with the vector (p, q) in
    (minor, major) singular vectors, and -kappa with (q, -p), where 0 <= p <= q; the side with more dimensions adds
    vectors of its own, with +|lam|/2 on the major side and -|lam|/2 on the minor one.
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

    @property
    def eigenvalues(self) -> Float[np.ndarray, " in_plus_out"]:
        """Eigenvalues of F, descending: +kappa, then the extra ones, then -kappa."""
        n_extra = self.n_minor + self.n_major - 2 * len(self.s)
        extra = np.full(n_extra, abs(self.lam) / 2 if self.n_major > self.n_minor else -abs(self.lam) / 2)
        return np.concatenate([self.kappa, extra, -self.kappa[::-1]])

    @property
    def excess(self) -> Float[np.ndarray, " in_plus_out"]:
        """By how much each eigenvalue above 0 exceeds |lam| / 2, s^2 / (kappa + |lam| / 2), without cancellation.

        Growth by different eigenvalues is compared by these at large |lam|, where the eigenvalues themselves differ by
        no more than their rounding errors. Eigenvalues that are not above 0 get 0.
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
        """P minor + q major, written so that layers that nearly cancel keep their digits."""
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
    """Rectangular matrix with values on its diagonal.

    Source: the singular value decomposition.
    """
    matrix = np.zeros(shape)
    np.fill_diagonal(matrix, values)
    return matrix
