"""Values that sweeps keep, against trajectories."""

import numpy as np
import pytest
from support.oracle import exact_qqt

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.tasks import Moments, from_data
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, answer
from lindyn_service.methods.blocks import Block, summarise_block, white_equivalent
from lindyn_service.methods.descent import DescentSolver
from lindyn_service.methods.exact import ExactSolver
from lindyn_service.methods.flow import FlowSolver
from lindyn_service.methods.sweep_scalars import summarise

RNG = np.random.default_rng(7)
WEIGHTS = balanced_weights((3, 3, 3), 1.0, 0.4, RNG)
TASK = Moments(RNG.standard_normal((3, 3)))
TIMES = np.linspace(0, 4, 9)
AUTO = (ExactSolver(), FlowSolver())


def problem(moments=TASK, times=TIMES, weights=WEIGHTS):
    return LearningProblem(tuple(weights), moments, 1.5, times, ())


def whole(*names, methods=AUTO, **changes):
    given = problem(**changes)
    return answer(methods, LearningProblem(given.weights, given.moments, 1.5, given.times, names)).quantities


def test_scalars_are_those_of_the_last_time():
    names = ["final_loss", "kernel_distance", "task_specificity_input", "task_specificity_output", "ntk_movement"]
    found = summarise(AUTO, problem(), names, 1e-3).values
    full = whole("loss", "ntk_distance", "task_specificity", "ntk")
    assert found["final_loss"] == pytest.approx(full["loss"][-1], rel=1e-13)
    assert found["kernel_distance"] == pytest.approx(full["ntk_distance"][-1], rel=1e-12)
    assert found["task_specificity_input"] == pytest.approx(full["task_specificity"]["input"][-1])
    assert found["task_specificity_output"] == pytest.approx(full["task_specificity"]["output"][-1])
    kernels = full["ntk"]
    moved = np.linalg.norm(kernels[-1] - kernels[0]) / np.linalg.norm(kernels[0])
    assert found["ntk_movement"] == pytest.approx(moved, rel=1e-12)
    assert list(found) == names


def test_quantities_are_kept_at_all_times_with_their_parts():
    found = summarise(AUTO, problem(), ["final_loss", "loss", "balance", "weights"], 1e-3).values
    assert set(found) == {"final_loss", "loss", "balance.lambda", "balance.residual", "weights.0", "weights.1"}
    assert np.allclose(found["loss"], whole("loss")["loss"], rtol=1e-13, atol=0)  # by other formulae
    assert found["weights.1"].shape == (9, 3, 3)


def test_deviation_is_the_mean_relative_difference_from_training():
    data = from_data(np.sqrt(3) * np.eye(3), RNG.standard_normal((3, 3)), whiten=True)
    times = 0.01 * np.arange(101)
    descent = (DescentSolver(0.01),)
    found = summarise(descent, problem(data, times), ["deviation"], 1e-3).values["deviation"]
    exact, trained = (whole("loss", methods=m, moments=data, times=times)["loss"][1:] for m in (AUTO, descent))
    assert found == pytest.approx(np.mean((exact - trained) / trained), rel=1e-12)
    with pytest.raises(NotApplicableError, match="use method descent"):
        summarise(AUTO, problem(), ["deviation"], 1e-3)
    with pytest.raises(NotApplicableError, match="needs a time after 0"):
        summarise(descent, problem(data, np.zeros(1)), ["deviation"], 1e-3)


def test_times_are_those_of_the_answer_if_quantities_are_kept():
    descent, times = (DescentSolver(0.3),), np.array([0.0, 1.0, 2.0])
    found = summarise(descent, problem(times=times), ["loss", "final_loss"], 1e-3)
    assert np.allclose(found.times, [0.0, 0.9, 2.1], rtol=1e-15, atol=0)
    assert summarise(descent, problem(times=times), ["final_loss", "convergence_time"], 1e-3).times is None
    assert np.array_equal(summarise(AUTO, problem(times=times), ["loss"], 1e-3).times, times)


SADDLE = (np.diag([1e-3, 0.0]), np.diag([1e-3, 0.0]))


def codes(found):
    return [warned.code for warned in found.warnings]


