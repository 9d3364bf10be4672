"""What sweeps collect, against whole trajectories."""

import math

import numpy as np
import pytest

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.tasks import Moments, from_data
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import Problem, answer
from lindyn_service.methods.descent import DescentMethod
from lindyn_service.methods.exact import ExactMethod
from lindyn_service.methods.flow import FlowMethod
from lindyn_service.methods.summary import summarise

RNG = np.random.default_rng(7)
WEIGHTS = balanced_weights((3, 3, 3), 1.0, 0.4, RNG)
TASK = Moments(RNG.standard_normal((3, 3)))
TIMES = np.linspace(0, 4, 9)
AUTO = (ExactMethod(), FlowMethod())


def problem(moments=TASK, times=TIMES, weights=WEIGHTS):
    return Problem(tuple(weights), moments, 1.5, times, ())


def whole(*names, methods=AUTO, **changes):
    given = problem(**changes)
    return answer(methods, Problem(given.weights, given.moments, 1.5, given.times, names)).quantities


def test_scalars_are_those_of_the_last_time():
    names = ["final_loss", "kernel_distance", "task_specificity_input", "task_specificity_output", "ntk_movement"]
    found = summarise(AUTO, problem(), names, 1e-3)
    full = whole("loss", "ntk_distance", "task_specificity", "ntk")
    assert found["final_loss"] == pytest.approx(full["loss"][-1], rel=1e-13)
    assert found["kernel_distance"] == pytest.approx(full["ntk_distance"][-1], rel=1e-12)
    assert found["task_specificity_input"] == pytest.approx(full["task_specificity"]["input"][-1])
    assert found["task_specificity_output"] == pytest.approx(full["task_specificity"]["output"][-1])
    kernels = full["ntk"]
    moved = np.linalg.norm(kernels[-1] - kernels[0]) / np.linalg.norm(kernels[0])
    assert found["ntk_movement"] == pytest.approx(moved, rel=1e-12)
    assert list(found) == names


def test_quantities_come_at_all_times_with_their_parts():
    found = summarise(AUTO, problem(), ["final_loss", "loss", "balance", "weights"], 1e-3)
    assert set(found) == {"final_loss", "loss", "balance.lambda", "balance.residual", "weights.0", "weights.1"}
    assert np.array_equal(found["loss"], whole("loss")["loss"])
    assert found["weights.1"].shape == (9, 3, 3)


@pytest.mark.parametrize("methods", [AUTO, (FlowMethod(),)], ids=["root", "interpolated"])
def test_convergence_time(methods):
    times = np.linspace(0, 60, 20_001)
    time = summarise(methods, problem(times=times), ["convergence_time"], 1e-3)["convergence_time"]
    there = whole("excess_loss", times=np.array([time]))["excess_loss"][0]
    assert there == pytest.approx(1e-3, rel=1e-9 if methods is AUTO else 1e-3)


def test_convergence_time_of_what_never_gets_there_or_is_there():
    bottleneck = balanced_weights((3, 1, 3), 1.0, 0.4, RNG)
    for methods in (AUTO, (FlowMethod(),)):
        never = summarise(methods, problem(weights=bottleneck), ["convergence_time"], 1e-3)["convergence_time"]
        assert math.isnan(never)
        assert summarise(methods, problem(), ["convergence_time"], 1e3)["convergence_time"] == 0.0
    coloured = Moments(TASK.sigma_yx, np.diag([1.0, 2.0, 3.0]))
    found = summarise(AUTO, problem(coloured, np.linspace(0, 100, 1001)), ["convergence_time"], 1e-3)
    assert 0 < found["convergence_time"] < 100


def test_deviation_is_the_mean_relative_difference_to_training():
    data = from_data(np.sqrt(3) * np.eye(3), RNG.standard_normal((3, 3)), whiten=True)
    times = 0.01 * np.arange(101)
    descent = (DescentMethod(0.01),)
    found = summarise(descent, problem(data, times), ["deviation"], 1e-3)["deviation"]
    exact, trained = (whole("loss", methods=m, moments=data, times=times)["loss"][1:] for m in (AUTO, descent))
    assert found == pytest.approx(np.mean((exact - trained) / trained), rel=1e-12)
    with pytest.raises(NotApplicableError, match="use method descent"):
        summarise(AUTO, problem(), ["deviation"], 1e-3)
    with pytest.raises(NotApplicableError, match="needs a time after 0"):
        summarise(descent, problem(data, np.zeros(1)), ["deviation"], 1e-3)
