"""Losses on other data along a run, and when it is best to stop, against losses sample by sample."""

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.analyses import learn
from support.descent import loss_of
from support.full_flow import orthogonal
from support.oracle import integrate
from support.rules import broken
from support.training import trained

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.errors import NotApplicableError
from lindyn_service.translate.sweep import compute_points

TIMES = [0.0, 0.2, 0.7, 1.5, 4.0]
DESCENT = {"kind": "descent", "learning_rate": 0.01}


def teacher(rng, n_in=4, n_out=3, samples=9, noise=0.8):
    """Coloured inputs, few enough samples and enough noise that learning all of them is too much."""
    w, spread = rng.standard_normal((n_out, n_in)), np.linspace(0.4, 1.6, n_in)
    sets = []
    for count in (samples, 40):
        x = rng.standard_normal((count, n_in)) * spread
        sets.append((x, x @ w.T + noise * rng.standard_normal((count, n_out))))
    return sets


def data(x, y, whiten=False):
    return {"kind": "data", "inputs": x.tolist(), "targets": y.tolist(), "whiten": whiten}


def seen_by(x):
    """What whitening multiplies inputs by, by the eigenvectors of their second moment."""
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return (vectors / np.sqrt(values)) @ vectors.T


def sample_by_sample(functions, x, y):
    return np.array(
        [sum(np.sum((w @ a - b) ** 2) for a, b in zip(x, y, strict=True)) / (2 * len(x)) for w in functions]
    )


def network(kind, rng):
    match kind:
        case "exact":
            return {"kind": "balanced", "dims": [4, 3, 3], "lambda": 0.5, "scale": 0.3, "seed": 2}
        case "wide":
            return {"kind": "wide", "dims": [4, 50, 3], "scheme": "lecun", "start": "drawn", "seed": 3}
        case "one layer":
            return {"kind": "random", "dims": [4, 3], "scheme": "lecun", "seed": 3}
        case "deep":
            return {"kind": "random", "dims": [4, 5, 4, 3], "scheme": "lecun", "seed": 3}
        case _:
            return {"kind": "weights", "weights": [(0.4 * rng.standard_normal(s)).tolist() for s in ((5, 4), (3, 5))]}


@pytest.mark.parametrize(
    ("kind", "whiten", "changes"),
    [
        ("exact", True, {}),
        ("wide", True, {}),
        ("one layer", False, {"weight_decay": 0.1}),
        ("deep", False, {"method": "flow"}),
        ("given", True, {"schedule": {"kind": "cosine", "period": 3.0}, "learning_rates": [0.5, 2.0]}),
        ("given", False, {"method": DESCENT}),
        ("deep", True, {"method": DESCENT, "time_constant": 2.0}),
    ],
)
def test_losses_are_those_of_the_samples(kind, whiten, changes):
    """The inputs of the held-out samples are whitened as those of the training data are."""
    rng = np.random.default_rng(5)
    (x, y), (x_other, y_other) = teacher(rng)
    asked = {"network": network(kind, rng), "task": data(x, y, whiten), "times": TIMES, "quantities": ["output"]}
    answer = learn(**asked, **changes, evaluate=[data(x_other, y_other), data(x, y)])
    functions = np.array(answer["quantities"]["output"])
    see = seen_by(x) if whiten else np.eye(4)
    expected = [sample_by_sample(functions, x_other @ see, y_other), sample_by_sample(functions, x @ see, y)]
    np.testing.assert_allclose(answer["evaluation"]["loss"], expected, rtol=1e-12)
    assert answer["evaluation"]["seeds"] == [None, None]
    for best, losses in zip(answer["evaluation"]["best"], expected, strict=True):
        assert best["loss"] <= np.min(losses) * (1 + 1e-12)
        assert 0 <= best["time"] <= 4.0


