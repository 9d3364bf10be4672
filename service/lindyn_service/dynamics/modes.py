"""The eigenvectors of the Riccati flow, in closed form from the singular vectors of the task."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Modes:
    """Singular modes of sigma_yx and the eigenpairs that they give F.

    F = [[-lam/2 I, sigma_yx^T], [sigma_yx, lam/2 I]] has for each mode the eigenvalue +kappa with vector (p v, q u) and
    -kappa with (q v, -p u); the wider side adds vectors (v, 0) with -lam/2 or (0, u) with +lam/2.
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
    def eigenvalues(self) -> Float[np.ndarray, " in_plus_out"]:
        """Eigenvalues of F, descending: +kappa, then the extra ones, then -kappa."""
        n_in, n_out, n_modes = len(self.v), len(self.u), len(self.s)
        extra = np.full(n_in + n_out - 2 * n_modes, self.lam / 2 if n_out > n_in else -self.lam / 2)
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

    def project(
        self, w1: Float[np.ndarray, "hidden in"], w2: Float[np.ndarray, "out hidden"]
    ) -> Float[np.ndarray, "in_plus_out hidden"]:
        """Coordinates O^T Q of the weights Q = [w1^T; w2] along the eigenvectors, rows as in `eigenvalues`."""
        m = len(self.s)
        a, b = self.v.T @ w1.T, self.u.T @ w2
        first, second = a[:m], b[:m]
        p, gap = self.p[:, None], self.gap[:, None]
        # p a + q b and q a - p b, written so that layers that nearly cancel keep their digits
        grow = p * (first + second) + gap * second
        decay = p * (first - second) + gap * first
        return np.concatenate([grow, a[m:], b[m:], decay[::-1]])


def modes(sigma_yx: Float[np.ndarray, "out in"], lam: float) -> Modes:
    """Diagonalise F for a task and a balance, without cancellation at any sign or size of lam.

    The unit vector (p, q) lies along (s, kappa + lam/2) and along (kappa - lam/2, s), which are the same direction; the
    form without a difference is used.

    Source: Domine et al. (2025), arXiv 2409.14623, with lam = 0 and unequal widths as in docs/theory.md, section 2.
    """
    u, s, vt = np.linalg.svd(sigma_yx, full_matrices=True)
    kappa = np.hypot(s, lam / 2)
    near, far = s, kappa + abs(lam) / 2
    norm = np.hypot(near, far)
    vanishing = norm == 0
    norm[vanishing] = 1.0
    small, large = near / norm, far / norm
    small[vanishing] = large[vanishing] = np.sqrt(0.5)
    p, q = (small, large) if lam >= 0 else (large, small)
    # q - p without cancellation, from q^2 - p^2 = lam / (2 kappa)
    gap = np.divide(lam, 2 * kappa * (p + q), out=np.zeros_like(kappa), where=~vanishing)
    return Modes(u=u, s=s, v=vt.T, lam=lam, kappa=kappa, p=p, q=q, gap=gap)
