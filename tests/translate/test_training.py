"""Learning rates, schedules and weight decay, as computed by a worker, against the flow of all weights."""

from itertools import pairwise

import numpy as np
import pytest
from support.analyses import learn
from support.records import as_json
from support.training import descended, factor, losses, trained

from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.errors import NotBalancedError
from lindyn_service.translate.sweep import compute_points, indices

TIMES = [0.0, 0.3, 1.0, 2.5, 4.0]
SCHEDULES = {
    "none": None,
    "cosine": {"kind": "cosine", "period": 3.0, "floor": 0.2},
    "cosine to zero": {"kind": "cosine", "period": 2.0},
    "exponential": {"kind": "exponential", "half_life": 1.5},
    "piecewise": {"kind": "piecewise", "times": [0.5, 2.0], "factors": [0.5, 0.0, 2.0]},
}


def request(weights, sigma_yx, sigma_xx=None, *, times=TIMES, **changes):
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist()}
    if sigma_xx is not None:
        task["sigma_xx"] = sigma_xx.tolist()
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    names = ["weights", "output", "excess_loss", "loss_rate", "input_representation", "output_representation"]
    return {"network": network, "task": task, "times": list(times), "quantities": names} | changes


def check(answer, layers, sigma_yx, sigma_xx, tolerance):
    """Compare weights and quantities that follow from them, relative to the sizes of the largest entries."""
    found = {name: np.array(values) for name, values in answer["quantities"].items() if name != "weights"}
    for got, right in zip(map(np.array, answer["quantities"]["weights"]), layers, strict=True):
        assert np.max(np.abs(got - right)) <= tolerance * np.max(np.abs(right))
    function = layers[0]
    for w in layers[1:]:
        function = w @ function
    assert np.max(np.abs(found["output"] - function)) <= tolerance * np.max(np.abs(function))
    first, last = layers[0].transpose(0, 2, 1) @ layers[0], layers[-1] @ layers[-1].transpose(0, 2, 1)
    for name, right in (("input_representation", first), ("output_representation", last)):
        assert np.max(np.abs(found[name] - right)) <= tolerance * np.max(np.abs(right))
    excess = losses(layers, sigma_yx, sigma_xx)
    assert np.max(np.abs(found["excess_loss"] - excess)) <= 2 * tolerance * np.max(excess)


def rates_of_loss(layers, sigma_yx, sigma_xx, rates, decay):
    """Minus the inner product of the gradients with the velocities, without the factor of a schedule."""
    total = np.zeros(len(layers[0]))
    for t in range(len(total)):
        below = [np.eye(layers[0].shape[2])]
        for w in layers:
            below.append(w[t] @ below[-1])
        error = below[-1] @ sigma_xx - sigma_yx
        for i in range(len(layers))[::-1]:
            gradient = error @ below[i].T
            total[t] -= rates[i] * np.sum(gradient * (gradient + decay * layers[i][t]))
            error = layers[i][t].T @ error
    return total


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rates", [None, [0.4, 2.5], [3.0, 0.7]])
def test_weights_that_are_balanced_in_the_plain_flow_are_exact(rates, schedule):
    rng = np.random.default_rng(len(schedule))
    dims, tau = (4, 3, 3), 1.7
    plain = balanced_weights(dims, 0.8, 0.6, rng)
    weights = [w * np.sqrt(c) for w, c in zip(plain, rates or (1.0, 1.0), strict=True)]
    task = rng.standard_normal((dims[2], dims[0]))
    asked = request(weights, task, time_constant=tau, learning_rates=rates, schedule=SCHEDULES[schedule])
    found = learn(**asked, method="exact")
    assert found["method"] == "exact"
    truth = trained(weights, task, np.eye(4), TIMES, tau=tau, rates=rates, schedule=SCHEDULES[schedule])
    check(found, truth, task, np.eye(4), 2e-12)
    slopes = rates_of_loss(truth, task, np.eye(4), rates or (1.0, 1.0), 0.0)
    assert np.allclose(found["quantities"]["loss_rate"], slopes * factors(schedule) / tau, rtol=1e-9, atol=1e-11)


