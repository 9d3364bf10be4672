"""Observables of a balanced network, directly from the definition of its solution, in sufficiently many digits."""

from dataclasses import dataclass

import mpmath as mp
import numpy as np

from support.oracle import rate, riccati_matrix

_DIGITS = 120


@dataclass(frozen=True)
class State:
    """Observables at one time for tau = 1 and X = I; numbers of mpmath, and the output as an array of float64."""

    output: np.ndarray
    excess_loss: mp.mpf
    loss_rate: mp.mpf
    ntk_distance: mp.mpf
    ntk_movement: mp.mpf


def states(w1, w2, sigma_yx, lam, times):
    """Compute the states at the times, from the balanced weights that are nearest to the given ones.

    The imbalance of rounded weights, lam eps, would have lam / ||E|| times as much effect in the Riccati equation as in
    the gradient flow.
    """
    with mp.workdps(_digits(sigma_yx, lam, times)):
        target = mp.matrix(sigma_yx.tolist())
        start, *later = _path(w1, w2, sigma_yx, lam, [0.0, *times])
        return [_state(p, start, target) for p in later]


def gram_matrices(w1, w2, sigma_yx, lam, times):
    """Compute W1^T W1 and W2 W2^T at the times, as matrices of mpmath, from the same weights."""
    n_in = sigma_yx.shape[1]
    with mp.workdps(_digits(sigma_yx, lam, times)):
        return [(p[:n_in, :n_in], p[n_in:, n_in:]) for p in _path(w1, w2, sigma_yx, lam, times)]


def _digits(sigma_yx, lam, times):
    return _DIGITS + int(rate(sigma_yx, lam) * float(times[-1]))


def _path(w1, w2, sigma_yx, lam, times):
    """Matrix P = Q Q^T at the times."""
    first, last = _balanced(mp.matrix(w1.tolist()), mp.matrix(w2.tolist()), mp.mpf(float(lam)))
    values, vectors = mp.eigsy(riccati_matrix(sigma_yx, lam))
    along = vectors.T * _stacked(first.T, last)
    return [_moved(values, vectors, along, mp.mpf(float(t))) for t in times]


def _moved(values, vectors, along, t):
    """Matrix P = Q Q^T at one time."""
    growth = mp.diag([mp.exp(v * t) for v in values])
    integral = mp.diag([mp.expm1(2 * v * t) / (2 * v) if v != 0 else t for v in values])
    moved = growth * along
    return vectors * (moved * mp.inverse(mp.eye(along.cols) + along.T * integral * along) * moved.T) * vectors.T


def _state(p, start, target):
    n_in = target.cols
    into, out, w = p[:n_in, :n_in], p[n_in:, n_in:], p[n_in:, :n_in]
    error = target - w
    gradients = _inner(out * error, error) + _inner(error * into, error)
    (into_0, out_0), n_out = (start[:n_in, :n_in], start[n_in:, n_in:]), target.rows
    norm, start_norm = _kernel(into, out, into, out, n_in, n_out), _kernel(into_0, out_0, into_0, out_0, n_in, n_out)
    moved = (into - into_0, out - out_0)
    return State(
        output=np.array(w.tolist(), dtype=float),
        excess_loss=_inner(error, error) / 2,
        loss_rate=-gradients,
        ntk_distance=1 - _kernel(into, out, into_0, out_0, n_in, n_out) / mp.sqrt(norm * start_norm),
        ntk_movement=mp.sqrt(_kernel(*moved, *moved, n_in, n_out) / start_norm),
    )


def _kernel(a, b, c, d, n_in, n_out):
    """<b (x) 1 + 1 (x) a, d (x) 1 + 1 (x) c>."""
    return n_out * _inner(a, c) + n_in * _inner(b, d) + _trace(a) * _trace(d) + _trace(b) * _trace(c)


def _balanced(w1, w2, lam):
    """Replace the larger layer by the one that is balanced exactly, with the same polar factor."""
    if lam >= 0:
        return w1, _polar_factor(w2) * _root(w1 * w1.T + lam * mp.eye(w1.rows))
    return (_polar_factor(w1.T) * _root(w2.T * w2 - lam * mp.eye(w1.rows))).T, w2


def _polar_factor(matrix):
    """Polar factor without the directions of rounding errors."""
    values, vectors = mp.eigsy(matrix.T * matrix)
    present = [value > mp.mpf(10) ** -28 * max(values) for value in values]
    inverse = [1 / mp.sqrt(value) if there else mp.mpf(0) for value, there in zip(values, present, strict=True)]
    return matrix * vectors * mp.diag(inverse) * vectors.T


def _root(matrix):
    values, vectors = mp.eigsy(matrix)
    return vectors * mp.diag([mp.sqrt(max(value, 0)) for value in values]) * vectors.T


def _stacked(upper, lower):
    return mp.matrix(upper.tolist() + lower.tolist())


def _inner(a, b):
    return mp.fsum(x * y for x, y in zip(a, b, strict=True))


def _trace(a):
    return mp.fsum(a[i, i] for i in range(a.rows))
