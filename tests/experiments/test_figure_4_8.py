"""Balances of trained networks against steps by hand and what the gradient flow conserves."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart

from lindyn_service.experiments import figure_4_8
from lindyn_service.experiments.figure_4_8 import ACTIVATIONS, EXPERIMENT, sizes

SMALL = {"lambdas": [-2.0, 0.5], "smallest_size": 2, "largest_size": 3, "steps": 40, "learning_rate": 0.01, "trials": 9}
# after each task, lambda* and the distance: means and deviations over 40 trials
PUBLISHED = {
    ("relu", 10.0, "lambda_star"): [(9.98947, 0.00393518), (9.98843, 0.00395178)],
    ("relu", 10.0, "distance"): [(18.2558, 5.77663), (22.0719, 6.45886)],
    ("relu", 0.1, "lambda_star"): [(0.101044, 0.0018884), (0.100837, 0.00183526)],
    ("relu", 0.1, "distance"): [(12.8943, 6.69542), (14.3581, 6.61946)],
    ("relu", -10.0, "lambda_star"): [(-9.9852, 0.00921964), (-9.98454, 0.00927546)],
    ("relu", -10.0, "distance"): [(19.4207, 8.52752), (22.906, 8.79585)],
    ("tanh", 10.0, "lambda_star"): [(-0.225547, 4.49226), (-0.784302, 4.69976)],
    ("tanh", 10.0, "distance"): [(38.5445, 18.9543), (39.6458, 18.5938)],
    ("tanh", 0.1, "lambda_star"): [(-6.3163, 3.48578), (-6.53805, 3.5469)],
    ("tanh", 0.1, "distance"): [(27.1657, 16.722), (30.3947, 17.2896)],
    ("tanh", -10.0, "lambda_star"): [(-15.0326, 2.95439), (-15.2835, 3.02099)],
    ("tanh", -10.0, "distance"): [(25.3007, 12.8207), (30.1113, 13.1936)],
    ("linear", 10.0, "distance"): [(0.137293, 0.0782141), (0.137275, 0.078207)],
    ("linear", -10.0, "distance"): [(0.124634, 0.0755469), (0.124705, 0.0755225)],
}


def trained(w1, w2, inputs, targets, activation, learning_rate, steps):
    """Back-propagation of one network, summed sample by sample."""
    act, slope = {
        "linear": (lambda z: z, np.ones_like),
        "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
        "tanh": (np.tanh, lambda z: np.cosh(z) ** -2),
    }[activation]
    for _ in range(steps):
        g1, g2 = np.zeros_like(w1), np.zeros_like(w2)
        for x, y in zip(inputs, targets, strict=True):
            z = w1 @ x
            error = (w2 @ act(z) - y) / len(inputs)
            g2 += np.outer(error, act(z))
            g1 += np.outer((w2.T @ error) * slope(z), x)
        w1, w2 = w1 - learning_rate * g1, w2 - learning_rate * g2
    return w1, w2


def nearest(w1, w2):
    b = w2.T @ w2 - w1 @ w1.T
    lam = np.mean(np.diag(b))
    return lam, np.sqrt(np.sum((b - lam * np.eye(len(b))) ** 2))


def test_all_trials_by_hand(monkeypatch):
    """Networks and samples as the experiment draws them, each trained separately."""
    drawn_weights, drawn_tasks = [], []

    def kept(function, record):
        def wrapped(*args):
            record.append(function(*args))
            return record[-1]

        return wrapped

    monkeypatch.setattr(figure_4_8, "_draw_weights", kept(figure_4_8._draw_weights, drawn_weights))
    monkeypatch.setattr(figure_4_8, "_draw_task", kept(figure_4_8._draw_task, drawn_tasks))
    values = EXPERIMENT.defaults() | SMALL | {"trials": 3}
    cells = EXPERIMENT.cells(values)
    for cell in cells:
        drawn_weights.clear()
        drawn_tasks.clear()
        found = EXPERIMENT.run(values, cell)
        (layers,), count = drawn_weights, len(cell["trials"])
        assert layers[0].shape == (count, 2, cell["size"], cell["size"])
        for trial in range(count):
            for place, lam in enumerate(values["lambdas"]):
                w1, w2 = (layer[trial, place] for layer in layers)
                np.testing.assert_allclose(w2.T @ w2 - w1 @ w1.T, lam * np.eye(len(w1)), atol=1e-13)
                for task in range(3):
                    if task:
                        data = drawn_tasks[(task - 1) * count + trial].samples
                        w1, w2 = trained(w1, w2, data.inputs, data.targets, cell["activation"], 0.01, 40)
                    expected = nearest(w1, w2)
                    got = found["lambda_star"][trial, place, task], found["distance"][trial, place, task]
                    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_tasks_are_centred_and_white():
    task = figure_4_8._draw_task(5, np.random.default_rng(0))
    inputs = task.samples.inputs
    assert inputs.shape == task.samples.targets.shape == (10, 5)
    np.testing.assert_allclose(np.mean(inputs, axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(inputs.T @ inputs / 10, np.eye(5), atol=1e-13)


def test_cells_hold_each_trial_once():
    values = EXPERIMENT.defaults() | {"trials": 60}
    drawn_sizes = sizes(values)
    assert set(drawn_sizes) <= set(range(3, 20))
    cells = EXPERIMENT.cells(values)
    for activation in ACTIVATIONS:
        mine = [cell for cell in cells if cell["activation"] == activation]
        assert sorted(trial for cell in mine for trial in cell["trials"]) == list(range(60))
        assert all(drawn_sizes[trial] == cell["size"] for cell in mine for trial in cell["trials"])
    assert max(len(cell["trials"]) for cell in cells) <= 4


def test_sizes_cover_both_bounds_in_any_order():
    for bounds in ((2, 4), (4, 2)):
        values = {"smallest_size": bounds[0], "largest_size": bounds[1], "trials": 100, "seed": 0}
        assert set(sizes(values)) == {2, 3, 4}


def test_each_trial_is_in_its_place():
    """More trials do not change the first ones."""
    few, many = (computed(EXPERIMENT, **SMALL | {"trials": trials}) for trials in (6, 9))
    np.testing.assert_array_equal(few.values("size"), many.values("size")[:6])
    for name in ("lambda_star", "distance"):
        np.testing.assert_allclose(few.values(name), many.values(name)[..., :6], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(many.values(f"{name}_mean"), np.mean(many.values(name), axis=-1), rtol=1e-14)


def test_what_is_conserved():
    """Linear networks conserve B, ReLU networks its trace, up to the learning rate; tanh networks neither."""
    common = SMALL | {"trials": 4, "tasks": 1}
    coarse, fine = (
        computed(EXPERIMENT, **common | {"learning_rate": eta, "steps": round(1 / eta)}) for eta in (4e-3, 2e-3)
    )
    start = np.array(SMALL["lambdas"])[:, None]
    for name, activations in (("lambda_star", ["linear", "relu"]), ("distance", ["linear"])):
        for activation in activations:
            at = ACTIVATIONS.index(activation)
            drifts = [
                found.values(name)[at, :, 1] - (start if name == "lambda_star" else 0) for found in (coarse, fine)
            ]
            assert np.linalg.norm(drifts[0]) / np.linalg.norm(drifts[1]) == pytest.approx(2, rel=0.15)
    np.testing.assert_allclose(coarse.values("distance")[:, :, 0], 0, atol=1e-12)
    relu, tanh = (fine.values("distance")[ACTIVATIONS.index(name), :, 1] for name in ("relu", "tanh"))
    assert np.min(relu) > 0.02
    assert np.min(tanh) > 0.02
    moved = fine.values("lambda_star")[ACTIVATIONS.index("tanh"), :, 1] - start
    assert np.all(np.abs(moved) > 0.02)


def test_picture():
    table = computed(EXPERIMENT, **SMALL | {"trials": 2})
    panels = drawn(EXPERIMENT, table).axes
    assert len(panels) == 4
    for column in range(2):
        for panel, name in ((panels[column], "lambda_star"), (panels[2 + column], "distance")):
            for number, bars in enumerate(panel.containers):
                np.testing.assert_array_equal(bars.lines[0].get_ydata(), table.values(f"{name}_mean")[number, column])
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == list(ACTIVATIONS)


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    for (activation, lam, name), published in PUBLISHED.items():
        row = table.values(name)[ACTIVATIONS.index(activation), list(table.coordinates["lambda"]).index(lam)]
        for learned, values in enumerate(published, start=1):
            assert standard_errors_apart(row[learned], *values, 40) < 3, (activation, lam, name, learned)
