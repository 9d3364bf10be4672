"""Limits, as computed by a worker, against trajectories and closed forms."""

import numpy as np
import pytest
from support.aligned import chain, commuting, two_layers
from support.analyses import BALANCED, SIGMA_YX, ask, learn

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.digest import digest
from lindyn.wire.document import read
from lindyn_service.errors import NotApplicableError, NotBalancedError
from lindyn_service.translate.limits import limits

DATA = {"kind": "data", "inputs": (0.5 * np.eye(3)).tolist(), "targets": SIGMA_YX.tolist(), "whiten": False}


@pytest.mark.parametrize("task", [SIGMA_YX, DATA], ids=["white", "isotropic"])
@pytest.mark.parametrize("dims", [[3, 3, 3], [3, 2, 3]], ids=["full", "bottleneck"])
def test_converged_state_is_that_of_late_times(task, dims):
    network = {**BALANCED, "dims": dims}
    found = ask(limits, LimitsRequest, {"network": network, "task": task, "time_constant": 2.0})["converged"]
    names = ["output", "input_representation", "output_representation", "loss", "excess_loss"]
    late = learn(network=network, task=task, times=[1e6], time_constant=2.0, quantities=names)["quantities"]
    for name in names:
        assert np.allclose(found[name], late[name][0], rtol=0, atol=1e-12), name
    assert (found["reached_rank"], found["task_rank"]) == (min(dims), 3)


@pytest.mark.parametrize(("tolerance", "tau"), [(1e-3, 1.0), (1e-8, 3.0)])
@pytest.mark.parametrize("task", [SIGMA_YX, DATA], ids=["white", "isotropic"])
def test_loss_at_the_convergence_time_is_the_tolerance(task, tolerance, tau):
    document = {"network": BALANCED, "task": task, "tolerance": tolerance, "time_constant": tau}
    time = ask(limits, LimitsRequest, document)["convergence_time"]
    there = learn(task=task, times=[time], time_constant=tau, quantities=["excess_loss"])
    assert there["quantities"]["excess_loss"][0] == pytest.approx(tolerance, rel=1e-9)


def test_a_bottleneck_has_no_convergence_time():
    document = {"network": {**BALANCED, "dims": [3, 1, 3]}, "task": SIGMA_YX}
    assert ask(limits, LimitsRequest, document)["convergence_time"] is None


def test_limits_of_large_lambda_and_their_rates():
    found = ask(limits, LimitsRequest, {"network": {**BALANCED, "lambda": -2.0, "dims": [3, 2, 3]}, "task": SIGMA_YX})
    extremes = found["lambda_to_infinity"]
    assert found["effective_learning_rate"] == extremes["positive"]["fast_rate"] == 2.0
    for each in extremes.values():
        assert each["exists"]
        assert not each["one_time_scale"]
        slow = np.linalg.svd(SIGMA_YX, compute_uv=False) ** 2 / 2.0
        assert np.allclose(each["slow_rates"], slow)
        assert np.linalg.matrix_rank(each["fast_limit"], tol=1e-10) == 2
    square = ask(limits, LimitsRequest, {"network": BALANCED, "task": SIGMA_YX})["lambda_to_infinity"]["positive"]
    assert square["one_time_scale"]
    assert np.allclose(square["fast_limit"], SIGMA_YX)
    wide = ask(limits, LimitsRequest, {"network": {**BALANCED, "dims": [2, 3, 3]}, "task": SIGMA_YX[:, :2]})
    assert not wide["lambda_to_infinity"]["negative"]["exists"]
    assert wide["lambda_to_infinity"]["negative"]["fast_limit"] is None


def test_the_shallow_network_starts_from_the_same_function():
    found = ask(limits, LimitsRequest, {"network": BALANCED, "task": DATA, "tolerance": 1e-4})["shallow"]
    start = np.array(learn(task=DATA, times=[0.0], quantities=["output"])["quantities"]["output"][0])
    variance = 0.25 / 3
    best = SIGMA_YX.T @ (0.5 * np.eye(3)) / 3 / variance
    assert np.allclose(found["output"], best)
    assert found["rate"] == pytest.approx(variance)
    error = best + (start - best) * np.exp(-variance * found["convergence_time"]) - best
    assert 0.5 * variance * np.sum(error**2) == pytest.approx(1e-4, rel=1e-10)


def test_limits_are_in_the_coordinates_of_all_inputs():
    inputs = np.array([[3.0, 4.0, 0.0], [4.0, -3.0, 0.0]])
    task = {"kind": "data", "inputs": inputs, "targets": np.eye(3)[:2], "whiten": True}
    found = ask(limits, LimitsRequest, {"network": {**BALANCED, "dims": [3, 2, 3]}, "task": task})
    assert np.allclose(np.array(found["converged"]["output"])[:, 2], 0)
    assert np.shape(found["lambda_to_infinity"]["positive"]["fast_limit"]) == (3, 3)
    assert np.shape(found["shallow"]["output"]) == (3, 3)


def test_problems_without_a_closed_form_are_refused():
    unbalanced = {"kind": "random", "dims": [3, 3, 3], "scheme": "lecun", "seed": 1}
    with pytest.raises(NotBalancedError, match="this needs the closed form"):
        ask(limits, LimitsRequest, {"network": unbalanced, "task": SIGMA_YX})
    deep = {"kind": "random", "dims": [3, 3, 3, 3], "scheme": "lecun", "seed": 1}
    with pytest.raises(NotApplicableError, match="two weight layers, got 3"):
        ask(limits, LimitsRequest, {"network": deep, "task": SIGMA_YX})