def factors(name):
    return np.array([factor(SCHEDULES[name], t) for t in TIMES])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("dims", [(3, 5, 2), (2, 3, 3, 2)])
def test_flow_with_rates_is_that_of_the_definition(dims, decay, schedule):
    rng = np.random.default_rng(sum(dims))
    weights = [rng.standard_normal((b, a)) / 2 for a, b in pairwise(dims)]
    task, root = rng.standard_normal((dims[-1], dims[0])), rng.standard_normal((dims[0], dims[0]))
    inputs, rates = root @ root.T / 2, rng.uniform(0.3, 3.0, len(weights)).tolist()
    how = {"schedule": SCHEDULES[schedule]}
    found = learn(
        **request(weights, task, inputs, time_constant=1.3, learning_rates=rates, weight_decay=decay, **how),
        method="flow",
    )
    truth = trained(weights, task, inputs, TIMES, tau=1.3, rates=rates, decay=decay, **how)
    check(found, truth, task, inputs, 1e-11)
    slopes = rates_of_loss(truth, task, inputs, rates, decay) * factors(schedule) / 1.3
    assert np.allclose(found["quantities"]["loss_rate"], slopes, rtol=1e-8, atol=1e-9 * np.max(np.abs(slopes)))
    assert np.allclose(found["quantities"]["excess_loss"], losses(truth, task, inputs), rtol=1e-9, atol=0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("dims", [(3, 5, 2), (2, 3, 3, 2)])
def test_descent_with_rates_is_that_of_the_definition(dims, schedule):
    rng = np.random.default_rng(sum(dims))
    weights = [rng.standard_normal((b, a)) / 2 for a, b in pairwise(dims)]
    task, root = rng.standard_normal((dims[-1], dims[0])), rng.standard_normal((dims[0], dims[0]))
    inputs, rates = root @ root.T / 2, rng.uniform(0.3, 3.0, len(weights)).tolist()
    method, steps = {"kind": "descent", "learning_rate": 0.02}, [0, 15, 50, 125, 200]
    how = {"schedule": SCHEDULES[schedule]}
    found = learn(
        **request(weights, task, inputs, time_constant=1.3, learning_rates=rates, weight_decay=0.1, **how),
        method=method,
    )
    truth = descended(weights, task, inputs, steps, 0.02, tau=1.3, rates=rates, decay=0.1, **how)
    check(found, truth, task, inputs, 1e-12)
    slopes = rates_of_loss(truth, task, inputs, rates, 0.1) * factors(schedule) / 1.3
    assert np.allclose(found["quantities"]["loss_rate"], slopes, rtol=1e-10, atol=1e-12)


def points_of(base, axes, collect):
    axes = [{"path": path, "values": values} for path, values in axes.items()]
    sweep = read(SweepRequest, {"base": base, "axes": axes, "collect": collect})
    return list(map(as_json, compute_points(sweep, indices(sweep))))


@pytest.mark.parametrize("method", ["auto", "flow", {"kind": "descent", "learning_rate": 0.05}])
def test_points_of_a_sweep_are_the_answers_to_single_requests(method):
    """Also if a sweep computes points together, over seeds and lambda of balanced networks."""
    network = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "scale": 0.4, "seed": 1}
    base = {"network": network, "task": (np.eye(3) * [2.0, 1.0, 0.5]).tolist(), "times": [0.0, 1.0, 3.0]}
    base |= {"method": method, "weight_decay": 0.1, "learning_rates": [1.0, 1.0], "schedule": SCHEDULES["cosine"]}
    axes = {
        "weight_decay": [0.0, 0.2],
        "learning_rates": [[1.0, 1.0], [2.0, 2.0], [0.5, 3.0]],
        "network.seed": [1, 2],
        "network.lambda": [0.5, 1.0],
    }
    found = points_of(base, axes, ["loss", "final_loss"])
    places = [(d, r, s, x) for d in range(2) for r in range(3) for s in range(2) for x in range(2)]
    assert len(found) == len(places)
    for (d, r, s, x), point in list(zip(places, found, strict=True))[::3]:
        own = {"seed": axes["network.seed"][s], "lambda": axes["network.lambda"][x]}
        alone = base | {"network": network | own, "weight_decay": axes["weight_decay"][d]}
        alone = learn(**alone | {"learning_rates": axes["learning_rates"][r], "quantities": ["loss"]})
        assert np.allclose(point["values"]["loss"], alone["quantities"]["loss"], rtol=1e-12, atol=0)
        assert np.isclose(point["values"]["final_loss"], alone["quantities"]["loss"][-1], rtol=1e-12, atol=0)


