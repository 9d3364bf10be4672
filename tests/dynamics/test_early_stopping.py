"""Stopping times against searches on dense grids, closed forms of one mode, and sums of sigmoids."""

import numpy as np
import pytest
from support.stopping import aligned_segment, least_of_sigmoids, random_modes

from lindyn_service.dynamics import early_stopping
from lindyn_service.dynamics.continual import ContinualTask, continual, measure
from lindyn_service.dynamics.early_stopping import best_stops
from lindyn_service.dynamics.initialization import Directions, balanced_weights


def random_tasks(count, n_in, n_out, rng, variances=None):
    variances = [1.0] * count if variances is None else variances
    return [ContinualTask(rng.standard_normal((n_out, n_in)), c) for c in variances]


def excess(task, w):
    return 0.5 * task.variance * np.sum((w - task.sigma_yx) ** 2)


def best_stop(segment, old):
    (found,) = best_stops(segment, [old])
    return found


def dense(segment, old, count=20_000):
    times = np.concatenate([np.linspace(0, segment.duration, count), np.geomspace(1e-9, 1, 2000) * segment.duration])
    times.sort()
    return times, measure(segment, [old], times)[0][:, 0]


@pytest.mark.parametrize("lam", [0.0, 1.0, -1.0, 10.0])
@pytest.mark.parametrize("seed", range(6))
def test_best_stopping_is_stationary_and_least(lam, seed):
    rng = np.random.default_rng(seed)
    tasks = random_tasks(2, 4, 4, rng, [1.0, 0.6])
    w1, w2 = balanced_weights((4, 4, 4), lam, 0.3, rng)
    # the first task is left half learned, so that learning the second may help it for a while
    course = continual(w1, w2, lam, tasks, [0.3, 6.0], 2)
    segment = course.segments[1]
    stop = best_stop(segment, tasks[0])
    times, losses = dense(segment, tasks[0])
    assert stop.loss <= losses.min() * (1 + 1e-14)
    assert stop.loss == pytest.approx(np.interp(stop.time, times, losses), rel=1e-5)
    if stop.interior:
        assert 0 < stop.time < segment.duration
        assert abs(stop.rate) <= 1e-10
        # the minimum lies within one step of the lowest point of the grid
        lowest = int(np.argmin(losses))
        assert times[max(lowest - 1, 0)] <= stop.time <= times[min(lowest + 1, len(times) - 1)]
    else:
        assert stop.time in {0.0, segment.duration}


def test_some_stopping_times_are_interior_and_some_are_not():
    found = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        tasks = random_tasks(2, 4, 4, rng)
        w1, w2 = balanced_weights((4, 4, 4), 0.0, 0.3, rng)
        for first in (0.3, 30.0):
            segment = continual(w1, w2, 0.0, tasks, [first, 6.0], 2).segments[1]
            found.add(best_stop(segment, tasks[0]).interior)
    assert found == {True, False}


def test_known_stopping_time():
    """One mode: the sigmoid passes the strength of the old task at a known time."""
    a0, old, new = 0.01, 0.7, 2.0
    w = np.array([[np.sqrt(a0)]])
    tasks = [ContinualTask(np.array([[new]]), 0.5), ContinualTask(np.array([[old]]))]
    segment = continual(w, w, 0.0, tasks, [30.0, 0.0], 2).segments[0]
    stop = best_stop(segment, tasks[1])
    # s / (1 + (s/a0 - 1) e^{-2 s c t}) = old, with c the variance of the new task's inputs
    expected = np.log((new / a0 - 1) / (new / old - 1)) / (2 * new * 0.5)
    assert stop.interior
    assert stop.time == pytest.approx(expected, rel=1e-14)
    assert stop.loss == pytest.approx(0, abs=1e-28)


