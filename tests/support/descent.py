"""Gradient descent by definition: losses sample by sample, complex-step derivatives, steps in many decimal digits."""

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np


def random_layers(dims, rng, batch=(), scale=0.6):
    return tuple(scale * rng.standard_normal((*batch, out, into)) for into, out in pairwise(dims))


def random_data(dims, rng, n_samples=7, batch=()):
    return rng.standard_normal((*batch, n_samples, dims[0])), rng.standard_normal((*batch, n_samples, dims[-1]))


def coloured(n, rng):
    x = rng.standard_normal((3 * n, n)) * np.linspace(0.5, 1.5, n)
    return x.T @ x / len(x)


def loss_of(layers, inputs, targets, activation):
    """Loss 1/(2P) sum ||f(x) - y||^2, sample by sample, analytic in the weights where the activation is smooth."""
    total = 0.0
    for x, y in zip(inputs, targets, strict=True):
        signal = x
        for w in layers[:-1]:
            signal = w @ signal
            if activation == "relu":
                signal = np.where(np.real(signal) > 0, signal, 0)
            elif activation == "tanh":
                signal = np.tanh(signal)
        error = layers[-1] @ signal - y
        total = total + error @ error
    return total / (2 * len(inputs))


def complex_step_gradient(loss, layers):
    """Im f(x + ih) / h: no difference, so no cancellation."""
    found = []
    for layer, w in enumerate(layers):
        slopes = np.empty_like(w)
        for place in np.ndindex(w.shape):
            moved = [each.astype(complex) for each in layers]
            moved[layer][place] += 1e-30j
            slopes[place] = np.imag(loss(moved)) / 1e-30
        found.append(slopes)
    return found


def assert_layers_close(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        assert np.allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


def decimals(array):
    """The same numbers, to all their binary digits."""
    return np.vectorize(lambda x: Decimal(float(x)), otypes=[object])(array)


def decimal_descent(layers, sigma_yx, sigma_xx, step, recorded, digits):
    """Layers and W sigma_xx - sigma_yx after the recorded steps, by the definition in decimal arithmetic."""
    layers, sigma_yx, step = [decimals(w) for w in layers], decimals(sigma_yx), Decimal(step)
    sigma_xx = decimals(np.eye(sigma_yx.shape[1]) if sigma_xx is None else sigma_xx)
    found, taken = [], 0
    with localcontext() as context:
        context.prec = digits
        for number in recorded:
            for _ in range(number - taken):
                layers = _moved(layers, sigma_yx, sigma_xx, step)
            taken = number
            found.append((layers, _product(layers).dot(sigma_xx) - sigma_yx))
    return found


def _moved(layers, sigma_yx, sigma_xx, step):
    error = _product(layers).dot(sigma_xx) - sigma_yx
    gradients = []
    for i in range(len(layers)):
        above, below = _product(layers[i + 1 :]), _product(layers[:i])
        gradient = error if above is None else above.T.dot(error)
        gradients.append(gradient if below is None else gradient.dot(below.T))
    return [w - step * gradient for w, gradient in zip(layers, gradients, strict=True)]


def _product(layers):
    """The product W_l .. W_1, or None for no layers."""
    product = None
    for w in layers:
        product = w if product is None else w.dot(product)
    return product
