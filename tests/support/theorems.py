"""The theorems of the thesis as printed, corrected according to docs/errata.md, in plain numpy.

Times are in units of the time constant. These formulae are oracles: they need what the theorems assume (full rank, an
invertible B, lambda != 0 where it divides) and overflow where the theorems do.
"""

from typing import NamedTuple

import numpy as np


class Singular(NamedTuple):
    """Decomposition U S V^T with min(rows, columns) modes, and orthonormal complements of both bases."""

    u: np.ndarray
    s: np.ndarray
    v: np.ndarray
    u_perp: np.ndarray
    v_perp: np.ndarray


def singular(matrix, modes=None):
    """Decompose a matrix; the thesis has tildes for that of the task, and none for that of W2(0) W1(0)."""
    u, s, vt = np.linalg.svd(matrix)
    m = len(s) if modes is None else modes
    return Singular(u[:, :m], s[:m], vt[:m].T, u[:, m:], vt[m:].T)


def aligned_zero_balanced(s, a0, time):
    """Strength of an aligned mode for lambda = 0: (2.28)."""
    return s * np.exp(2 * s * time) / (np.exp(2 * s * time) - 1 + s / a0)


def shallow(sigma_yx, w0, time):
    """Function of a network without hidden layer: Theorems 2.2.3 and 4.2.2, (4.21)."""
    return sigma_yx + (w0 - sigma_yx) * np.exp(-time)


def riccati_matrix(sigma_yx, lam):
    """Matrix F of (3.38), of shape (in + out, in + out)."""
    n_out, n_in = sigma_yx.shape
    return np.block([[-lam / 2 * np.eye(n_in), sigma_yx.T], [sigma_yx, lam / 2 * np.eye(n_out)]])


class Stable(NamedTuple):
    """The form Q Q^T = Z (sum of the terms of the bracket)^{-1} Z^T."""

    z: np.ndarray
    terms: tuple[np.ndarray, ...]

    @property
    def qqt(self):
        return self.z @ np.linalg.inv(sum(self.terms)) @ self.z.T


def unaligned_zero_balanced(w1, w2, sigma_yx, time):
    """Theorem 2.2.5 for lambda = 0 and any n_h >= min(n_i, n_o), corrected: (2.30), (2.31)."""
    task, start = singular(sigma_yx), singular(w2 @ w1, min(sigma_yx.shape))
    b, c = start.u.T @ task.u + start.v.T @ task.v, start.u.T @ task.u - start.v.T @ task.v
    one, decay, inverse_s = np.eye(len(task.s)), np.diag(np.exp(-task.s * time)), np.diag(1 / task.s)
    after, before = np.linalg.inv(b.T) @ decay, decay @ np.linalg.inv(b)  # B^{-T} e^{-St}, e^{-St} B^{-1}
    v_out, u_out = task.v_perp @ task.v_perp.T @ start.v, task.u_perp @ task.u_perp.T @ start.u
    z = np.vstack(
        [
            task.v @ (one - decay @ c.T @ after) + 2 * v_out @ after,
            task.u @ (one + decay @ c.T @ after) + 2 * u_out @ after,
        ]
    )
    terms = (
        4 * before @ np.diag(1 / start.s) @ after,
        (one - decay @ decay) @ inverse_s,
        -before @ c @ (decay @ decay - one) @ inverse_s @ c.T @ after,
        4 * time * before @ (start.v.T @ v_out + start.u.T @ u_out) @ after,
    )
    return Stable(z, terms)


def aligned_balanced(s, a0, lam, time):
    """Strength of an aligned mode for lambda != 0: Theorem 3.2.1 corrected, (3.2) and (3.19)."""
    k, sign = np.sqrt(lam**2 + 4 * s**2), np.sign(lam)
    start = 4 * a0 * s * sign / (np.sqrt(lam**2 + 4 * a0**2) + abs(lam))
    growth = (k + lam + start) / (k - lam - start) * np.exp(sign * k * time)
    tanh = (k * (growth - 1) - lam * (growth + 1)) / (2 * s * (growth + 1))
    return lam * tanh / (1 - tanh**2)


