"""Networks of one layer over HTTP, against matrix exponentials with many digits and training by hand."""

import mpmath
import numpy as np
import pytest
from support.flow import Data, flat
from support.routes import CONTINUAL, INITIALIZATIONS, LIMITS, answer, given
from support.service import ask, post

from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

ALL = [name for name in QUANTITIES if name not in {"qqt", "balance"}]
TAU = 1.5
WEIGHTS = np.random.default_rng(1).standard_normal((2, 4))
TIMES = np.array([0.0, 0.4, 3.0])


def data_of(kind):
    """Nine samples, or three that span fewer dimensions than the inputs have."""
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((3 if kind == "span" else 9, 4))
    return Data(inputs, rng.standard_normal((len(inputs), 2)))


def sent(data):
    return {"kind": "data", "inputs": data.inputs.tolist(), "targets": data.targets.tolist(), "whiten": False}


def exact(start, data, time):
    """W at a time, by the exponential of W' = sigma_yx - W sigma_xx with 60 digits."""
    with mpmath.workdps(60):
        n_out, n_in = start.shape
        generator, state = mpmath.zeros(n_in + n_out), mpmath.zeros(n_out, n_in + n_out)
        generator[:n_in, :n_in] = -mpmath.matrix(data.sigma_xx.tolist())
        generator[n_in:, :n_in] = mpmath.matrix(data.sigma_yx.tolist())
        state[:, :n_in] = mpmath.matrix(start.tolist())
        state[:, n_in:] = mpmath.eye(n_out)
        found = state * mpmath.expm(generator * mpmath.mpf(time), method="taylor")
        return np.array([[float(found[i, j]) for j in range(n_in)] for i in range(n_out)])


def kernel(data):
    return np.kron(np.eye(2), data.inputs @ data.inputs.T)


@pytest.mark.parametrize("method", ["auto", "exact", "flow"])
@pytest.mark.parametrize("kind", ["all", "span"])
def test_all_quantities_of_one_layer(service, kind, method):
    data = data_of(kind)
    request = {"network": given(WEIGHTS), "task": sent(data), "times": TIMES.tolist(), "quantities": ALL}
    got = ask(service, request | {"time_constant": TAU, "method": method})
    assert got["method"] == ("flow" if method == "flow" else "exact")
    assert got["lambda"] is None
    assert got["dims"] == [4, 2]
    path = [exact(WEIGHTS, data, time / TAU) for time in TIMES]
    tolerance, found = 1e-9 if method == "flow" else 1e-12, flat(got["quantities"])
    errors = [data.sigma_yx - w @ data.sigma_xx for w in path]
    expected = {
        "output": path,
        "weights.0": path,
        "loss": [data.loss(w) for w in path],
        "excess_loss": [data.loss(w) - data.least_loss() for w in path],
        "loss_rate": [-np.sum(error**2) / TAU for error in errors],
        "input_representation": [w.T @ w for w in path],
        "output_representation": [w @ w.T for w in path],
        "singular_values": np.linalg.svd(path, compute_uv=False),
        "ntk": [kernel(data)] * 3,
        "ntk_norm": [np.linalg.norm(kernel(data))] * 3,
        "ntk_movement": np.zeros(3),
        "ntk_distance": np.zeros(3),
        "weight_norms": [[np.linalg.norm(w)] for w in path],
        "sharpness": [np.linalg.eigvalsh(data.sigma_xx)[-1]] * 3,
        "rsm_input": [data.inputs @ w.T @ w @ data.inputs.T for w in path],
    }
    for name, values in expected.items():
        size = max(float(np.max(np.abs(values))), 1.0)
        assert np.allclose(found[name], values, rtol=0, atol=tolerance * size), name
    assert set(flat(got["quantities"])) >= {
        "alignment.input",
        "task_specificity.output",
        "effective_rank",
        "mode_strengths",
    }
    assert max(got["diagnostics"]["errors"].values()) < (1e-9 if method == "flow" else 1e-11)


def test_late_losses_have_small_relative_errors(service):
    task, times = np.random.default_rng(3).standard_normal((2, 4)), np.array([0.0, 90.0, 300.0])
    request = {"network": given(WEIGHTS), "task": task.tolist(), "times": times.tolist(), "quantities": ["excess_loss"]}
    got = ask(service, request)["quantities"]["excess_loss"]
    assert np.allclose(got, 0.5 * np.sum((WEIGHTS - task) ** 2) * np.exp(-2 * times), rtol=1e-12, atol=0)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_training_step_by_step(service, activation):
    """A single layer has no hidden units, so that activations change nothing."""
    data, eta, steps = data_of("all"), 0.05, 30
    method = {"kind": "descent", "learning_rate": eta, "activation": activation}
    request = {"network": given(WEIGHTS), "task": sent(data), "times": [0.0, eta * steps], "method": method}
    got = ask(service, request | {"quantities": ["weights", "loss"], "time_constant": TAU})["quantities"]
    w = WEIGHTS
    for _ in range(steps):
        w = w + eta / TAU * (data.sigma_yx - w @ data.sigma_xx)
    assert np.allclose(got["weights"][0][-1], w, rtol=0, atol=1e-12)
    assert got["loss"][-1] == pytest.approx(data.loss(w), rel=1e-12)


