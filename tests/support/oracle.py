"""Reference solutions: the defining formula in high precision, and the gradient flow by an ODE solver."""

import mpmath as mp
import numpy as np
from scipy.integrate import solve_ivp


def exact_qqt(w1, w2, sigma_yx, lam, time):
    """Compute e^{Ft} Q0 (I + Q0^T int_0^t e^{2Fs} ds Q0)^{-1} Q0^T e^{Ft} in 80 digits, from the definition."""
    with mp.workdps(80 + int(abs(float(time)) * rate(sigma_yx, lam))):
        values, vectors = mp.eigsy(riccati_matrix(sigma_yx, lam))
        t = mp.mpf(float(time))
        growth = mp.diag([mp.exp(v * t) for v in values])
        integral = mp.diag([mp.expm1(2 * v * t) / (2 * v) if v != 0 else t for v in values])
        q0 = vectors.T * mp.matrix(np.vstack([w1.T, w2]).tolist())
        inner = mp.eye(q0.cols) + q0.T * integral * q0
        moved = growth * q0
        p = vectors * (moved * mp.inverse(inner) * moved.T) * vectors.T
        return np.array(p.tolist(), dtype=float)


def exact_qqt_in_units_of_growth(w1, w2, sigma_yx, lam, time):
    """Compute the same at any time in 120 digits: both e^{Ft} and the bracket are divided by the largest growth.

    Digits are lost only if columns of Q0 grow at different rates, by e^{(f_1 - f_k) t} for k columns.
    """
    with mp.workdps(120):
        values, vectors = mp.eigsy(riccati_matrix(sigma_yx, lam))
        t, largest = mp.mpf(float(time)), max(values)
        left = mp.exp(-2 * largest * t)
        growth = mp.diag([mp.exp((v - largest) * t) for v in values])
        integral = mp.diag([(mp.exp(2 * (v - largest) * t) - left) / (2 * v) if v != 0 else t * left for v in values])
        q0 = vectors.T * mp.matrix(np.vstack([w1.T, w2]).tolist())
        inner = left * mp.eye(q0.cols) + q0.T * integral * q0
        moved = growth * q0
        p = vectors * (moved * mp.inverse(inner) * moved.T) * vectors.T
        return np.array(p.tolist(), dtype=float)


def riccati_matrix(sigma_yx, lam):
    """The matrix F = [[-lambda/2 I, S^T], [S, lambda/2 I]]."""
    n_in, n_out = sigma_yx.shape[1], sigma_yx.shape[0]
    f = mp.zeros(n_in + n_out)
    for i in range(n_in):
        f[i, i] = -mp.mpf(float(lam)) / 2
    for o in range(n_out):
        f[n_in + o, n_in + o] = mp.mpf(float(lam)) / 2
        for i in range(n_in):
            f[n_in + o, i] = f[i, n_in + o] = mp.mpf(float(sigma_yx[o, i]))
    return f


def rate(sigma_yx, lam):
    return float(np.hypot(np.linalg.norm(sigma_yx, 2), lam / 2))


def integrate(w1, w2, sigma_yx, times, sigma_xx=None):
    """Integrate tau dW/dt accurately with tau = 1, and return the pairs (w1, w2) at the times."""
    n_hidden, n_in = w1.shape
    n_out = w2.shape[0]
    s_xx = np.eye(n_in) if sigma_xx is None else sigma_xx

    def velocity(_t, y):
        a, b = y[: n_hidden * n_in].reshape(n_hidden, n_in), y[n_hidden * n_in :].reshape(n_out, n_hidden)
        error = sigma_yx - b @ a @ s_xx
        return np.concatenate([(b.T @ error).ravel(), (error @ a.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    flow = solve_ivp(
        velocity,
        (0, times[-1]),
        start,
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-14 * np.abs(start).max(),
    )
    assert flow.success
    return [
        (y[: n_hidden * n_in].reshape(n_hidden, n_in), y[n_hidden * n_in :].reshape(n_out, n_hidden)) for y in flow.y.T
    ]


def qqt(w1, w2):
    """The matrix Q Q^T of given weights."""
    q = np.vstack([w1.T, w2])
    return q @ q.T


def relative_error(got, expected):
    """Frobenius norm of the deviation, relative to that of the expected array."""
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)
