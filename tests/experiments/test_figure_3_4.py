"""Deviation from descent against integration of the flow, hand-written descent, and the published curves."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart
from support.oracle import integrate

from lindyn_service.experiments.figure_3_4 import EXPERIMENT
from lindyn_service.experiments.trials import balanced_trials, regression_trials

# mean and deviation over 40 trials at the least, a middle and the largest learning rate
PUBLISHED = {
    5: [(0.000291, 0.000140), (0.005299, 0.001550), (0.011423, 0.003068)],
    10: [(0.000899, 0.000200), (0.010567, 0.001184), (0.019617, 0.001840)],
    15: [(0.001572, 0.000222), (0.014442, 0.001018), (0.026249, 0.001404)],
    20: [(0.002373, 0.000240), (0.018235, 0.000871), (0.030617, 0.001764)],
}


def deviation_of(w1, w2, sigma_yx, best, eta, steps):
    """Losses of the integrated flow divided by those of descent, minus 1, for one trial."""
    flow = integrate(w1, w2, sigma_yx, eta * np.arange(steps))
    ratios = []
    for a, b in flow:
        exact, simulated = (0.5 * np.sum((w - sigma_yx) ** 2) + best for w in (b @ a, w2 @ w1))
        ratios.append(exact / simulated - 1)
        error = sigma_yx - w2 @ w1
        w1, w2 = w1 + eta * w2.T @ error, w2 + eta * error @ w1.T
    return np.mean(ratios)


@pytest.mark.parametrize("lam", [-2.0, 0.0, 3.0])
def test_each_trial_against_integration(lam):
    rates, sizes, steps, trials = [2e-3, 1e-2], [1, 3, 4], 30, 2
    table = computed(
        EXPERIMENT, **{"lambda": lam}, learning_rates=rates, sizes=sizes, steps=steps, trials=trials, seed=4
    )
    found = table.values("deviation")
    for stream, (i, j) in enumerate(np.ndindex(len(sizes), len(rates))):
        sources = [np.random.default_rng([4, stream, trial]) for trial in range(trials)]
        tasks = zip(*regression_trials(sizes[i], 2 * sizes[i], sources), strict=True)
        layers = zip(*balanced_trials(sizes[i], lam, sources), strict=True)
        expected = [deviation_of(*weights, *task, rates[j], steps) for weights, task in zip(layers, tasks, strict=True)]
        np.testing.assert_allclose(found[i, j], expected, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(table.values("mean"), found.sum(axis=2) / trials, rtol=1e-12)
    halves = np.abs(found[..., 0] - found[..., 1]) / 2
    np.testing.assert_allclose(table.values("standard_deviation"), halves, rtol=1e-9)


def test_deviations_are_proportional_to_the_learning_rate():
    """Over the same time, for the same problems."""
    coarse, fine = (
        computed(EXPERIMENT, learning_rates=[eta], sizes=[4], steps=round(0.2 / eta), trials=5) for eta in (4e-4, 2e-4)
    )
    np.testing.assert_allclose(coarse.values("deviation") / fine.values("deviation"), 2, rtol=0.03)


def test_no_deviation_before_the_first_step():
    table = computed(EXPERIMENT, learning_rates=[0.01], sizes=[3], steps=1, trials=4)
    np.testing.assert_allclose(table.values("deviation"), 0, atol=1e-13)


def test_trials_do_not_depend_on_how_many_there_are():
    smaller = {"learning_rates": [1e-3], "sizes": [3], "steps": 20}
    several = computed(EXPERIMENT, trials=5, **smaller).values("deviation")
    np.testing.assert_allclose(
        computed(EXPERIMENT, trials=2, **smaller).values("deviation"), several[..., :2], rtol=1e-9
    )
    assert len(np.unique(several)) == 5


def test_picture_sorts_the_points():
    table = computed(EXPERIMENT, learning_rates=[1e-2, 1e-4, 1e-3], sizes=[2, 3], steps=5, trials=2)
    (axes,) = drawn(EXPERIMENT, table).axes
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().texts] == ["2 units", "3 units"]
    for line, mean in zip(axes.lines, table.values("mean"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1e-4, 1e-3, 1e-2])
        np.testing.assert_array_equal(line.get_ydata(), mean[[1, 2, 0]])
    edges = axes.collections[1].get_paths()[0].vertices
    lowest = np.min(table.values("mean")[1] - table.values("standard_deviation")[1])
    assert np.min(edges[:, 1]) == pytest.approx(lowest, rel=1e-12)


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    np.testing.assert_allclose(table.coordinates["learning_rate"], np.logspace(-4, -2, 20), rtol=1e-12)
    for size, found in zip(table.coordinates["size"], table.values("deviation"), strict=True):
        for place, (mean, spread) in zip((0, 9, 19), PUBLISHED[size], strict=True):
            assert standard_errors_apart(found[place], mean, spread, 40) < 3, (size, place)
