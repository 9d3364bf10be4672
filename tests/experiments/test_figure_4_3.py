"""Losses of descent against steps by hand, rates by theory, and the saddle that half of all 0-balanced draws meet."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart
from support.flow import features_of_hierarchy

from lindyn_service.experiments import semantic_descent
from lindyn_service.experiments.figure_4_3 import EXPERIMENT

SMALL = {"levels": 2, "steps": 450, "trials": 2, "lambdas": [0.0, -5.0], "tolerances": [1e-1, 1e-3, 1e-30]}
# steps to a loss below 1e-3: means and deviations over 10 trials
PUBLISHED = {
    "Gaussian, scale 0.001": (5511.0, 375.56),
    "Gaussian, scale 0.42": (2582.9, 488.648),
    "balanced, λ = 0": (4667.4, 2655.05),
    "balanced, λ = 10": (355.1, 4.92849),
    "balanced, λ = -10": (355.1, 4.92849),
    "balanced, λ = 100": (38.9, 0.943398),
    "balanced, λ = -100": (38.9, 0.943398),
}


def descended(w1, w2, features, learning_rate, steps):
    """1/(2P) ||W2 W1 X - Y||^2 with X = I after every step."""
    items = features.shape[1]
    losses = []
    for _ in range(steps + 1):
        error = w2 @ w1 - features
        losses.append(np.sum(error**2) / (2 * items))
        w1, w2 = w1 - learning_rate / items * w2.T @ error, w2 - learning_rate / items * error @ w1.T
    return np.array(losses)


def initial(values):
    return [semantic_descent.draw_weights(values, cell) for cell in EXPERIMENT.cells(values)]


def test_losses_and_crossings_by_hand():
    table, values = computed(EXPERIMENT, **SMALL), EXPERIMENT.defaults() | SMALL
    features, step = features_of_hierarchy(2).T, np.asarray(table.coordinates["step"])
    assert step[0] == 0
    assert step[-1] == 450
    for kind, layers in enumerate(initial(values)):
        for trial, (w1, w2) in enumerate(zip(*layers, strict=True)):
            losses = descended(w1, w2, features, 0.01, 450)
            np.testing.assert_allclose(table.values("loss")[kind, trial], losses[step], rtol=1e-9)
            for place, tolerance in enumerate(SMALL["tolerances"]):
                found = table.values("steps")[kind, trial, place]
                first = next((number for number, loss in enumerate(losses) if loss < tolerance), np.nan)
                np.testing.assert_equal(found, first)
    assert np.any(np.isnan(table.values("steps")))
    assert np.any(np.isfinite(table.values("steps")))


def test_initial_weights_have_the_properties_of_their_names():
    values = EXPERIMENT.defaults() | {"trials": 40}
    names = semantic_descent.names(values)
    for name, (w1, w2) in zip(names, initial(values), strict=True):
        size = float(name.split()[-1])
        if name.startswith("Gaussian"):
            assert np.std(w1) == pytest.approx(size, rel=0.05)
            assert np.std(w2) == pytest.approx(size, rel=0.05)
        else:
            np.testing.assert_allclose(w2.mT @ w2 - w1 @ w1.mT, size * np.eye(8)[None].repeat(40, 0), atol=1e-11)
            # the product of two Gaussian matrices: E ||W||^2 = 8^3 scale^4
            squares, scale = np.sum((w2 @ w1) ** 2, axis=(1, 2)), 1.0 if size else 0.42
            expected, error = 8**3 * scale**4, np.std(squares) / np.sqrt(40)
            assert abs(np.mean(squares) - expected) < 4 * error


def test_results_do_not_depend_on_blocks(monkeypatch):
    whole = computed(EXPERIMENT, **SMALL)
    monkeypatch.setattr(semantic_descent, "_BLOCK", 7)
    parts = computed(EXPERIMENT, **SMALL)
    for name in ("loss", "steps"):
        np.testing.assert_array_equal(whole.values(name), parts.values(name))


def test_large_balances_are_learned_at_their_rate():
    """The slowest mode, s = sqrt 2 of Y, decays at sqrt(lambda^2 + 4 s^2) in time t / P."""
    lam, eta = 100.0, 2e-3
    table = computed(EXPERIMENT, lambdas=[lam, -lam], gaussian_scales=[], learning_rate=eta, steps=400, trials=3)
    step = np.asarray(table.coordinates["step"])
    late = (step >= 250) & (step <= 400)
    decay = 2 * np.log1p(-eta / 8 * np.sqrt(lam**2 + 8))
    for losses in table.values("loss").reshape(-1, len(step)):
        slope = np.polyfit(step[late], np.log(losses[late]), 1)[0]
        assert slope == pytest.approx(decay, rel=2e-3)


def test_half_of_the_draws_without_a_balance_meet_the_saddle():
    """Their determinant has the other sign; they take longer than all others."""
    overrides = {"levels": 1, "lambdas": [0.0], "gaussian_scales": [], "trials": 20, "steps": 3000}
    table, values = computed(EXPERIMENT, **overrides), EXPERIMENT.defaults() | overrides
    ((w1, w2),) = initial(values)
    sign = np.sign(np.linalg.det(w2 @ w1) * np.linalg.det(features_of_hierarchy(1).T))
    assert 4 <= np.sum(sign < 0) <= 16
    steps = np.nan_to_num(table.values("steps")[0, :, 0], nan=np.inf)
    assert np.max(steps[sign > 0]) < np.min(steps[sign < 0])


def test_picture():
    table = computed(EXPERIMENT, levels=1, steps=100, trials=2)
    whole, early = drawn(EXPERIMENT, table).axes
    assert len(whole.lines) == len(early.lines) == 14
    np.testing.assert_array_equal(whole.lines[2].get_ydata(), table.values("loss")[1, 0])
    assert np.max(early.lines[0].get_xdata()) == 5
    legend = early.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(table.coordinates["network"])
    styles = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in whole.lines}
    positive, negative = (styles[f"balanced, λ = {lam}"] for lam in (10, -10))
    assert positive[0] == negative[0]
    assert positive[1] != negative[1]
    assert len({colour for colour, _ in styles.values()}) >= 5


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    for number, name in enumerate(table.coordinates["network"]):
        assert standard_errors_apart(table.values("steps")[number, :, 0], *PUBLISHED[name], 10) < 3, name
