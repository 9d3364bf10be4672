"""Networks whose modes learn alone, from their strengths in random bases."""

from itertools import pairwise

import mpmath as mp
import numpy as np

from support.full_flow import orthogonal
from support.oracle import riccati_matrix


def commuting(n_out, n_in, rng, *, white=False):
    """A task, inputs that commute with it, and their bases, strengths and variances."""
    u, v, n_modes = orthogonal(n_out, rng), orthogonal(n_in, rng), min(n_in, n_out)
    s, d = np.zeros((n_out, n_in)), np.ones(n_in) if white else rng.uniform(0.3, 2.0, n_in)
    np.fill_diagonal(s, np.sort(rng.uniform(0.5, 3.0, n_modes))[::-1])
    return u @ s @ v.T, v @ np.diag(d) @ v.T, u, v, np.diagonal(s)[:n_modes], d


def two_layers(u, v, n_hidden, rng, scale=1.0):
    """Rows of both layers, each mode in hidden units of its own, which the two layers use in different ways."""
    n_in, n_out, turn = len(v), len(u), orthogonal(n_hidden, rng)
    x, y, n_modes = np.zeros((n_in, n_hidden)), np.zeros((n_out, n_hidden)), min(n_in, n_out)
    each = max(1, n_hidden // n_modes)
    for mode in range(min(n_modes, n_hidden // each)):
        units = slice(mode * each, (mode + 1) * each)
        x[mode, units], y[mode, units] = scale * rng.uniform(0.1, 1.0, (2, each))
    return [(v @ x @ turn).T, u @ y @ turn]


def chain(u, v, widths, rng, *, low=0.2, high=1.0):
    """Layers of any depth with one unit of each for each mode."""
    n_modes = min(len(u), len(v), *widths)
    bases = [v, *(orthogonal(width, rng) for width in widths), u]
    layers = []
    for before, after in pairwise(bases):
        strengths = np.zeros((len(after), len(before)))
        strengths[range(n_modes), range(n_modes)] = rng.uniform(low, high, n_modes)
        layers.append(after @ strengths @ before.T)
    return layers


def decayed(w1, w2, sigma_yx, gamma, time):
    """Q Q^T and the excess loss of zero-balanced layers on white inputs, in enough digits: F less gamma."""
    with mp.workdps(int(60 + (np.linalg.norm(sigma_yx, 2) + gamma) * time)):
        values, vectors = mp.eigsy(riccati_matrix(sigma_yx, 0.0))
        t, less = mp.mpf(float(time)), mp.mpf(float(gamma))
        rates = [value - less for value in values]
        growth = mp.diag([mp.exp(f * t) for f in rates])
        integral = mp.diag([mp.expm1(2 * f * t) / (2 * f) if f != 0 else t for f in rates])
        q0 = vectors.T * mp.matrix(np.vstack([w1.T, w2]).tolist())
        moved = growth * q0
        p = vectors * (moved * mp.inverse(mp.eye(q0.cols) + q0.T * integral * q0) * moved.T) * vectors.T
        n_in = w1.shape[1]
        error = p[n_in:, :n_in] - mp.matrix(sigma_yx.tolist())
        return np.array(p.tolist(), dtype=float), float(sum(e**2 for e in error) / 2)