def test_axes_into_schedules_and_rates():
    base = {"network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "seed": 1}, "task": np.eye(2).tolist()}
    base |= {"times": [0.0, 1.0], "schedule": SCHEDULES["exponential"], "learning_rates": [1.0, 1.0]}
    axes = {"schedule.half_life": [0.5, -1.0], "learning_rates.0": [1.0, 3.0]}
    found = points_of(base, axes, ["final_loss"])
    for half_life, rate, point in ((0.5, 1.0, found[0]), (0.5, 3.0, found[1])):
        own = {"schedule": {"kind": "exponential", "half_life": half_life}, "learning_rates": [rate, 1.0]}
        alone = learn(**base | own | {"quantities": ["loss"]})["quantities"]["loss"][-1]
        assert np.isclose(point["values"]["final_loss"], alone, rtol=1e-12, atol=0)
    assert "schedule.half_life: got -1.0" in found[2]["problem"]["detail"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("method", ["auto", "flow"])
def test_convergence_times_are_those_of_the_schedule(method, schedule):
    network = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "scale": 0.5, "seed": 1}
    base = {"network": network, "task": [[1.5, 0.2], [0.0, 1.0]], "times": [0.0, 20.0], "learning_rates": [6.0, 6.0]}
    base |= {"schedule": SCHEDULES[schedule], "method": method, "time_constant": 1.5}
    (point,) = points_of(base, {"network.seed": [1]}, ["convergence_time"])
    time = point["values"]["convergence_time"]
    there = learn(**base | {"times": [time], "quantities": ["excess_loss"]})["quantities"]["excess_loss"][0]
    assert np.isclose(there, 1e-3, rtol=1e-9, atol=0)


def test_a_schedule_that_stops_before_the_tolerance_has_no_convergence_time():
    network = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "scale": 0.5, "seed": 1}
    base = {"network": network, "task": [[1.5, 0.2], [0.0, 1.0]], "times": [0.0, 20.0]}
    base |= {"schedule": {"kind": "exponential", "half_life": 0.1}}
    for method in ("auto", "flow"):
        (point,) = points_of(base | {"method": method}, {"network.seed": [1]}, ["convergence_time"])
        assert point["values"]["convergence_time"] is None


def test_equal_rates_are_another_time_constant():
    network = {"kind": "balanced", "dims": [4, 2, 3], "lambda": 0.7, "seed": 1}
    task = np.random.default_rng(0).standard_normal((3, 4)).tolist()
    names = ["loss", "output", "weights", "loss_rate", "ntk", "balance"]
    base = {"network": network, "task": task, "times": TIMES, "quantities": names}
    for method in ("exact", "flow", {"kind": "descent", "learning_rate": 0.1}):
        one = learn(**base, method=method, time_constant=1.5, learning_rates=[3.0, 3.0])
        other = learn(**base, method=method, time_constant=0.5)
        assert np.isclose(3 * one["lambda"], other["lambda"], rtol=1e-14, atol=0)  # of W2^T W2 / c2 - W1 W1^T / c1
        for name in names:
            assert np.allclose(flat(one["quantities"][name]), flat(other["quantities"][name]), rtol=1e-10, atol=1e-13)


