"""Exact over simulated dynamics against Euler steps and an integration of their own, and the kernel's definition."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart
from support.oracle import integrate

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.tasks import regression
from lindyn_service.experiments.figure_3_3 import EXPERIMENT, recorded_steps

QUANTITIES = ["loss", "output", "input_representation", "output_representation", "ntk"]
SMALL = {"size": 2, "samples": 6, "lambdas": [-3.0, 0.5], "learning_rate": 5e-3, "steps": 60, "trials": 2, "seed": 7}
# means and deviations over 5 trials of the largest deviations, in the order of the quantities
PUBLISHED = {
    -50.0: [(0.0254, 0.0111), (0.00665, 0.00170), (0.00239, 0.00140), (0.000637, 0.000252), (0.0120, 0.0058)],
    0.01: [(0.00476, 0.00321), (0.00102, 0.000463), (0.00118, 0.000668), (0.000942, 0.000370), (0.00948, 0.00425)],
    50.0: [(0.0254, 0.0111), (0.00665, 0.00170), (0.000797, 0.000445), (0.00187, 0.000713), (0.0143, 0.0070)],
}
MOVEMENT = {-50.0: (0.00935, 0.00373), 0.01: (0.8860, 0.0450), 50.0: (0.00935, 0.00373)}


def kernel(w1, w2, inputs):
    """Products of the derivatives of all outputs by all weights; rows are outputs by samples."""
    rows = []
    for o in range(len(w2)):
        for x in inputs:
            by_w2 = np.zeros_like(w2)
            by_w2[o] = w1 @ x
            rows.append(np.concatenate([np.outer(w2[o], x).ravel(), by_w2.ravel()]))
    return np.array(rows) @ np.array(rows).T


def observed(layers, samples):
    """Evaluate all quantities along a run."""
    inputs, targets = samples.inputs, samples.targets
    return {
        "loss": [np.sum((inputs @ (w2 @ w1).T - targets) ** 2) / (2 * len(inputs)) for w1, w2 in layers],
        "output": [w2 @ w1 for w1, w2 in layers],
        "input_representation": [w1.T @ w1 for w1, _ in layers],
        "output_representation": [w2 @ w2.T for _, w2 in layers],
        "ntk": [kernel(w1, w2, inputs) for w1, w2 in layers],
    }


def descended(w1, w2, samples, eta, steps):
    """Gradient descent on the samples, step by step."""
    layers = [(w1, w2)]
    for _ in range(steps):
        error = (samples.inputs @ (w2 @ w1).T - samples.targets).T @ samples.inputs / len(samples.inputs)
        w1, w2 = w1 - eta * w2.T @ error, w2 - eta * error @ w1.T
        layers.append((w1, w2))
    return layers


@pytest.fixture(scope="module")
def table():
    return computed(EXPERIMENT, **SMALL)


@pytest.mark.parametrize("i", [0, 1])
def test_quantities_and_deviations(table, i):
    steps, eta, lam, size = recorded_steps(SMALL), SMALL["learning_rate"], SMALL["lambdas"][i], SMALL["size"]
    deviations = []
    for trial in range(SMALL["trials"]):
        task = regression(size, size, SMALL["samples"], np.random.default_rng([SMALL["seed"], trial, 0]))
        w1, w2 = balanced_weights((size,) * 3, lam, 1.0, np.random.default_rng([SMALL["seed"], trial, 1]))
        simulated = descended(w1, w2, task.samples, eta, steps[-1])
        exact = observed(integrate(w1, w2, task.sigma_yx, eta * steps), task.samples)
        simulated = observed([simulated[step] for step in steps], task.samples)
        gaps = [np.max(np.abs(np.array(exact[name]) - np.array(simulated[name]))) for name in QUANTITIES]
        deviations.append(gaps)
        moved = np.linalg.norm(exact["ntk"][-1] - exact["ntk"][0]) / np.linalg.norm(exact["ntk"][0])
        assert table.values("ntk_movement")[trial, i] == pytest.approx(moved, rel=1e-9)
        if trial == 0:
            rows = slice(None, None, SMALL["samples"])  # the first sample
            for way, curves in (("exact", exact), ("simulated", simulated)):
                curves["ntk"] = [k[rows, rows] for k in curves["ntk"]]
                for name in QUANTITIES:
                    shown = table.values(f"{way}_{name}")[i]
                    np.testing.assert_allclose(shown, curves[name], rtol=0, atol=1e-9, err_msg=f"{way} {name}")
    np.testing.assert_allclose(table.values("deviation")[:, i], deviations, rtol=0, atol=1e-9)


def test_deviations_are_of_the_order_of_the_learning_rate():
    """Also those of the kernel, which would be 0 between the simulation and itself."""
    small = SMALL | {"steps": 200, "learning_rate": 1e-3}
    coarse = computed(EXPERIMENT, **small)
    fine = computed(EXPERIMENT, **small | {"steps": 400, "learning_rate": 5e-4})
    np.testing.assert_allclose(coarse.values("deviation") / fine.values("deviation"), 2, rtol=0.05)


def test_trials_do_not_depend_on_how_they_are_split():
    lambdas = [0.5] * 6
    few, many = (computed(EXPERIMENT, **SMALL | {"lambdas": lambdas, "trials": trials}) for trials in (2, 11))
    assert len(EXPERIMENT.cells(SMALL | {"lambdas": lambdas, "trials": 11})) == 2
    np.testing.assert_allclose(many.values("deviation")[:2], few.values("deviation"), rtol=1e-6)
    assert len(np.unique(many.values("ntk_movement")[:, 0])) == 11


def test_balances_of_a_trial_start_from_one_function(table):
    first, second = table.values("simulated_output")[:, 0]
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-12)


def test_recorded_steps():
    steps = recorded_steps({"steps": 50_000})
    assert list(steps[:4]) == [0, 1, 2, 3]
    assert steps[-1] == 50_000
    assert np.max(np.diff(np.log(steps[200:]))) < 0.03


def test_picture(table):
    figure = drawn(EXPERIMENT, table)
    assert len(figure.axes) == 10
    panel = figure.axes[9]  # the kernel of the second balance
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), table.values("simulated_ntk")[1, 1:, 0, 0])
    np.testing.assert_array_equal(panel.lines[-1].get_ydata(), table.values("exact_ntk")[1, 1:, 1, 1])
    assert "λ = 0.5" in panel.get_title()


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    for i, lam in enumerate(table.coordinates["lambda"]):
        for q, name in enumerate(QUANTITIES):
            values = table.values("deviation")[:, i, q]
            assert standard_errors_apart(values, *PUBLISHED[lam][q], 5) < 3, (lam, name)
        assert standard_errors_apart(table.values("ntk_movement")[:, i], *MOVEMENT[lam], 5) < 3, lam
