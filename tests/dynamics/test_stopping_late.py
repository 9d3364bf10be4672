"""Stopping times on plateaus, where the loss is constant up to rounding and only its rate has the minimum."""

import numpy as np
import pytest
from support.stopping import aligned_segment, least_of_sigmoids, random_modes

from lindyn_service.dynamics.continual import ContinualTask, measure
from lindyn_service.dynamics.early_stopping import best_stops


def test_the_minimum_of_a_plateau_is_the_zero_of_the_rate():
    """The first mode is within 1e-30 of the old task when the second mode, which that task lacks, sets in."""
    w, s, old = np.array([1e-3, 1e-40]), np.array([2.0, 1.5]), np.array([2.2, -0.5])
    (stop,) = best_stops(aligned_segment(w, s, old, 100.0), [ContinualTask(np.diag(old))])
    loss, time = least_of_sigmoids(s, w * w, old, 100.0)
    assert stop.interior
    assert stop.loss == pytest.approx(loss, rel=1e-12)
    assert stop.time == pytest.approx(time, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_times_of_aligned_modes(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        w, s, old, duration = random_modes(rng)
        (stop,) = best_stops(aligned_segment(w, s, old, duration), [ContinualTask(np.diag(old))])
        loss, time = least_of_sigmoids(s, w * w, old, duration)
        assert stop.loss == pytest.approx(loss, rel=1e-9, abs=1e-13)
        assert stop.time == pytest.approx(time, rel=1e-6, abs=1e-12)


def test_late_losses_of_the_trained_task_and_of_the_same_task_before_it():
    """Two modes: s - a from the sigmoid itself, to losses of 1e-200."""
    w, s = np.array([0.1, 0.2]), np.array([2.0, 1.0])
    segment = aligned_segment(w, s, s, 120.0)
    times = np.array([1.0, 10.0, 30.0, 60.0, 115.0])
    u = np.exp(2 * s * times[:, None]) / (s / w**2 - 1)
    left = s / (1 + u)
    losses, rates = measure(segment, [segment.task, ContinualTask(np.diag(s))], times)
    for task in range(2):
        assert losses[:, task] == pytest.approx(0.5 * np.sum(left**2, axis=1), rel=1e-9, abs=0)
        assert rates[:, task] == pytest.approx(-2 * np.sum((s - left) * left**2, axis=1), rel=1e-9, abs=0)
    assert losses[-1, 0] < 1e-190
