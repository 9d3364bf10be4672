"""Steps to convergence against descent by hand, and the fits against exact laws and another optimiser."""

import numpy as np
import pytest
from scipy.optimize import curve_fit
from support.experiments import computed, drawn, standard_errors_apart
from support.flow import features_of_hierarchy

from lindyn_service.experiments import semantic_descent
from lindyn_service.experiments.figure_4_4 import EXPERIMENT, LAWS, fit

SMALL = {"levels": 2, "lambdas": [-3.0, 1.0, 3.0, 8.0], "trials": 3, "fit_above": 2.0}
FORMULAE = {"exponential": lambda x, a, b: b * np.exp(a * x), "power": lambda x, a, b: b * x**a}
# means and deviations over 20 seeds
STEPS = {1.0: (1207.75, 73.2283), 5.22167: (504.35, 8.49868), 9.70484: (310.05, 5.56305), 20.0: (167.55, 4.05555)}
FITS = {
    "exponential": [(-0.0823166, 0.00149425), (732.892, 13.2572), (0.975542, 0.00428018)],
    "power": [(-0.805736, 0.0138776), (1933.37, 65.878), (0.994358, 0.00166421)],
}


def steps_by_hand(w1, w2, features, learning_rate, tolerance):
    """Number of steps to a mean of (W X - Y)^2 below the tolerance, with X = I."""
    items, number = features.shape[1], 0
    while True:
        error = w2 @ w1 - features
        if np.mean(error**2) < tolerance:
            return number
        w1, w2 = w1 - learning_rate / items * w2.T @ error, w2 - learning_rate / items * error @ w1.T
        number += 1


def test_steps_by_hand():
    table, values = computed(EXPERIMENT, **SMALL), EXPERIMENT.defaults() | SMALL
    features = features_of_hierarchy(2).T
    for row, cell in enumerate(EXPERIMENT.cells(values)):
        w1, w2 = semantic_descent.draw_weights(values, cell)
        np.testing.assert_allclose(w2.mT @ w2 - w1 @ w1.mT, [cell["lambda"] * np.eye(4)] * 3, atol=1e-12)
        expected = [steps_by_hand(*pair, features, 0.01, 1e-3) for pair in zip(w1, w2, strict=True)]
        np.testing.assert_array_equal(table.values("steps")[row], expected)
        assert table.values("mean")[row] == pytest.approx(np.mean(expected))
        assert table.values("standard_deviation")[row] == pytest.approx(np.std(expected))


def test_large_balances_take_steps_in_proportion_to_their_inverse():
    """From W(0) with the spread of one draw the error decays at the rate |lambda| / P."""
    table = computed(EXPERIMENT, levels=2, lambdas=[50.0, 100.0], learning_rate=5e-4, trials=10, fit_above=1.0)
    (near, far) = table.values("mean")
    assert near / far == pytest.approx(2, rel=0.1)
    assert np.mean(table.values("power")[:, 0]) == pytest.approx(-1, abs=0.15)


@pytest.mark.parametrize("name", LAWS)
def test_fit_finds_an_exact_law(name):
    magnitudes = np.geomspace(5, 20, 9)
    steps = FORMULAE[name](magnitudes, -0.4, 900.0)
    np.testing.assert_allclose(fit(LAWS[name], magnitudes, steps), [-0.4, 900, 1], rtol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_fit_is_least_squares(name):
    """Steps follow the other law, with noise."""
    other = "power" if name == "exponential" else "exponential"
    magnitudes = np.geomspace(5, 20, 12)
    a, b = {"exponential": (-0.1, 700.0), "power": (-0.8, 2000.0)}[other]
    steps = FORMULAE[other](magnitudes, a, b) + np.random.default_rng(1).standard_normal(12)
    found, _ = curve_fit(FORMULAE[name], magnitudes, steps, p0=(-0.5, 1000.0), xtol=1e-14, ftol=1e-14)
    residual = steps - FORMULAE[name](magnitudes, *found)
    explained = 1 - np.sum(residual**2) / np.sum((steps - steps.mean()) ** 2)
    np.testing.assert_allclose(fit(LAWS[name], magnitudes, steps), [*found, explained], rtol=1e-5)


@pytest.mark.parametrize("steps", [[np.nan, np.nan, 10], [np.nan, 12, 10], [7, 7, 7], [0, 0, 5]])
def test_no_fit_without_two_balances_that_differ(steps):
    assert np.all(np.isnan(fit(LAWS["power"], np.array([2.0, 3.0, 3.0]), np.array(steps, dtype=float))))


def test_trials_that_do_not_converge_are_not_counted():
    table = computed(EXPERIMENT, **SMALL | {"steps": 20})
    assert np.all(np.isnan(table.values("steps")))
    assert np.all(np.isnan(table.values("exponential")))
    (axes,) = drawn(EXPERIMENT, table).axes
    assert len(axes.lines) == 1


def test_picture():
    table = computed(EXPERIMENT, **SMALL | {"lambdas": [1.0, 3.0, 8.0]})
    (axes,) = drawn(EXPERIMENT, table).axes
    means, exponential, power = axes.lines
    np.testing.assert_array_equal(means.get_ydata(), table.values("mean"))
    for line, name in ((exponential, "exponential"), (power, "power")):
        a, b, _ = np.mean(table.values(name), axis=0)
        np.testing.assert_allclose(line.get_ydata(), FORMULAE[name](line.get_xdata(), a, b), rtol=1e-12)
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == (3, 8)


def test_picture_of_both_signs():
    table = computed(EXPERIMENT, **SMALL)
    (axes,) = drawn(EXPERIMENT, table).axes
    assert len(axes.lines) == 5
    assert len(axes.get_legend().get_texts()) == 3


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    lambdas = np.array(table.coordinates["lambda"])
    for lam, published in STEPS.items():
        row = int(np.argmin(np.abs(lambdas - lam)))
        assert lambdas[row] == pytest.approx(lam, rel=1e-5)
        assert standard_errors_apart(table.values("steps")[row], *published, 20) < 3, lam
    for name, rows in FITS.items():
        for place, published in enumerate(rows):
            assert standard_errors_apart(table.values(name)[:, place], *published, 20) < 3, (name, place)
    assert np.all(table.values("power")[:, 2] > table.values("exponential")[:, 2])