@pytest.mark.parametrize("name", ["loss", "final_loss", "convergence_time", "kernel_distance"])
def test_a_saddle_has_a_warning_for_all_collected_values(name):
    given = problem(Moments(np.diag([2.0, 1.0]), sigma_yy_trace=6.0), weights=SADDLE)
    assert "saddle" in codes(summarise(AUTO, given, [name], 1e-3))


def test_warnings_of_both_sides_of_a_deviation_have_no_duplicates():
    given = problem(Moments(np.diag([2.0, 1.0])), weights=SADDLE, times=np.array([0.0, 0.17, 0.5]))
    found = summarise((DescentSolver(0.1),), given, ["loss", "deviation"], 1e-3)
    assert codes(found) == ["rounded-times", "irreducible-loss-unknown", "saddle"]


def test_networks_with_activations_have_a_warning():
    data = from_data(np.eye(3), RNG.standard_normal((3, 3)), whiten=False)
    assert codes(summarise((DescentSolver(0.01, "tanh"),), problem(data), ["final_loss"], 1e-3)) == ["nonlinear"]


def test_deviations_leave_out_vanishing_losses():
    """One mode: the loss of training is 0 after some step, and all times before count."""
    weights, task = (np.array([[1.0]]), np.array([[1.0]])), Moments(np.array([[1.0 + 1e-3]]))
    early, late = np.array([0.5, 1.0]), np.array([0.5, 1.0, 5e3, 6e3])
    descent = (DescentSolver(0.25),)
    expected = summarise(descent, problem(task, early, weights), ["deviation"], 1e-3)
    found = summarise(descent, problem(task, late, weights), ["deviation"], 1e-3)
    assert found.values["deviation"] == pytest.approx(expected.values["deviation"], rel=1e-11)
    assert "vanishing-loss" not in codes(expected)
    (warned,) = [warned for warned in found.warnings if warned.code == "vanishing-loss"]
    assert "below 1e-300 at 2 of 4 times" in warned.detail
    none = summarise(descent, problem(task, late[2:], weights), ["deviation"], 1e-3)
    assert np.isnan(none.values["deviation"])
    assert "at 2 of 2 times" in none.warnings[-1].detail


def test_deviations_leave_out_losses_of_rounding_errors_at_a_bottleneck():
    """Two hidden units learn a task of rank two in four dimensions, but for its rounding errors."""
    rng = np.random.default_rng(4)
    task = Moments(rng.standard_normal((4, 2)) @ rng.standard_normal((2, 4)))
    weights = balanced_weights((4, 2, 4), 0.0, 0.5, rng)
    early, late = np.array([0.5, 1.0]), np.array([0.5, 1.0, 150.0, 200.0])
    expected, found = (
        summarise((DescentSolver(0.05),), problem(task, times, weights), ["deviation"], 1e-3) for times in (early, late)
    )
    assert found.values["deviation"] == pytest.approx(expected.values["deviation"], rel=1e-11)
    assert "at 2 of 4 times" in found.warnings[-1].detail


def test_blocks_of_large_weights_on_a_singular_task():
    """With lambda, the minor layer has no growing part in a mode of singular value 0, and ratios to it overflow."""
    rng, task, times = np.random.default_rng(1), Moments(np.diag([1.0, 0.5, 0.0])), np.array([0.0, 1.0, 5.0])
    weights = [balanced_weights((3, 2, 3), 1.0, 30.0, rng) for _ in range(3)]
    w1, w2 = (np.stack(layers) for layers in zip(*weights, strict=True))
    found = summarise_block(
        Block(w1, w2, np.ones(3), white_equivalent(task), task, 1.0, times), ["output", "loss"], 1.0
    )
    for (first, second), summary in zip(weights, found, strict=True):
        for time, output, loss in zip(times, summary.values["output"], summary.values["loss"], strict=True):
            known = exact_qqt(first, second, task.sigma_yx, 1.0, time)[3:, :3]
            assert np.linalg.norm(output - known) <= 1e-12 * np.linalg.norm(known)
            assert loss == pytest.approx(0.5 * np.sum((known - task.sigma_yx) ** 2), rel=1e-10)
