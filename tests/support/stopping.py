"""Best stopping times for an old task while decoupled modes are learned: sums of sigmoids on fine grids."""

import numpy as np
from scipy.optimize import brentq

from lindyn_service.dynamics.continual import ContinualTask, Segment, continual


def sigmoids(s, a0, old, times):
    """Loss of an old task and its rate; modes a = s / (1 + (s / a0 - 1) e^{-2 s t}) and s - a are both accurate."""
    u = np.log(s / a0 - 1) - 2 * s * np.asarray(times)[..., None]
    small = np.exp(-np.abs(u)) / (1 + np.exp(-np.abs(u)))
    learned, left = s * np.where(u > 0, small, 1 - small), s * np.where(u > 0, 1 - small, small)
    return 0.5 * np.sum((learned - old) ** 2, axis=-1), np.sum(2 * learned * left * (learned - old), axis=-1)


def least_of_sigmoids(s, a0, old, duration):
    """Global minimum of the loss and its time, from interior minima and the ends, on grids around each transition."""
    transitions = np.log(s / a0) / (2 * s)
    grids = [t + np.linspace(-40, 40, 3000) / (2 * rate) for t, rate in zip(transitions, s, strict=True)]
    times = np.sort(np.concatenate([np.linspace(0, duration, 3000), *grids]))
    times = times[(times >= 0) & (times <= duration)]
    losses, rates = sigmoids(s, a0, old, times)
    minima = [(losses[0], 0.0)] if rates[0] >= 0 else []
    minima += [(losses[-1], duration)] if rates[-1] <= 0 else []
    for i in np.flatnonzero((rates[:-1] < 0) & (rates[1:] >= 0)):
        time = brentq(lambda t: sigmoids(s, a0, old, t)[1], times[i], times[i + 1], xtol=1e-300, rtol=1e-14)
        minima.append((float(sigmoids(s, a0, old, time)[0]), time))
    return min(minima)


def aligned_segment(w, s, old, duration) -> Segment:
    """Train on modes s from weights w of both layers."""
    tasks = [ContinualTask(np.diag(s)), ContinualTask(np.diag(old))]
    return continual(np.diag(w), np.diag(w), 0.0, tasks, [duration, 0.0], 2).segments[0]


def random_modes(rng):
    """Draw strengths of an old task below, at and above those of the new one, with weights of many sizes."""
    n = int(rng.integers(1, 6))
    s, w = rng.uniform(0.3, 3, n), 10 ** rng.uniform(-140, -1) * rng.uniform(0.3, 1.5, n)
    if rng.random() < 0.4:
        s = s.mean() * (1 + 0.05 * rng.standard_normal(n))
    if rng.random() < 0.3:
        w = 10 ** rng.uniform(-140, -1, n)
    old = s * rng.choice([0.2, 0.5, 0.9, 0.99, 1.0, 1.2, -1.0], n) * rng.uniform(0.8, 1.2, n)
    return w, s, old, float(np.max(np.log(s / w**2) / (2 * s)) * rng.uniform(0.7, 2.0))