def test_modes_that_learn_alone():
    rng = np.random.default_rng(6)
    u, v = orthogonal(3, rng), orthogonal(4, rng)
    task = {"kind": "correlation", "sigma_yx": (u @ np.diag([3.0, 2.0, 0.5]) @ v[:, :3].T).tolist()}
    task["sigma_xx"] = (v @ np.diag([2.0, 1.0, 0.5, 0.2]) @ v.T).tolist()
    layers = [np.diag([0.3, 0.2, 0.1]) @ v[:, :3].T, u @ np.diag([0.1, 0.4, 0.2])]
    _, (x, y) = teacher(rng)
    answer = learn(
        network={"kind": "weights", "weights": [w.tolist() for w in layers]},
        task=task,
        times=TIMES,
        quantities=["output"],
        evaluate=[data(x, y)],
    )
    assert answer["method"] == "exact"
    assert "each mode learns alone" in answer["reason"]
    expected = sample_by_sample(np.array(answer["quantities"]["output"]), x, y)
    np.testing.assert_allclose(answer["evaluation"]["loss"][0], expected, rtol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_nonlinear_networks(activation):
    """The held-out loss after every step is that of the network itself, in all dimensions of the inputs."""
    rng = np.random.default_rng(7)
    (x, y), (x_other, y_other) = teacher(rng, samples=3)
    times = (0.05 * np.arange(0, 61, 10)).tolist()
    answer = learn(
        network={"kind": "random", "dims": [4, 6, 3], "scheme": "he", "seed": 1},
        task=data(x, y),
        times=times,
        quantities=["weights"],
        method={"kind": "descent", "learning_rate": 0.05, "activation": activation},
        evaluate=[data(x_other, y_other)],
    )
    weights = [np.array(w) for w in answer["quantities"]["weights"]]
    expected = [loss_of([w[i] for w in weights], x_other, y_other, activation) for i in range(len(times))]
    np.testing.assert_allclose(answer["evaluation"]["loss"][0], expected, rtol=1e-12)


def test_the_best_step_of_descent():
    rng = np.random.default_rng(8)
    (x, y), (x_other, y_other) = teacher(rng, samples=5, noise=1.6)
    every = (0.01 * np.arange(801)).tolist()
    asked = {"network": network("exact", rng), "task": data(x, y), "method": DESCENT}
    asked["evaluate"] = [data(x_other, y_other)]
    few, all_steps = (learn(**asked, times=times) for times in ([0.0, 8.0], every))
    losses = np.array(all_steps["evaluation"]["loss"][0])
    (best,) = few["evaluation"]["best"]
    assert best == all_steps["evaluation"]["best"][0]
    assert best["loss"] == np.min(losses)
    assert best["time"] == pytest.approx(every[int(np.argmin(losses))])
    assert 0 < best["time"] < 7.9


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-1.0, 1.0), st.floats(0.3, 10.0), st.floats(0.0, 1.0))
def test_the_best_time_is_the_global_minimum(seed, noise, end, lam):
    """Against the flow of the weights on a fine grid."""
    rng = np.random.default_rng(seed)
    (x, y), (x_other, y_other) = teacher(rng, samples=6, noise=10.0**noise)
    see, network = seen_by(x), {"kind": "balanced", "dims": [4, 3, 3], "lambda": lam, "scale": 0.3, "seed": 1}
    asked = {"network": network, "task": data(x, y, whiten=True)}
    answer = learn(**asked, times=[0.0, end], quantities=["weights"], evaluate=[data(x_other, y_other)])
    w1, w2 = (np.array(w)[0] for w in answer["quantities"]["weights"])
    grid = np.union1d(np.linspace(0, end, 300), np.geomspace(1e-3 * end, end, 100))
    path = integrate(w1, w2, y.T @ x @ see / len(x), grid)
    losses = sample_by_sample([v2 @ v1 for v1, v2 in path], x_other @ see, y_other)
    (best,) = answer["evaluation"]["best"]
    assert best["loss"] <= np.min(losses) * (1 + 1e-9)
    nearest = int(np.argmin(np.abs(grid - best["time"])))
    near = losses[max(0, nearest - 1) : nearest + 2]
    assert np.min(near) * (1 - 1e-2) <= best["loss"] <= np.max(near) * (1 + 1e-9)


def test_a_schedule_that_pauses():
    """The best time is of the solution in its own clock: it lies beyond the pause of a schedule."""
    rng = np.random.default_rng(9)
    (x, y), (x_other, y_other) = teacher(rng, samples=5, noise=2.0)
    schedule = {"kind": "piecewise", "times": [0.2, 5.0], "factors": [1.0, 0.0, 1.0]}
    asked = {"network": network("exact", rng), "task": data(x, y, whiten=True), "evaluate": [data(x_other, y_other)]}
    moved = learn(**asked, times=[0.0, 20.0], schedule=schedule)
    plain = learn(**asked, times=[0.0, 15.2])
    (late,), (early,) = moved["evaluation"]["best"], plain["evaluation"]["best"]
    assert 0.2 < early["time"] < 15.2
    assert late["time"] == pytest.approx(early["time"] + 4.8, rel=1e-9)
    assert late["loss"] == pytest.approx(early["loss"], rel=1e-12)


def test_weight_decay_is_not_in_the_loss():
    rng = np.random.default_rng(10)
    (x, y), (x_other, y_other) = teacher(rng)
    layers = [0.3 * rng.standard_normal((5, 4)), 0.3 * rng.standard_normal((3, 5))]
    answer = learn(
        network={"kind": "weights", "weights": [w.tolist() for w in layers]},
        task=data(x, y),
        times=TIMES,
        weight_decay=0.3,
        evaluate=[data(x_other, y_other)],
    )
    w1, w2 = trained(layers, y.T @ x / len(x), x.T @ x / len(x), TIMES, decay=0.3)
    np.testing.assert_allclose(answer["evaluation"]["loss"][0], sample_by_sample(w2 @ w1, x_other, y_other), rtol=1e-9)


