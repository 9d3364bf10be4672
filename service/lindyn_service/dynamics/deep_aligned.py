"""Aligned networks of any depth with balance 0: tau da/dt = L a^{2 - 2/L} (s - a), solved for a at any time.

With alpha = 1 - 2/L and z = s/a - 1 it reads -(1 + z)^alpha dz/z = L s^{1 + alpha} dt / tau. The time is an integral of
an analytic function, done by Gauss-Jacobi quadrature to rounding, and is almost linear in a power of s/a far from s and
in log |z| near it: in these, Newton's method finds the strength at a given time.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import roots_jacobi

from lindyn_service.dynamics.aligned_modes import aligned_strengths

_NODES = 12  # the nearest singularity is the length of the interval away: the error falls as 34^-nodes
_ITERATIONS = 9  # of Newton's method, from its convex side and with slopes within a factor of 2 of each other
_SMALLEST = 1e-150  # strengths whose inverse squares are finite

Grid = Float[np.ndarray, "any_time any_mode"]
"""Values for each mode and time, or for all times."""


def deep_aligned_strengths(
    s: Float[np.ndarray, " mode"],
    a0: Float[np.ndarray, " mode"],
    depth: int,
    times: Float[np.ndarray, " time"],
) -> Float[np.ndarray, "time mode"]:
    """Follow the modes of an aligned network of `depth` weight layers with balance 0.

    Args:
        s: singular values of the task, non-negative.
        a0: strengths at time 0, at least 1e-150.
        depth: number of weight layers, at least 2.
        times: non-negative, in units of the time constant.

    Source: Saxe et al. (2014), arXiv 1312.6120, the reduced dynamics of deep networks.
    """
    if depth == 2:
        return aligned_strengths(s, a0, 0.0, times)
    alpha, t = 1 - 2 / depth, depth * times[:, None]
    strengths = np.tile(s, (len(times), 1))
    below, above = a0 < s, a0 > s
    strengths[:, below] = _rise(s[below], a0[below], alpha, t)
    strengths[:, above] = _fall(s[above], a0[above], alpha, t)
    return strengths


def _rise(
    s: Float[np.ndarray, " mode"], a0: Float[np.ndarray, " mode"], alpha: float, t: Float[np.ndarray, "time 1"]
) -> Float[np.ndarray, "time mode"]:
    """From below s: the clock L s^{1 + alpha} t is 0 at s/2, and until then almost linear in w = z^alpha."""
    turn = _bend(np.ones((1, 1)), alpha, -alpha)

    def early(w: Grid) -> Grid:
        return (1 - w) / alpha + w * _bend(w ** (-1 / alpha), alpha, -alpha) - turn

    z0 = ((s - a0) / a0)[None]
    start = early(np.maximum(z0, 1.0) ** alpha) + _late(-np.log(np.minimum(z0, 1.0)), 1.0, alpha)
    clock = start + s ** (1 + alpha) * t
    before, after = np.minimum(clock, 0.0), np.maximum(clock, 0.0)
    w = 1 - before * alpha / 2**alpha
    for _ in range(_ITERATIONS):
        w += (early(w) - before) * alpha / (1 + w ** (-1 / alpha)) ** alpha
    return s / (1 + np.where(clock < 0, w ** (1 / alpha), np.exp(-_invert_late(after, 1.0, alpha))))


def _fall(
    s: Float[np.ndarray, " mode"], a0: Float[np.ndarray, " mode"], alpha: float, t: Float[np.ndarray, "time 1"]
) -> Float[np.ndarray, "time mode"]:
    """From above s: the clock L t is 0 at infinity, and until 2s almost linear in w = a^{-(1 + alpha)}."""
    power = 1 + alpha
    unit = np.maximum(s, _SMALLEST)[None] ** -power  # of time; without a task, the turn is beyond all times
    latest = 2**-power * unit

    def early(w: Grid) -> Grid:
        return w * _decay(s * w ** (1 / power), alpha)

    z0 = (2 * (a0 - s) / a0)[None]
    turn = early(latest)
    start = early(np.minimum(a0**-power, latest)) + unit * _late(-np.log(np.minimum(z0, 1.0)), -0.5, alpha)
    clock = start + t
    before, after = np.minimum(clock, turn), np.maximum(clock - turn, 0.0) / unit
    w = np.minimum(power * before, latest)
    for _ in range(_ITERATIONS):
        w -= (early(w) - before) * power * (1 - s * w ** (1 / power))
    late = s / (1 - 0.5 * np.exp(-_invert_late(after, -0.5, alpha)))
    return np.where(clock < turn, w ** (-1 / power), late)


def _late(h: Grid, z: float, alpha: float) -> Grid:
    """Time for z to become z e^{-h}: the integral of (1 + z e^{-h})^alpha dh."""
    return h + _bend(np.full((1, 1), z), alpha, 0.0) - _bend(z * np.exp(-h), alpha, 0.0)


def _invert_late(time: Grid, z: float, alpha: float) -> Grid:
    """From the time back to h."""
    h = time / (1 + z) ** alpha
    for _ in range(_ITERATIONS):
        h -= (_late(h, z, alpha) - time) / (1 + z * np.exp(-h)) ** alpha
    return h


def _bend(z: Grid, alpha: float, power: float) -> Grid:
    """Integral of r^power ((1 + z r)^alpha - 1) / r from 0 to 1."""
    total = np.zeros_like(z)
    for r, weight in zip(*_rule(power), strict=True):
        total += weight / r * np.expm1(alpha * np.log1p(z * r))
    return total


def _decay(x: Grid, alpha: float) -> Grid:
    """Integral of r^alpha / (1 - x r) from 0 to 1."""
    total = np.zeros_like(x)
    for r, weight in zip(*_rule(alpha), strict=True):
        total += weight / (1 - x * r)
    return total


def _rule(power: float) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    """Nodes and weights of the integral of r^power f(r) from 0 to 1."""
    x, weights = roots_jacobi(_NODES, 0.0, power)
    return (1 + x) / 2, weights / 2 ** (1 + power)
