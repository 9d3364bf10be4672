"""Continual learning against integration of the flow task after task, hand-written descent, and published values."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart
from support.oracle import integrate

from lindyn_service.experiments.figure_4_6 import EXPERIMENT
from lindyn_service.experiments.trials import balanced_trials, regression_trials

# mean and deviation over ten trials, for each task in turn
PUBLISHED = [(0.17926, 0.10276), (0.00333, 0.00077), (0.00333, 0.00112), (0.00324, 0.00117)]


def loss(w, sigma_yx, best):
    return 0.5 * np.sum((w - sigma_yx) ** 2) + best


def descended(w1, w2, sigma_yx, eta, steps):
    """Weights after each step, beginning with the initial ones."""
    path = [(w1, w2)]
    for _ in range(steps):
        error = sigma_yx - w2 @ w1
        w1, w2 = w1 + eta * w2.T @ error, w2 + eta * error @ w1.T
        path.append((w1, w2))
    return path


@pytest.mark.parametrize("lam", [-1.5, 0.0, 1.0])
def test_task_after_task_against_integration(lam):
    eta, steps, n_tasks, trials = 0.02, 40, 3, 2
    table = computed(
        EXPERIMENT, **{"lambda": lam}, size=3, learning_rate=eta, steps=steps, tasks=n_tasks, trials=trials, seed=6
    )
    sources = [np.random.default_rng([6, trial]) for trial in range(trials)]
    tasks = [regression_trials(3, 15, sources) for _ in range(n_tasks)]
    layers = zip(*balanced_trials(3, lam, sources), strict=True)
    recorded = table.coordinates["step"]
    assert recorded[0] == 0
    assert recorded[-1] == steps
    for trial, weights in enumerate(layers):
        own = [(sigma_yx[trial], best[trial]) for sigma_yx, best in tasks]
        exact_at, simulated_at = weights, weights
        for k, (sigma_yx, _) in enumerate(own):
            exact = integrate(*exact_at, sigma_yx, eta * np.arange(steps + 1))
            simulated = descended(*simulated_at, sigma_yx, eta, steps)
            exact_at, simulated_at = exact[-1], simulated[-1]
            gaps = [np.max(np.abs(b @ a - d @ c)) for (a, b), (c, d) in zip(exact, simulated, strict=True)]
            assert table.values("deviation")[trial, k] == pytest.approx(max(gaps), rel=1e-7)
            for name, path in (("exact", exact), ("simulated", simulated)):
                expected = [[loss(path[step][1] @ path[step][0], *task) for task in own] for step in recorded]
                np.testing.assert_allclose(table.values(name)[trial, k], expected, rtol=1e-9)
            expected = [loss(sigma_yx, *task) for task in own]
            np.testing.assert_allclose(table.values("theory")[trial, k], expected, rtol=1e-12)


def test_losses_after_tasks_learned_until_nothing_is_left():
    table = computed(EXPERIMENT, size=2, tasks=3, learning_rate=0.02, steps=2000, trials=3)
    for name in ("exact", "simulated"):
        np.testing.assert_allclose(table.values(name)[:, :, -1], table.values("theory"), rtol=0, atol=1e-12)
        # a task is never lower than after its own training
        own = np.einsum("tkk->tk", table.values("theory"))
        assert np.all(table.values(name)[:, :, -1] >= own[:, None] - 1e-12)


def test_trials_do_not_depend_on_how_they_are_split():
    few, many = (computed(EXPERIMENT, size=2, steps=10, tasks=2, trials=trials) for trials in (2, 12))
    assert len(EXPERIMENT.cells(EXPERIMENT.defaults() | {"trials": 12})) == 2
    for name in ("deviation", "exact", "simulated", "theory"):
        np.testing.assert_allclose(many.values(name)[:2], few.values(name), rtol=1e-9)
    assert len(np.unique(many.values("deviation")[:, 0])) == 12


def test_picture():
    table = computed(EXPERIMENT, size=2, steps=30, tasks=2, trials=3)
    losses, deviations = drawn(EXPERIMENT, table).axes
    steps = np.array(table.coordinates["step"])
    np.testing.assert_array_equal(losses.lines[0].get_xdata(), [*steps, *(30 + steps)])
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), table.values("simulated")[0, :, :, 0].ravel())
    np.testing.assert_array_equal(losses.lines[3].get_ydata(), table.values("exact")[0, :, :, 1].ravel())
    np.testing.assert_array_equal(losses.lines[4].get_xdata(), [30, 30, 60, 60])
    np.testing.assert_array_equal(losses.lines[4].get_ydata(), table.values("theory")[0].ravel())
    np.testing.assert_array_equal(deviations.lines[1].get_ydata(), table.values("deviation")[:, 1])


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    for name in ("exact", "simulated"):
        np.testing.assert_allclose(table.values(name)[:, :, -1], table.values("theory"), rtol=0, atol=1e-12)
    for k, (mean, spread) in enumerate(PUBLISHED):
        assert standard_errors_apart(table.values("deviation")[:, k], mean, spread, 10) < 3, k