class Rotation(NamedTuple):
    """The diagonals A - XA and A + XA of (3.52), over sqrt 2: cosine and sine of a mode's angle."""

    minus: np.ndarray
    plus: np.ndarray


def rotation(s, lam):
    """A and X of Theorem 3.3.1 (2), with X as in (3.47); lambda != 0."""
    x = (np.sqrt(lam**2 + 4 * s**2) - 2 * s) / lam
    a = 1 / np.sqrt(1 + x**2)
    return Rotation(a - x * a, a + x * a)


def eigenvectors(sigma_yx, lam):
    """Eigenvectors and eigenvalues of F: Theorems 3.3.1 (2) and 3.4.2 with O of (3.52); lambda != 0."""
    task = singular(sigma_yx)
    minus, plus = rotation(task.s, lam)
    o = np.block([[task.v * minus, task.v * plus], [task.u * plus, -task.u * minus]]) / np.sqrt(2)
    n_out, n_in = sigma_yx.shape
    m = np.vstack([task.v_perp, np.zeros((n_out, max(n_in - n_out, 0)))])
    if n_out > n_in:
        m = np.vstack([np.zeros((n_in, n_out - n_in)), task.u_perp])
    kappa = np.sqrt(task.s**2 + lam**2 / 4)
    extra = np.full(m.shape[1], np.sign(n_out - n_in) * lam / 2)
    return np.hstack([o, m]), np.concatenate([kappa, -kappa, extra])


def unaligned_balanced(w1, w2, sigma_yx, lam, time):
    """Theorem 3.3.1 (3) for n_i = n_h = n_o and lambda != 0, corrected."""
    task, start = singular(sigma_yx), singular(w2 @ w1)
    minus, plus = (np.diag(diagonal) for diagonal in rotation(task.s, lam))
    root = np.sqrt(lam**2 + 4 * start.s**2)
    s2, s1 = np.diag(np.sqrt((root + lam) / 2)), np.diag(np.sqrt((root - lam) / 2))
    u, v = start.u.T @ task.u, start.v.T @ task.v
    b, c = s2 @ u @ plus + s1 @ v @ minus, s2 @ u @ minus - s1 @ v @ plus
    kappa = np.sqrt(task.s**2 + lam**2 / 4)
    one, decay, inverse_kappa = np.eye(len(kappa)), np.diag(np.exp(-kappa * time)), np.diag(1 / kappa)
    after, before = np.linalg.inv(b.T) @ decay, decay @ np.linalg.inv(b)
    z = np.vstack(
        [
            task.v @ (minus - plus @ decay @ c.T @ after),
            task.u @ (plus + minus @ decay @ c.T @ after),
        ]
    )
    terms = (
        4 * before @ after,
        (one - decay @ decay) @ inverse_kappa,
        -before @ c @ (decay @ decay - one) @ inverse_kappa @ c.T @ after,
    )
    return Stable(z, terms)


def layer_strengths(dims, lam, s):
    """S_1 (hidden, in) and S_2 (out, hidden) of balanced weights with W2 W1 = U S V^T: Theorem 4.1.1 corrected.

    s holds the first min(in, hidden, out) singular values of W2 W1.
    """
    n_in, n_hidden, n_out = dims
    root = np.sqrt(lam**2 + 4 * s**2)
    s1, s2 = np.zeros((n_hidden, n_in)), np.zeros((n_out, n_hidden))
    np.fill_diagonal(s1, np.sqrt((root - lam) / 2))
    np.fill_diagonal(s2, np.sqrt((root + lam) / 2))
    for j in range(len(s), n_hidden):
        if lam < 0:
            s1[j, j] = np.sqrt(-lam)
        if lam > 0:
            s2[j, j] = np.sqrt(lam)
    return s1, s2


