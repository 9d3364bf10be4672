"""Rates of the loss against integration of the flow, hand-written descent, and published values."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart
from support.oracle import integrate

from lindyn_service.experiments.figure_4_7 import EXPERIMENT
from lindyn_service.experiments.trials import balanced_trials, regression_trials

LAMBDAS = [-2.0, 0.0, 5.0]


def test_rates_against_integration_and_descent():
    eta, steps, trials = 0.01, 25, 2
    table = computed(EXPERIMENT, lambdas=LAMBDAS, size=3, learning_rate=eta, steps=steps, trials=trials, seed=8)
    for i, lam in enumerate(LAMBDAS):
        sources = [np.random.default_rng([8, trial]) for trial in range(trials)]
        tasks, _ = regression_trials(3, 6, sources)
        for trial, (w1, w2) in enumerate(zip(*balanced_trials(3, lam, sources), strict=True)):
            sigma_yx = tasks[trial]
            exact = []
            for a, b in integrate(w1, w2, sigma_yx, eta * np.arange(steps)):
                # minus the squared norm of the gradient, over both layers
                error = sigma_yx - b @ a
                exact.append(-np.sum((b.T @ error) ** 2) - np.sum((error @ a.T) ** 2))
            np.testing.assert_allclose(table.values("rate_exact")[i, trial], exact, rtol=1e-8)
            quotient, formula = [], []
            a, b = w1, w2
            for _ in range(steps):
                error = sigma_yx - b @ a
                a, b = a + eta * b.T @ error, b + eta * error @ a.T
                after = sigma_yx - b @ a
                quotient.append((np.sum(after**2) - np.sum(error**2)) / (2 * eta))
                # a difference of squares: the formula leaves out half the square of the step
                formula.append(quotient[-1] - np.sum((after - error) ** 2) / (2 * eta))
            np.testing.assert_allclose(table.values("rate_quotient")[i, trial], quotient, rtol=1e-9)
            np.testing.assert_allclose(table.values("rate_formula")[i, trial], formula, rtol=1e-9)
            for name, rates in (("formula", formula), ("exact", exact)):
                expected = np.max(np.abs(np.array(rates) - quotient)) / np.max(np.abs(quotient))
                assert table.values(f"deviation_{name}")[i, trial] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["formula", "exact"])
def test_deviations_fall_in_proportion_to_the_learning_rate(name):
    coarse, fine = (computed(EXPERIMENT, learning_rate=eta, steps=round(0.01 / eta), trials=5) for eta in (2e-4, 1e-4))
    ratios = coarse.values(f"deviation_{name}") / fine.values(f"deviation_{name}")
    np.testing.assert_allclose(ratios, 2, rtol=0.03)


def test_trials_do_not_depend_on_how_they_are_split():
    few, many = (computed(EXPERIMENT, size=2, steps=10, trials=trials) for trials in (2, 12))
    assert len(EXPERIMENT.cells(EXPERIMENT.defaults() | {"trials": 12})) == 4
    for name in ("rate_quotient", "rate_formula", "rate_exact"):
        np.testing.assert_allclose(many.values(name)[:, :2], few.values(name), rtol=1e-8)
        assert len(np.unique(many.values(name)[:, :, 0])) == 24


def test_picture():
    table = computed(EXPERIMENT, lambdas=[1.0, 2.0, 5.0], size=2, steps=10, trials=3)
    *rates, deviations = drawn(EXPERIMENT, table).axes
    for i, axes in enumerate(rates):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(1, 11))
        for line, name in zip(axes.lines, ("quotient", "formula", "exact"), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), -table.values(f"rate_{name}")[i, 0])
    np.testing.assert_array_equal(deviations.lines[1].get_ydata(), table.values("deviation_exact").ravel())
    assert [label.get_text() for label in deviations.get_xticklabels()] == ["1", "2", "5"]


@pytest.mark.figures
def test_published_values():
    """Published rates are per step, for the formula along descent: 20 trials of each lambda."""
    table = computed(EXPERIMENT)
    published = {
        1.0: {"deviation": (0.0828, 0.0314), "quotient": (-18.64, 15.82), "formula": (-20.67, 18.40)},
        5.0: {"deviation": (0.0870, 0.0302), "quotient": (-19.53, 15.94), "formula": (-21.70, 18.58)},
    }
    late = {1.0: (5.379e-5, 1.189e-5), 5.0: (1.3636e-6, 3.164e-7)}
    for i, lam in enumerate(table.coordinates["lambda"]):
        per_step = {name: 0.01 * table.values(f"rate_{name}")[i] for name in ("quotient", "formula")}
        found = {name: rates[:, 0] for name, rates in per_step.items()}
        found["deviation"] = table.values("deviation_formula")[i]
        for name, (mean, spread) in published[lam].items():
            assert standard_errors_apart(found[name], mean, spread, 20) < 3, (lam, name)
        gap = np.max(np.abs(per_step["quotient"] - per_step["formula"])[:, 100:], axis=1)
        assert standard_errors_apart(gap, *late[lam], 20) < 3, lam
        assert np.all(np.argmax(np.abs(table.values("rate_exact") - table.values("rate_quotient"))[i], axis=1) < 10)
