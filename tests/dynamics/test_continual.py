"""Sequences of tasks against integration of the flow, closed forms of forgetting, and searches on dense grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracle import integrate, qqt, relative_error

from lindyn_service.dynamics.continual import (
    ContinualTask,
    UnsettledError,
    continual,
    forgetting,
    measure,
)
from lindyn_service.dynamics.early_stopping import best_stops
from lindyn_service.dynamics.initialization import Directions, balanced_weights


def random_tasks(count, n_in, n_out, rng, variances=None):
    variances = [1.0] * count if variances is None else variances
    return [ContinualTask(rng.standard_normal((n_out, n_in)), c) for c in variances]


def excess(task, w):
    return 0.5 * task.variance * np.sum((w - task.sigma_yx) ** 2)


@pytest.mark.parametrize(
    ("dims", "lam", "variances"),
    [((4, 3, 5), 0.0, [1.0, 1.0, 1.0]), ((3, 3, 3), 2.0, [1.0, 1.0, 1.0]), ((5, 4, 3), -1.5, [0.125, 3.0, 1.0])],
)
def test_segment_by_segment_against_integration(dims, lam, variances):
    """Inputs of variance c: sigma_yx is c times the white one and sigma_xx = c I."""
    rng = np.random.default_rng(2)
    tasks = random_tasks(3, dims[0], dims[2], rng, variances)
    w1, w2 = balanced_weights(dims, lam, 0.5, rng)
    durations = [2.0, 1.0, 1.5]
    course = continual(w1, w2, lam, tasks, durations, 6)
    begin = 0.0
    for k, (trained, duration) in enumerate(zip(tasks, durations, strict=True)):
        assert np.allclose(course.times[k], begin + np.linspace(0, duration, 6), rtol=1e-15, atol=0)
        begin += duration
        c = trained.variance
        path = integrate(w1, w2, c * trained.sigma_yx, np.linspace(0, duration, 6), c * np.eye(dims[0]))
        for j, (a, b) in enumerate(path):
            error = c * (trained.sigma_yx - b @ a)
            velocity = b @ b.T @ error + error @ a.T @ a
            for i, task in enumerate(tasks):
                assert np.isclose(course.losses[k, j, i], excess(task, b @ a), rtol=1e-9, atol=0)
                rate = task.variance * np.trace(velocity @ (b @ a - task.sigma_yx).T)
                assert np.isclose(course.rates[k, j, i], rate, rtol=1e-8, atol=1e-8)
        w1, w2 = path[-1]
    assert relative_error(qqt(course.w1, course.w2), qqt(w1, w2)) <= 1e-9
    end1, end2 = course.segments[-1].end()
    assert np.array_equal(end1, course.w1)
    assert np.array_equal(end2, course.w2)


def test_segments_meet():
    rng = np.random.default_rng(3)
    tasks = random_tasks(4, 4, 4, rng)
    w1, w2 = balanced_weights((4, 4, 4), 1.0, 0.5, rng)
    course = continual(w1, w2, 1.0, tasks, [0.7, 1.3, None, 0.0], 4)
    assert np.allclose(course.losses[1:, 0], course.losses[:-1, -1], rtol=1e-12, atol=0)
    assert np.array_equal(course.times[1:, 0], course.times[:-1, -1])
    assert course.times[3, 0] == course.times[3, -1]


@pytest.mark.parametrize("duration", [5e-324, 1e-320, 1e-305])
def test_segments_of_the_shortest_durations(duration):
    rng = np.random.default_rng(3)
    tasks = random_tasks(2, 4, 4, rng)
    w1, w2 = balanced_weights((4, 4, 4), 1.0, 0.5, rng)
    course = continual(w1, w2, 1.0, tasks, [duration, duration], 3000)
    assert np.all(np.diff(course.times[0]) >= 0)
    assert (course.times[0, 0], course.times[0, -1]) == (0.0, duration)
    for i, task in enumerate(tasks):
        assert np.allclose(course.losses[:, :, i], excess(task, w2 @ w1), rtol=1e-13, atol=0)
    assert best_stops(course.segments[1], tasks[:1])[0].time in (0.0, duration)


@pytest.mark.parametrize("lam", [0.0, 1.0, -4.0])
def test_forgetting_at_convergence(lam):
    """Braun et al. (2022): F_i(j, k) = 1/2 (||S_k - S_i||^2 - ||S_j - S_i||^2), on any path; here times c_i.

    All determinants are positive, which keeps lambda = 0 off its saddles.
    """
    rng = np.random.default_rng(4)
    variances = [1.0, 0.5, 2.0]
    tasks = []
    for c in variances:
        u, v = (np.linalg.qr(rng.standard_normal((5, 5)))[0] for _ in range(2))
        s = (u * np.linspace(2, 1, 5)) @ v
        s[0] *= np.sign(np.linalg.det(s))
        tasks.append(ContinualTask(s, c))
    w1, w2 = balanced_weights((5, 5, 5), lam, 0.5, rng)
    w1[:, 0] *= np.sign(np.linalg.det(w2 @ w1))
    got = forgetting(continual(w1, w2, lam, tasks, [None] * 3, 3))
    for i, old in enumerate(tasks):
        for j, before in enumerate(tasks):
            for k, after in enumerate(tasks):
                assert abs(got[i, j, k] - (excess(old, after.sigma_yx) - excess(old, before.sigma_yx))) <= 1e-12


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.7, -3.0]))
def test_rates_integrate_to_losses(seed, lam):
    rng = np.random.default_rng(seed)
    tasks = random_tasks(3, 3, 3, rng, [1.0, 0.3, 2.0])
    w1, w2 = balanced_weights((3, 3, 3), lam, 0.7, rng)
    course = continual(w1, w2, lam, tasks, [1.5, 0.5, 1.0], 2)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    for segment, losses in zip(course.segments, course.losses, strict=True):
        half = segment.duration / 2
        rates = measure(segment, tasks, half * (1 + nodes))[1]
        assert np.allclose(half * weights @ rates, losses[1] - losses[0], rtol=0, atol=1e-11 * max(1.0, losses.max()))


@pytest.mark.parametrize("lam", [0.0, 0.5, -2.0])
def test_reversal_learning(lam):
    """S_2 = -S_1 after S_1: aligned weights at lambda = 0 have no overlap with the new modes and end at zero.

    The loss of the second task then stays at 1/2 ||S||^2; a balance frees the network.
    """
    s = np.array([3.0, 2.0, 1.0])
    first, second = ContinualTask(np.diag(s)), ContinualTask(-np.diag(s))
    aligned = Directions(np.eye(3), np.eye(3))
    w1, w2 = balanced_weights((3, 3, 3), lam, 0.1, np.random.default_rng(6), aligned)
    course = continual(w1, w2, lam, [first, second], [None, None], 5)
    w = course.w2 @ course.w1
    size = np.sum(s**2)
    if lam == 0:
        assert np.allclose(w, 0, atol=1e-12)
        assert np.isclose(course.losses[1, -1, 1], size / 2, rtol=1e-12, atol=0)
    else:
        assert np.allclose(w, -np.diag(s), atol=1e-11)
        assert course.losses[1, -1, 1] < 1e-20
    assert np.isclose(forgetting(course)[0, 0, 1], size / 2 if lam == 0 else 2 * size, rtol=1e-12, atol=0)


def test_a_permuted_reversal_is_free():
    """The modes of S_2 in another order overlap with what was learned: no saddle at lambda = 0."""
    s = np.diag([3.0, 2.0, 1.0])
    tasks = [ContinualTask(s), ContinualTask(s[[1, 2, 0]])]
    w1, w2 = balanced_weights((3, 3, 3), 0.0, 0.1, np.random.default_rng(6), Directions(np.eye(3), np.eye(3)))
    course = continual(w1, w2, 0.0, tasks, [None, None], 2)
    assert course.losses[1, -1, 1] < 1e-20


def test_a_task_that_never_settles_needs_a_duration():
    w = np.sqrt(0.5) * np.eye(2)
    with pytest.raises(UnsettledError, match="task 1 does not settle") as caught:
        continual(w, w, 0.0, [ContinualTask(np.eye(2)), ContinualTask(np.diag([1.0, 0.0]))], [1.0, None], 2)
    assert caught.value.task == 1


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="zip"):
        continual(np.eye(2), np.eye(2), 0.0, [ContinualTask(np.eye(2))], [1.0, 2.0], 2)
