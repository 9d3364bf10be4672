"""Times at which the excess loss falls to a tolerance, for the closed form, the flow and descent."""

import math
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from support.descent import coloured, decimal_descent

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import DivergedDescentError, NotApplicableError
from lindyn_service.methods.base import LearningProblem, answer
from lindyn_service.methods.convergence import find_convergence
from lindyn_service.methods.descent import DescentSolver
from lindyn_service.methods.exact import ExactSolver
from lindyn_service.methods.flow import FlowSolver

AUTO, FLOW = (ExactSolver(), FlowSolver()), (FlowSolver(),)
TAU = 1.5
GRIDS = [[60.0], [0.0, 60.0], [30.0, 60.0], [0.0, 0.1, 59.0, 60.0]]


def problem(weights, moments, times):
    return LearningProblem(tuple(weights), moments, TAU, np.array(times), ())


def sigmoid_time(a0, s, tolerance):
    """One mode from a0: s - a = sqrt(2 tolerance), where a = s / (1 + (s / a0 - 1) e^{-2 s t / tau})."""
    error = math.sqrt(2 * tolerance)
    return TAU / (2 * s) * math.log((s / a0 - 1) * (s - error) / error)


@pytest.mark.parametrize("times", GRIDS)
@pytest.mark.parametrize("tolerance", [0.3, 1e-3, 1e-8, 1e-30, 1e-80])
@pytest.mark.parametrize("methods", [AUTO, FLOW], ids=["closed-form", "flow"])
def test_convergence_times_are_those_of_the_sigmoid_for_any_grid_of_times(methods, tolerance, times):
    weights, s = (np.array([[0.2]]), np.array([[0.2]])), 1.3
    found = find_convergence(methods, problem(weights, Moments(np.array([[s]])), times), tolerance)
    assert found.time == pytest.approx(sigmoid_time(0.04, s, tolerance), rel=1e-9)
    assert found.warnings == ()


@pytest.mark.parametrize("dims", [(3, 4, 2), (3, 3, 3, 2)])
def test_the_loss_at_the_convergence_time_is_the_tolerance_for_coloured_inputs(dims):
    rng = np.random.default_rng(1)
    weights = [0.6 * rng.standard_normal((b, a)) for a, b in pairwise(dims)]
    moments = Moments(rng.standard_normal((2, 3)), coloured(3, rng))
    start = answer(FLOW, LearningProblem(tuple(weights), moments, TAU, np.zeros(1), ("excess_loss",))).quantities[
        "excess_loss"
    ]
    for tolerance in (0.5 * start[0], 0.1 * start[0], 1e-2 * start[0]):
        found = find_convergence(AUTO, problem(weights, moments, [500.0]), tolerance)
        there = answer(FLOW, LearningProblem(tuple(weights), moments, TAU, np.array([found.time]), ("excess_loss",)))
        assert there.quantities["excess_loss"][0] == pytest.approx(tolerance, rel=1e-9)


def test_a_loss_below_the_tolerance_at_the_start_converges_at_time_0():
    rng = np.random.default_rng(2)
    weights, moments = balanced_weights((3, 3, 3), 1.0, 0.4, rng), Moments(rng.standard_normal((3, 3)))
    for methods in (AUTO, FLOW, (DescentSolver(0.1),)):
        for times in ([0.0], [5.0]):
            assert find_convergence(methods, problem(weights, moments, times), 1e3).time == 0.0