def modes_request(decay, deep=False, seed=3):
    rng = np.random.default_rng(seed)
    task, inputs, u, v, s, d = commuting(3, 4, rng)
    weights = chain(u, v, [4, 3], rng) if deep else two_layers(u, v, 8, rng)
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    task = {"kind": "correlation", "sigma_yx": task.tolist(), "sigma_xx": inputs.tolist()}
    return {"network": network, "task": task, "weight_decay": decay, "time_constant": 1.5}, u, v, s, d


@pytest.mark.parametrize(("decay", "deep"), [(0.0, False), (1e-6, False), (0.7, False), (40.0, False), (0.0, True)])
def test_modes_end_at_the_soft_threshold(decay, deep):
    asked, u, v, s, d = modes_request(decay, deep)
    found = ask(limits, LimitsRequest, asked | {"tolerance": 0.02})
    left = np.maximum(s - decay, 0) / d[:3]
    state = found["converged"]
    assert np.allclose(state["output"], u[:, :3] * left @ v[:, :3].T, rtol=0, atol=1e-13)
    excess = 0.5 * np.sum(np.minimum(s, decay) ** 2 / d[:3])
    assert state["excess_loss"] == pytest.approx(excess, rel=1e-12, abs=1e-25)
    assert (state["reached_rank"], state["task_rank"]) == (np.count_nonzero(left), 3)
    if decay:  # balanced in the end
        for name, vectors in (("input", v), ("output", u)):
            grown = np.array(state[f"{name}_representation"])
            assert np.allclose(grown, vectors[:, :3] * left @ vectors[:, :3].T, rtol=0, atol=1e-13)
    assert found["lambda"] is found["shallow"] is found["lambda_to_infinity"] is None
    assert len(found["lambda_per_mode"]) == 3
    late = learn(network=asked["network"], task=asked["task"], weight_decay=decay, times=[1e9], quantities=["output"])
    assert np.allclose(late["quantities"]["output"][0], state["output"], rtol=0, atol=1e-13)
    if excess < 0.02:
        base = {name: asked[name] for name in ("network", "task", "weight_decay", "time_constant")}
        there = learn(**base, times=[found["convergence_time"]], quantities=["excess_loss"])
        assert there["quantities"]["excess_loss"][0] == pytest.approx(0.02, rel=1e-9)
    else:
        assert found["convergence_time"] is None


def test_the_largest_learning_rate_with_decay_is_that_of_the_decayed_loss():
    """Along the steepest direction, descent with smaller rates stays at the limit, and with larger ones leaves it."""
    asked, *_ = modes_request(0.7)
    found = ask(limits, LimitsRequest, asked)
    end = found["largest_learning_rate"]
    task = {name: np.array(asked["task"][name]) for name in ("sigma_yx", "sigma_xx")}
    late = learn(network=asked["network"], task=asked["task"], weight_decay=0.7, times=[1e9], quantities=["weights"])
    w1, w2 = (np.array(layer[0]) for layer in late["quantities"]["weights"])

    def gradient(x):
        a, b = x[: w1.size].reshape(w1.shape), x[w1.size :].reshape(w2.shape)
        error = b @ a @ task["sigma_xx"] - task["sigma_yx"]
        return np.concatenate([(b.T @ error + 0.7 * a).ravel(), (error @ a.T + 0.7 * b).ravel()])

    at, eye = np.concatenate([w1.ravel(), w2.ravel()]), np.eye(w1.size + w2.size)
    hessian = np.array([(gradient(at + 1e-5 * e) - gradient(at - 1e-5 * e)) / 2e-5 for e in eye])
    assert end == pytest.approx(2 * 1.5 / np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1], rel=1e-8)


@pytest.mark.parametrize("dims", [(3, 3, 3), (4, 2, 3)])
@pytest.mark.parametrize("lam", [0.0, 0.5, -2.0])
def test_balanced_networks_with_decay(dims, lam):
    rng = np.random.default_rng(1)
    network = {"kind": "balanced", "dims": dims, "lambda": lam, "scale": 0.5, "seed": 5}
    task = rng.standard_normal((dims[2], dims[0]))
    found = ask(limits, LimitsRequest, {"network": network, "task": task, "weight_decay": 0.3})
    u, s, vt = np.linalg.svd(task, full_matrices=False)
    kept = np.maximum(s - 0.3, 0) * (np.arange(len(s)) < min(dims)) * learned(found, len(s))
    assert np.allclose(found["converged"]["output"], u * kept @ vt, rtol=0, atol=1e-13)
    assert found["lambda"] == lam
    network = {"kind": "random", "dims": dims, "scheme": "lecun", "gain": 0.1, "seed": 5}
    with pytest.raises(NotApplicableError, match="this needs the closed form: start from weights whose modes"):
        ask(limits, LimitsRequest, {"network": network, "task": task, "weight_decay": 0.3})


def learned(found, n_modes):
    """All modes except those that the warnings name as missed."""
    missed = [mode for w in found["warnings"] if w["code"] == "saddle" for mode in w["modes"]]
    assert all("modes" not in w for w in found["warnings"] if w["code"] != "saddle")
    return np.array([mode not in missed for mode in range(n_modes)])


def task_of(n_in, n_out):
    return np.random.default_rng(0).standard_normal((n_out, n_in))


def test_weight_decay_0_is_the_same_request():
    plain = {"network": BALANCED, "task": SIGMA_YX}
    assert ask(limits, LimitsRequest, plain) == ask(limits, LimitsRequest, plain | {"weight_decay": 0.0})
    keys = [digest(read(LimitsRequest, plain | more), "solver") for more in ({}, {"weight_decay": 0.0})]
    assert keys[0] == keys[1]
