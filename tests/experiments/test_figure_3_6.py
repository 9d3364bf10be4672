"""Deviation from descent at a constant real learning rate against its limit at large lambda, and published curves."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart

from lindyn_service.experiments import figure_3_4
from lindyn_service.experiments.figure_3_6 import EXPERIMENT
from lindyn_service.experiments.trials import balanced_trials, excess, regression_trials

# mean and deviation over 20 trials at lambda = 50, 96 and 200
PUBLISHED = {
    5: [(0.007322, 0.000937), (0.007149, 0.001208), (0.007029, 0.001201)],
    10: [(0.010050, 0.000430), (0.009495, 0.000335), (0.009080, 0.000365)],
    15: [(0.011433, 0.000374), (0.010253, 0.000208), (0.009863, 0.000097)],
    20: [(0.012760, 0.000339), (0.010978, 0.000220), (0.010125, 0.000088)],
}


def test_one_lambda_is_a_point_of_figure_3_4():
    shared = {"sizes": [3], "steps": 20, "trials": 3, "seed": 2}
    table = computed(EXPERIMENT, lambdas=[60.0], real_learning_rate=0.03, **shared)
    point = computed(figure_3_4.EXPERIMENT, **{"lambda": 60.0}, learning_rates=[0.03 / 60], **shared)
    np.testing.assert_array_equal(table.values("deviation"), point.values("deviation"))


def test_limit_at_large_lambda():
    """W - S shrinks by e^{-k} in a step of the exact solution and by 1 - k in a step of descent, k = lambda eta."""
    k, steps, size, trials = 0.02, 100, 4, 3
    table = computed(EXPERIMENT, lambdas=[1e5], real_learning_rate=k, sizes=[size], steps=steps, trials=trials)
    sources = [np.random.default_rng([0, 0, trial]) for trial in range(trials)]
    sigma_yx, best = regression_trials(size, 2 * size, sources)
    w1, w2 = balanced_trials(size, 1e5, sources)
    start, step = excess(w2 @ w1 - sigma_yx)[:, None], np.arange(steps)
    exact, simulated = (start * factor ** (2 * step) + best[:, None] for factor in (np.exp(-k), 1 - k))
    np.testing.assert_allclose(table.values("deviation")[0, 0], np.mean(exact / simulated - 1, axis=1), rtol=1e-3)


def test_picture_begins_at_zero():
    table = computed(EXPERIMENT, lambdas=[50.0, 100.0], sizes=[2, 3], steps=5, trials=2)
    (axes,) = drawn(EXPERIMENT, table).axes
    assert axes.get_ylim()[0] == 0
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), table.values("mean")[1])


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    np.testing.assert_allclose(table.coordinates["lambda"], np.geomspace(50, 200, 20), rtol=1e-12)
    for size, found in zip(table.coordinates["size"], table.values("deviation"), strict=True):
        for place, (mean, spread) in zip((0, 9, 19), PUBLISHED[size], strict=True):
            assert standard_errors_apart(found[place], mean, spread, 20) < 3, (size, place)