def test_a_loss_that_stays_above_the_tolerance_has_no_convergence_time():
    rng = np.random.default_rng(3)
    weights, moments = balanced_weights((3, 1, 3), 1.0, 0.4, rng), Moments(rng.standard_normal((3, 3)))
    for methods in (AUTO, FLOW, (DescentSolver(0.01),)):
        assert find_convergence(methods, problem(weights, moments, [40.0]), 1e-3).time is None
    mode, one = (np.array([[0.2]]), np.array([[0.2]])), Moments(np.array([[1.3]]))
    time = sigmoid_time(0.04, 1.3, 1e-3)
    for factor, reached in ((0.99, False), (1.01, True)):
        for methods in (FLOW, (DescentSolver(5e-4),)):
            found = find_convergence(methods, problem(mode, one, [factor * time]), 1e-3)
            assert (found.time is not None) == reached
            assert found.warnings == ()
    assert find_convergence(FLOW, problem(mode, one, [0.0]), 1e-3).time is None


def test_an_uncertain_convergence_time_of_the_flow_has_a_warning():
    """Near a saddle, a small difference of the weights decides when the network leaves it."""
    saddle = (np.diag([1.0, 1e-9]), np.diag([1.0, -1e-9 * (1 - 1e-6)]))
    late = find_convergence(FLOW, problem(saddle, Moments(np.eye(2)), [200.0]), 1e-3)
    assert late.time is not None
    assert "off, by thirty times looser integration" in late.warnings[0].detail


def test_a_flow_that_needs_too_many_evaluations_is_refused():
    """A bottleneck leaves a residual, so that steps stay as short as the rates ask for."""
    weights = (np.array([[0.4, 0.3]]), np.array([[0.5], [0.2]]))
    with pytest.raises(NotApplicableError, match=r"the integration came to time \S+ of 1e\+30 .*; loosen rtol"):
        find_convergence(FLOW, problem(weights, Moments(np.diag([2.0, 1.0])), [1e30]), 1e-3)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-20, 1e-60, 1e-120])
def test_a_flow_reaches_losses_below_the_rounding_errors_of_differences(tolerance):
    """Da/dt = 2 a (s - a) in units of tau, for one mode of layers of the same strength (Saxe et al. 2014)."""
    s, a0 = 1.3, 0.04
    weights, moments = (np.array([[0.2]]), np.array([[0.2]])), Moments(np.array([[s]]))
    found = find_convergence(FLOW, problem(weights, moments, [200.0]), tolerance)
    left = np.sqrt(2 * tolerance)
    expected = TAU * np.log((s / a0 - 1) * (s / left - 1)) / (2 * s)
    assert abs(found.time - expected) <= 1e-10 * expected
    assert found.warnings == ()


@pytest.mark.parametrize("times", GRIDS)
@pytest.mark.parametrize("tolerance", [0.3, 1e-3, 1e-40, 1e-100])
def test_descent_converges_at_the_first_step_below_the_tolerance(tolerance, times):
    """The first of many digits whose excess loss is at most the tolerance."""
    eta, weights, s = 0.25, (np.array([[0.2]]), np.array([[0.2]])), np.array([[1.3]])
    found = find_convergence((DescentSolver(eta),), problem(weights, Moments(s), [0.0, 2 * times[-1]]), tolerance)
    numbers = list(range(480))
    with localcontext() as context:
        context.prec = 150
        steps = decimal_descent(weights, s, None, eta / TAU, numbers, 150)
        expected = next(i for i, (_, error) in enumerate(steps) if error.item() ** 2 / 2 <= Decimal(tolerance))
    assert found.time == pytest.approx(expected * eta, rel=1e-15)


def test_descent_that_diverges_first_is_refused():
    weights, moments = (np.array([[0.2]]), np.array([[0.2]])), Moments(np.array([[1.3]]))
    with pytest.raises(DivergedDescentError, match=r"divide method\.learning_rate by 2"):
        find_convergence((DescentSolver(20.0),), problem(weights, moments, [1e4]), 1e-3)


def test_networks_with_activations_have_no_excess_loss():
    weights = (np.array([[0.2]]), np.array([[0.2]]))
    with pytest.raises(NotApplicableError, match="needs samples"):
        find_convergence((DescentSolver(0.1, "relu"),), problem(weights, Moments(np.array([[1.3]])), [1.0]), 1e-3)