def test_torch_draws_uniform_entries(service):
    """As torch.nn.Linear, for any depth."""
    (single,) = answer(service, INITIALIZATIONS, {"network": random([400, 300], 5)})["weights"]
    assert np.max(np.abs(single)) <= 1 / 20
    assert np.std(single) * 20 == pytest.approx(1 / np.sqrt(3), rel=0.01)
    assert np.mean(np.array(single) ** 4) / np.var(single) ** 2 == pytest.approx(1.8, rel=0.02)
    found = answer(service, INITIALIZATIONS, {"network": random([400, 300], 5, gain=3.0)})
    assert np.allclose(found["weights"][0], 3 * np.array(single))
    assert (found["lambda"], found["balance_residual"]) == ([], [])
    layers = answer(service, INITIALIZATIONS, {"network": random([4, 100, 50, 2], 5)})["weights"]
    for layer, fan_in in zip(layers, (4, 100, 50), strict=True):
        assert np.max(np.abs(layer)) == pytest.approx(fan_in**-0.5, rel=0.05)


def random(dims, seed, **changes):
    return {"kind": "random", "dims": dims, "scheme": "torch", "seed": seed} | changes


def test_statistics_of_uniform_entries(service):
    """The variance on the diagonal of B is 4/5 of the variance off it."""
    request = {"dims": [30, 4, 20], "scheme": "torch", "samples": 20_000, "seed": 2}
    found = answer(service, "/v1/balance/statistics", request)
    for part, tolerance in (("predicted", 1e-12), ("sampled", 0.05)):
        variance = np.array(found[part]["variance"])
        off = np.mean(variance[~np.eye(4, dtype=bool)])
        assert np.mean(np.diagonal(variance)) == pytest.approx(0.8 * off, rel=tolerance)


@pytest.mark.parametrize("kind", ["all", "span", "white"])
def test_limits_of_one_layer(service, kind):
    data = data_of("all" if kind == "white" else kind)
    task = np.random.default_rng(3).standard_normal((2, 4)).tolist() if kind == "white" else sent(data)
    request = {"network": given(WEIGHTS), "task": task, "time_constant": TAU}
    found = answer(service, LIMITS, request | {"tolerance": 1e-4})
    times = [found["convergence_time"], 1e6]
    names = ["output", "input_representation", "loss", "excess_loss", "sharpness"]
    late = ask(service, request | {"times": times, "quantities": names})["quantities"]
    assert np.allclose(found["converged"]["output"], late["output"][-1], rtol=0, atol=1e-12)
    assert np.allclose(found["converged"]["input_representation"], late["input_representation"][-1], rtol=0, atol=1e-11)
    assert found["converged"]["loss"] == pytest.approx(late["loss"][-1], abs=1e-13)
    assert late["excess_loss"][0] == pytest.approx(1e-4, rel=1e-9)
    assert found["largest_learning_rate"] == pytest.approx(2 * TAU / late["sharpness"][0], rel=1e-11)
    assert found["lambda"] is found["lambda_to_infinity"] is found["effective_learning_rate"] is None
    assert found["shallow"]["rate"] == (pytest.approx(1 / TAU) if kind == "white" else None)
    assert found["shallow"]["convergence_time"] == found["convergence_time"]
    assert found["converged"]["reached_rank"] == found["converged"]["task_rank"] == 2


def test_networks_with_drawn_weights_are_reduced(service):
    inputs, targets = np.eye(3).tolist(), np.random.default_rng(4).standard_normal((3, 2000)).tolist()
    task = {"kind": "data", "inputs": inputs, "targets": targets, "whiten": False}
    request = {"network": random([3, 2000], 1), "task": task, "times": [0.0, 2.0], "quantities": ["loss", "output"]}
    got = ask(service, request)
    assert "3-6 dimensions" in got["reason"]
    start, end = got["quantities"]["output"]
    assert np.allclose(end, np.array(targets).T + (start - np.array(targets).T) * np.exp(-2 / 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["qqt", "balance"])
def test_quantities_of_two_layers_are_refused(service, name):
    response = post(
        service, {"network": given(WEIGHTS), "task": WEIGHTS.tolist(), "times": [1.0], "quantities": [name]}
    )
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["path"] == "quantities"
    assert f"got {name}, which is of two" in error["detail"]


def test_continual_learning_needs_two_layers(service):
    tasks = [{"task": WEIGHTS.tolist(), "duration": 1.0}]
    response = post(service, {"network": given(WEIGHTS), "tasks": tasks, "num": 3}, path=CONTINUAL)
    assert response.status_code == 422
    assert "needs two weight layers, got 1; this needs the closed form" in response.json()["detail"]