def settled_spectra(dims, lam, sigma_yx):
    """Eigenvalues, descending, of W1^T W1 and W2 W2^T once all modes are learned: Theorem 4.1.2 (1) corrected."""
    s = np.linalg.svd(sigma_yx, compute_uv=False)[: min(dims)]
    s1, s2 = layer_strengths(dims, lam, s)
    return tuple(np.sort(np.diagonal(each))[::-1] for each in (s1.T @ s1, s2 @ s2.T))


def large_lambda(w1, w2, sigma_yx, lam, time):
    """W2 W1 up to O(1/|lambda|): Theorem 4.2.3, completed for n_h < n_o (lambda > 0) and n_h < n_i (lambda < 0).

    At the rate |lambda| the small layer learns what the large one lets through, Pi sigma_yx; meanwhile Pi, the
    projector on the column space of w2, turns as e^{sigma_yx sigma_yx^T t / lambda}. At n_h = n_o, Pi = I.
    """
    if lam < 0:
        return large_lambda(w2.T, w1.T, sigma_yx.T, -lam, time).T
    u, s, _ = np.linalg.svd(sigma_yx)
    rates = np.pad(s**2, (0, len(u) - len(s))) / lam
    start, _ = np.linalg.qr(w2)
    turned, _ = np.linalg.qr((u * np.exp((rates - rates[0]) * time)) @ u.T @ start)
    reachable = turned @ turned.T @ sigma_yx
    return reachable + (w2 @ w1 - start @ start.T @ sigma_yx) * np.exp(-lam * time)


def balance_moments(dims, variance_1, variance_2):
    """Mean, a multiple of the identity, and variances of B for Gaussian weights: Theorem 3.1.1 corrected."""
    n_in, n_hidden, n_out = dims
    spread = n_out * variance_2**2 + n_in * variance_1**2
    return n_out * variance_2 - n_in * variance_1, spread * (np.ones((n_hidden, n_hidden)) + np.eye(n_hidden))


def initialization_variances(scheme, dims, gains=(1.0, 1.0)):
    """Variance of the entries of W1 and W2, table 3.1; the scaled scheme has gain^2 / fan_in."""
    n_in, n_hidden, n_out = dims
    return {
        "lecun": (1 / n_in, 1 / n_hidden),
        "glorot": (2 / (n_in + n_hidden), 2 / (n_hidden + n_out)),
        "he": (2 / n_in, 2 / n_hidden),
        "scaled": (gains[0] ** 2 / n_in, gains[1] ** 2 / n_hidden),
    }[scheme]


def expected_lambda(scheme, k, r, gains=(1.0, 1.0)):
    """E B = lambda I for hidden = k in, out = r in: table 3.2."""
    return {
        "lecun": r / k - 1,
        "glorot": 2 * (r / (k + r) - 1 / (k + 1)),
        "he": 2 * (r / k - 1),
        "scaled": r / k * gains[1] ** 2 - gains[0] ** 2,
    }[scheme]


def balance_spread(scheme, n_in, k, r, gains=(1.0, 1.0)):
    """Variance of an off-diagonal entry of B, half of that of a diagonal one: table 3.2 corrected."""
    return {
        "lecun": (r / k**2 + 1) / n_in,
        "glorot": 4 * (r / (r + k) ** 2 + 1 / (k + 1) ** 2) / n_in,
        "he": 4 * (r / k**2 + 1) / n_in,
        "scaled": (r * gains[1] ** 4 / k**2 + gains[0] ** 4) / n_in,
    }[scheme]


def flow_of_output(w1, w2, sigma_yx):
    """d(W2 W1)/dt on white inputs: (4.28)."""
    error = sigma_yx - w2 @ w1
    return w2 @ w2.T @ error + error @ w1.T @ w1


def loss_rate(w1, w2, trained, measured):
    """dL_i/dt of the task `measured` while `trained` is learned: Theorem 4.4.1 corrected, (4.42)."""
    return np.trace(flow_of_output(w1, w2, trained) @ (w2 @ w1 - measured).T)


def nearest_lambda(w1, w2):
    """Theorem 4.5.1 corrected, (4.46)."""
    return np.trace(w2.T @ w2 - w1 @ w1.T) / len(w1)