def test_moments_in_the_units_of_the_training_data():
    """A population of white inputs: its second moments are whitened by the same matrix."""
    rng = np.random.default_rng(11)
    (x, y), _ = teacher(rng)
    w = rng.standard_normal((3, 4))
    population = {"kind": "correlation", "sigma_yx": w.tolist(), "sigma_yy_trace": float(np.sum(w * w)) + 2.0}
    answer = learn(
        network=network("exact", rng), task=data(x, y, whiten=True), times=TIMES, quantities=["output"],
        evaluate=[population, w.tolist()],
    )  # fmt: skip
    functions = np.array(answer["quantities"]["output"]) @ seen_by(x)
    excess = 0.5 * np.sum((functions - w) ** 2, axis=(1, 2))
    np.testing.assert_allclose(answer["evaluation"]["loss"], [excess + 1.0, excess], rtol=1e-12)
    (warned,) = [each for each in answer["warnings"] if each["code"] == "irreducible-loss-unknown"]
    assert warned["detail"].startswith("evaluate.1: ")


def test_tasks_with_seeds_of_their_own():
    asked = {"network": {"kind": "balanced", "dims": [4, 4, 4], "lambda": 0.0, "seed": 1}, "task": np.eye(4).tolist()}
    spectrum = {"kind": "spectrum", "singular_values": [1.0], "seed": 5}
    evaluate = [{"kind": "semantic", "levels": 2}, spectrum, {"kind": "regression", "samples": 7, "seed": 6}]
    answer = learn(**asked, times=TIMES, evaluate=evaluate)
    assert answer["evaluation"]["seeds"] == [None, 5, 6]
    assert np.array(answer["evaluation"]["loss"]).shape == (3, len(TIMES))


def test_inputs_that_do_not_span_the_space():
    rng = np.random.default_rng(12)
    (x, y), (x_other, y_other) = teacher(rng, samples=2)
    answer = learn(
        network={"kind": "random", "dims": [4, 6, 3], "scheme": "lecun", "seed": 1},
        task=data(x, y),
        times=TIMES,
        quantities=["output"],
        evaluate=[data(x_other[:2], y_other[:2])],
    )
    expected = sample_by_sample(np.array(answer["quantities"]["output"]), x_other[:2], y_other[:2])
    np.testing.assert_allclose(answer["evaluation"]["loss"][0], expected, rtol=1e-12)


def test_losses_beyond_float64():
    """Of the weights at time 0, whose own loss is finite."""
    huge = {"kind": "data", "inputs": [[1e70]], "targets": [[1.0]], "whiten": False}
    with pytest.raises(NotApplicableError, match="losses of evaluate overflow"):
        learn(
            network={"kind": "weights", "weights": [[[1e60]], [[1e60]]]},
            task=[[1.0]],
            times=[0.0],
            quantities=["weight_norms"],
            method=DESCENT,
            evaluate=[huge],
        )


def test_nothing_asked_for_changes_nothing():
    assert learn(evaluate=None) == learn()
    assert "evaluation" not in learn()


def bad(**changes):
    whole = {"network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.0, "seed": 1}, "task": [[1, 0], [0, 1]]}
    return broken(TrajectoryRequest, {**whole, "times": [1.0], **changes}, conflicts)


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"evaluate": []}, "evaluate", "got 0 entries, expected at least 1"),
        ({"evaluate": [[[1.0, 2.0]]]}, "evaluate.0.sigma_yx", "widths require (2, 2)"),
        ({"evaluate": [{"kind": "data", "inputs": [[1, 2, 3]], "targets": [[1, 2]], "whiten": False}]},
         "evaluate.0.inputs", "input width is 2"),
        ({"evaluate": [{"kind": "data", "inputs": [[1, 2]], "targets": [[1, 2]], "whiten": True}]},
         "evaluate.0.whiten", "use false"),
        ({"evaluate": [{"kind": "data", "inputs": [[1, float("nan")]], "targets": [[1, 2]], "whiten": True}]},
         "evaluate.0.inputs", "expected finite numbers"),
        ({"evaluate": [[[1, 0], [0, 1]]], "method": {"kind": "descent", "learning_rate": 1, "activation": "relu"},
          "task": {"kind": "semantic", "levels": 1}}, "evaluate.0.kind", "needs samples"),
        ({"evaluate": {"kind": "semantic", "levels": 1}}, "evaluate", "expected a list"),
    ],
)  # fmt: skip
def test_bad_input(changes, path, words):
    found = bad(**changes)
    assert list(found) == [path]
    assert words in found[path]


def test_an_ensemble_keeps_none():
    base = {"network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.0}, "task": [[1, 0], [0, 1]], "times": [1.0]}
    from lindyn.wire.conflicts import conflicts_of_ensemble

    found = broken(
        EnsembleRequest, {"base": {**base, "evaluate": [[[1, 0], [0, 1]]]}, "replicates": 2}, conflicts_of_ensemble
    )
    assert list(found) == ["base.evaluate"]
    assert "only trajectories answer with" in found["base.evaluate"]


def test_a_sweep_keeps_none():
    base = {"network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.0, "seed": 1}, "task": [[1, 0], [0, 1]]}
    sweep = {
        "base": {**base, "times": [1.0], "evaluate": [[[1, 0], [0, 1]]]},
        "axes": [{"path": "time_constant", "values": [1.0]}],
    }
    (record,) = compute_points(read(SweepRequest, sweep), [(0,)])
    assert "only trajectories answer with" in orjson.loads(record)["problem"]["detail"]