def flat(values):
    if isinstance(values, dict):
        return np.concatenate([flat(part) for part in values.values()])
    return np.concatenate([np.ravel(part) for part in values])


def test_refusals_of_exact_name_the_reason():
    rng = np.random.default_rng(0)
    weights = balanced_weights((3, 3, 3), 0.8, 0.6, rng)
    with pytest.raises(NotBalancedError, match="away from balanced"):
        learn(**request(weights, np.eye(3), learning_rates=[1.0, 2.0]), method="exact")


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_descent_of_nonlinear_networks(activation):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((4, 2)) / 2, rng.standard_normal((2, 4)) / 2]
    inputs, targets, rates = rng.standard_normal((7, 2)), rng.standard_normal((7, 2)), (0.5, 2.0)
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": False}
    found = learn(
        network=network,
        task=task,
        times=[0.0, 2.0],
        quantities=["weights", "loss", "loss_rate"],
        method={"kind": "descent", "learning_rate": 0.05, "activation": activation},
        learning_rates=list(rates),
        schedule=SCHEDULES["cosine"],
        weight_decay=0.2,
    )["quantities"]
    bend = (lambda z: np.maximum(z, 0)) if activation == "relu" else np.tanh
    for step in range(41):
        hidden = bend(inputs @ weights[0].T)
        delta = (hidden @ weights[1].T - targets) / 7
        slope = (hidden > 0) if activation == "relu" else 1 - hidden**2
        gradients = [((delta @ weights[1]) * slope).T @ inputs, delta.T @ hidden]
        pace = factor(SCHEDULES["cosine"], 0.05 * step)
        if step == 40:
            break
        weights = [w - 0.05 * pace * c * (g + 0.2 * w) for w, c, g in zip(weights, rates, gradients, strict=True)]
    moves = zip(rates, gradients, weights, strict=True)
    assert np.isclose(found["loss_rate"][1], -pace * sum(c * np.sum(g * (g + 0.2 * w)) for c, g, w in moves))
    assert np.isclose(found["loss"][1], 3.5 * np.sum(delta**2))
    for got, right in zip(found["weights"], weights, strict=True):
        assert np.allclose(got[1], right, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("method", ["exact", "flow"])
def test_small_changes_of_the_kernel_with_rates(method):
    """Layers with different rates, relative to central differences of a tight integration."""
    rng = np.random.default_rng(5)
    rates = (0.4, 2.5)
    weights = [w * np.sqrt(c) for w, c in zip(balanced_weights((3, 3, 3), 0.8, 0.6, rng), rates, strict=True)]
    task, times = rng.standard_normal((3, 3)), [0.0, 0.01, 0.5]
    asked = request(weights, task, times=times, learning_rates=list(rates))
    found = learn(**asked | {"quantities": ["ntk_movement", "ntk", "balance"]}, method=method)["quantities"]
    layers = trained(weights, task, np.eye(3), times, rates=rates)
    kernels = [np.kron(np.eye(3), a.T @ a) + np.kron(b @ b.T, np.eye(3)) for a, b in zip(*layers, strict=True)]
    assert np.allclose(found["ntk"], kernels, atol=1e-11)
    moved = [np.linalg.norm(k - kernels[0]) / np.linalg.norm(kernels[0]) for k in kernels]
    assert np.allclose(found["ntk_movement"], moved, rtol=1e-9, atol=0)
    b = layers[1][1].T @ layers[1][1] - layers[0][1] @ layers[0][1].T
    assert np.isclose(found["balance"]["lambda"][1], np.trace(b) / 3, rtol=1e-10, atol=0)
