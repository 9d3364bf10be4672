"""Gradient flow of all weights of a network, directly from the definition."""

import numpy as np
from scipy.integrate import solve_ivp


def weight_flow(layers, sigma_yx, sigma_xx, times, *, decay=0.0, rates=None, schedule=None):
    """Integrate dW_l/dt = -rate_l g(t) (gradient + decay W_l) by DOP853; layers have shapes (time, rows, columns)."""
    bounds = np.cumsum([w.size for w in layers])[:-1]
    rates = np.ones(len(layers)) if rates is None else rates

    def split(state):
        return [part.reshape(w.shape) for part, w in zip(np.split(state, bounds), layers, strict=True)]

    def velocity(time, state):
        current = split(state)
        below = [np.eye(layers[0].shape[1])]
        for w in current:
            below.append(w @ below[-1])
        error, changes = sigma_yx - below[-1] @ sigma_xx, []
        for w, before in zip(current[::-1], below[-2::-1], strict=True):
            changes.append(error @ before.T - decay * w)
            error = w.T @ error
        factor = 1.0 if schedule is None else schedule(time)
        return factor * np.concatenate([c * r.ravel() for c, r in zip(rates, changes[::-1], strict=True)])

    start = np.concatenate([w.ravel() for w in layers])
    solution = solve_ivp(velocity, (0, times[-1]), start, "DOP853", times, rtol=1e-13, atol=1e-16)
    assert solution.success
    parts = np.split(solution.y.T, bounds, axis=1)
    return [part.reshape(-1, *w.shape) for part, w in zip(parts, layers, strict=True)]


def orthogonal(n, rng):
    """Draw a random orthogonal matrix."""
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def excess_losses(function, sigma_yx, sigma_xx):
    """Excess losses 1/2 Tr (W - W*) sigma_xx (W - W*)^T, by subtraction."""
    error = function - sigma_yx @ np.linalg.pinv(sigma_xx)
    return 0.5 * np.einsum("toi,ij,toj->t", error, sigma_xx, error)