@pytest.mark.parametrize("factor", [1.0, 1.5])
@pytest.mark.parametrize("seed", range(5))
def test_the_end_of_a_segment_is_best_despite_rounding_errors(factor, seed):
    """Each mode approaches the strength of an old task from below: the loss falls, finally only by rounding errors."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    new = ContinualTask((u * np.array([3.0, 2.3, 1.7, 0.6])) @ v.T)
    old = ContinualTask(factor * new.sigma_yx)
    w1, w2 = balanced_weights((4, 4, 4), 0.0, 0.1, rng, Directions(u, v))
    segment = continual(w1, w2, 0.0, [new, old], [1e3, 0.0], 2).segments[0]
    stop = best_stop(segment, old)
    assert not stop.interior
    assert stop.time == 1e3


def test_a_segment_without_duration_stops_at_once():
    w1, w2 = balanced_weights((3, 3, 3), 1.0, 0.5, np.random.default_rng(1))
    tasks = [ContinualTask(np.eye(3)), ContinualTask(-np.eye(3))]
    segment = continual(w1, w2, 1.0, tasks, [0.0, 0.0], 2).segments[0]
    stop = best_stop(segment, tasks[1])
    assert (stop.time, stop.interior) == (0.0, False)
    assert stop.loss == pytest.approx(excess(tasks[1], w2 @ w1), rel=1e-14)


def test_a_grid_of_many_scales_finds_an_early_minimum():
    """A long segment whose minimum lies in its first millionth."""
    rng = np.random.default_rng(0)
    tasks = random_tasks(2, 4, 4, rng)
    w1, w2 = balanced_weights((4, 4, 4), 0.0, 0.3, rng)
    short, long = (continual(w1, w2, 0.0, tasks, [0.3, t], 2).segments[1] for t in (3.0, 3e6))
    brief, lasting = best_stop(short, tasks[0]), best_stop(long, tasks[0])
    assert brief.interior
    assert lasting.time == pytest.approx(brief.time, rel=1e-9)


def test_a_minimum_between_late_transitions():
    """Weights of 1e-138 learn three modes within a few percent of the time; the reference has 60 digits."""
    w = np.array([4.555381877614405e-138, 4.4377209116014735e-138, 4.453538541291908e-139])
    s = np.array([2.4102722162094112, 2.3581711302091697, 2.336305092300823])
    old = np.array([1.824384110148236, 0.8055469402141444, 2.2057734574834718])
    stop = best_stop(aligned_segment(w, s, old, 429.7066666666667), ContinualTask(np.diag(old)))
    assert stop.interior
    assert stop.time == pytest.approx(137.1410533843128, rel=1e-12)
    assert stop.loss == pytest.approx(1.3769478995852678, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_no_minimum_of_aligned_modes_is_missed(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        w, s, old, duration = random_modes(rng)
        stop = best_stop(aligned_segment(w, s, old, duration), ContinualTask(np.diag(old)))
        loss, _ = least_of_sigmoids(s, w * w, old, duration)
        assert stop.loss <= loss + 1e-13 * np.sum(old**2)


def random_segment(rng):
    """Draw small or large unaligned weights, and an old task that shares singular vectors with the new one or not."""
    dims = tuple(int(n) for n in rng.integers(2, 5, 3))
    m = min(dims[0], dims[2])
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0][:, :m] for n in (dims[2], dims[0]))
    s = rng.uniform(0.3, 3, m)
    new = ContinualTask((u * s) @ v.T, float(rng.choice([0.3, 1.0, 4.0])))
    old = ContinualTask(
        (u * s * rng.uniform(0.2, 1.2, m)) @ v.T + rng.choice([0.0, 0.3]) * rng.standard_normal(new.sigma_yx.shape)
    )
    lam = float(rng.choice([0.0, 1.0, -1.0])) if dims[0] == dims[1] == dims[2] else 0.0
    weights = balanced_weights(dims, lam, 10 ** rng.uniform(-30, 0), rng)
    duration = float(35 / s.min() * rng.uniform(0.3, 2.0)) / new.variance
    return continual(*weights, lam, [new, old], [duration, 0.0], 2).segments[0], old, s.max() * new.variance


@pytest.mark.parametrize("seed", range(5))
def test_no_minimum_of_unaligned_networks_is_missed(seed):
    rng = np.random.default_rng(seed)
    for _ in range(3):
        segment, old, fastest = random_segment(rng)
        times = np.linspace(0, segment.duration, int(20 * fastest * segment.duration) + 2000)
        losses = measure(segment, [old], np.union1d(times, segment.duration * np.geomspace(1e-8, 1, 2000)))[0]
        assert best_stop(segment, old).loss <= losses.min() + 1e-13 * np.sum(old.sigma_yx**2)


def test_several_tasks_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(7)
    tasks = random_tasks(4, 3, 3, rng, [1.0, 0.5, 2.0, 1.0])
    segment = continual(*balanced_weights((3, 3, 3), 0.0, 1e-3, rng), 0.0, tasks, [0.3, 0.4, 0.5, 20.0], 2).segments[3]
    for old, together in zip(tasks, best_stops(segment, tasks), strict=True):
        alone = best_stop(segment, old)
        assert together.interior == alone.interior
        assert together.loss == pytest.approx(alone.loss, rel=1e-12)
        assert together.time == pytest.approx(alone.time, rel=1e-9)


def test_losses_of_rounding_errors_are_not_refined(monkeypatch):
    """The task is already learned, so that losses only change by rounding errors."""
    seen = []
    monkeypatch.setattr(early_stopping, "measure", lambda *args: (seen.append(len(args[2])), measure(*args))[1])
    task, other = ContinualTask(np.diag([2.0, 1.0])), ContinualTask(np.array([[0.3, 1.0], [-1.0, 0.2]]))
    w = np.array([[1.0, 0.3], [-0.2, 1.0]])
    segment = continual(w, w.T, 0.0, [task, other], [1e5, 0.0], 2).segments[0]
    best_stop(segment, other)
    assert sum(seen) < 3000


def test_the_number_of_time_intervals_is_bounded(monkeypatch):
    monkeypatch.setattr(early_stopping, "_MAX_PIECES", 3)
    test_known_stopping_time()
