"""Limits, as the worker answers, against trajectories and closed forms."""

import numpy as np
import pytest
from support.analyses import BALANCED, SIGMA_YX, ask, learn

from lindyn.wire.asymptotics import LimitsRequest
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


def test_a_bottleneck_never_gets_there():
    document = {"network": {**BALANCED, "dims": [3, 1, 3]}, "task": SIGMA_YX}
    assert ask(limits, LimitsRequest, document)["convergence_time"] is None


def test_extremes_and_rates():
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


def test_shallow_network_from_the_same_function():
    found = ask(limits, LimitsRequest, {"network": BALANCED, "task": DATA, "tolerance": 1e-4})["shallow"]
    start = np.array(learn(task=DATA, times=[0.0], quantities=["output"])["quantities"]["output"][0])
    variance = 0.25 / 3
    best = SIGMA_YX.T @ (0.5 * np.eye(3)) / 3 / variance
    assert np.allclose(found["output"], best)
    assert found["rate"] == pytest.approx(variance)
    error = best + (start - best) * np.exp(-variance * found["convergence_time"]) - best
    assert 0.5 * variance * np.sum(error**2) == pytest.approx(1e-4, rel=1e-10)


def test_inputs_that_span_less_are_put_back_into_their_space():
    inputs = np.array([[3.0, 4.0, 0.0], [4.0, -3.0, 0.0]])
    task = {"kind": "data", "inputs": inputs, "targets": np.eye(3)[:2], "whiten": True}
    found = ask(limits, LimitsRequest, {"network": {**BALANCED, "dims": [3, 2, 3]}, "task": task})
    assert np.allclose(np.array(found["converged"]["output"])[:, 2], 0)
    assert np.shape(found["lambda_to_infinity"]["positive"]["fast_limit"]) == (3, 3)
    assert np.shape(found["shallow"]["output"]) == (3, 3)


def test_only_what_the_closed_form_covers():
    unbalanced = {"kind": "random", "dims": [3, 3, 3], "scheme": "lecun", "seed": 1}
    with pytest.raises(NotBalancedError, match="this needs the closed form"):
        ask(limits, LimitsRequest, {"network": unbalanced, "task": SIGMA_YX})
    deep = {"kind": "random", "dims": [3, 3, 3, 3], "scheme": "lecun", "seed": 1}
    with pytest.raises(NotApplicableError, match="two weight layers, got 3"):
        ask(limits, LimitsRequest, {"network": deep, "task": SIGMA_YX})
