"""Gradient flow of all layers by an accurate integration that shares no code with the packages under test."""

import numpy as np
from scipy.integrate import solve_ivp


def product(layers, n):
    """The product W_l .. W_1 of layers with n inputs."""
    product_so_far = np.eye(n)
    for w in layers:
        product_so_far = w @ product_so_far
    return product_so_far


def integrated(weights, sigma_yx, sigma_xx, times, tolerance=1e-13):
    """Integrate all weights by DOP853, and return the layers at each time."""
    n_in = weights[0].shape[1]
    inputs = np.eye(n_in) if sigma_xx is None else sigma_xx
    shapes = [w.shape for w in weights]
    bounds = np.cumsum([0, *(w.size for w in weights)])

    def layers(state):
        return [state[a:b].reshape(shape) for a, b, shape in zip(bounds[:-1], bounds[1:], shapes, strict=True)]

    def velocity(_, state):
        found = layers(state)
        error = sigma_yx - product(found, n_in) @ inputs
        rates = []
        for i in range(len(found)):
            above = product(found[i + 1 :], len(found[i]))
            rates.append((above.T @ error @ product(found[:i], n_in).T).ravel())
        return np.concatenate(rates)

    state, time, path = np.concatenate([w.ravel() for w in weights]), 0.0, []
    for end in times:
        if end > time:
            found = solve_ivp(velocity, (time, end), state, method="DOP853", rtol=tolerance, atol=tolerance)
            state, time = found.y[:, -1], end
        path.append(layers(state))
    return path
