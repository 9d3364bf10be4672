"""Method flow: error estimates that bound the errors, warnings, and refusals."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, answer
from lindyn_service.methods.exact import ExactSolver
from lindyn_service.methods.flow import FlowSolver


def problem(weights, sigma_yx, times, quantities=("weights",), **changes):
    moments = Moments(sigma_yx, changes.pop("sigma_xx", None))
    return LearningProblem(tuple(weights), moments, changes.pop("tau", 1.0), np.array(times), tuple(quantities))


def tight(weights, sigma_yx, sigma_xx, time):
    """The layers by another method and tolerance."""
    bounds = np.cumsum([w.size for w in weights])[:-1]

    def velocity(_t, state):
        layers = [part.reshape(w.shape) for part, w in zip(np.split(state, bounds), weights, strict=True)]
        total = np.linalg.multi_dot(layers[::-1])
        error = sigma_yx - total @ sigma_xx
        moves = []
        for i in range(len(layers)):
            above, below = np.eye(len(layers[-1])), np.eye(layers[0].shape[1])
            for layer in layers[:i:-1]:
                above = above @ layer
            for layer in layers[:i]:
                below = layer @ below
            moves.append((above.T @ error @ below.T).ravel())
        return np.concatenate(moves)

    start = np.concatenate([w.ravel() for w in weights])
    return solve_ivp(velocity, (0, time), start, method="DOP853", rtol=3e-14, atol=1e-16).y[:, -1]


def test_error_estimate_bounds_the_error():
    """For at least 99 of 100 random networks, as documented: two integrations may have the same error."""
    bounded = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        depth, rtol = rng.integers(2, 5), rng.choice([1e-6, 1e-9, 1e-12])
        widths = rng.integers(1, 4, depth + 1)
        weights = [rng.standard_normal((b, a)) for a, b in pairwise(widths)]
        sigma_yx = rng.standard_normal((widths[-1], widths[0]))
        root = rng.standard_normal((widths[0], widths[0] + 2))
        sigma_xx = root @ root.T / 3 if rng.integers(2) else np.eye(widths[0])
        outcome = answer([FlowSolver(rtol)], problem(weights, sigma_yx, [1.0], sigma_xx=sigma_xx))
        got = np.concatenate([layer[-1].ravel() for layer in outcome.quantities["weights"]])
        expected = tight(weights, sigma_yx, sigma_xx, 1.0)
        error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
        bounded += error <= outcome.diagnostics["error_estimate"] + 1e-12
        assert outcome.diagnostics["tolerance"] == pytest.approx(1e4 * rtol)
    assert bounded >= 99


def test_tolerances_are_returned_with_the_answer():
    weights = [np.diag([3.0, 1.0]), np.eye(2)]
    plain = answer([FlowSolver()], problem(weights, np.eye(2), [1.0], tau=2.0)).diagnostics
    assert (plain["rtol"], plain["atol"]) == (1e-13, pytest.approx(3e-13))
    own = answer([FlowSolver(1e-6, 1e-7)], problem(weights, np.eye(2), [1.0])).diagnostics
    assert (own["rtol"], own["atol"]) == (1e-6, 1e-7)
    assert own["evaluations"] < plain["evaluations"]
    assert own["balance_residual"] == pytest.approx(np.linalg.norm(np.diag([-4.0, 4.0])))


def test_a_run_near_a_saddle_has_a_warning():
    """An overlap of 1e-13 with the growing mode is below the tolerance, and decides the run."""
    tiny = np.array([[1e-13, 0.0], [0.0, 1.0]])
    outcome = answer([FlowSolver(1e-6)], problem([tiny, np.eye(2) * [1e-13, 1.0]], np.diag([3.0, 1.0]), [10.0]))
    assert "tolerance-not-met" in {warned.code for warned in outcome.warnings}


def test_auto_says_why_the_closed_form_does_not_apply():
    outcome = answer([ExactSolver(), FlowSolver()], problem([np.eye(2), np.diag([1.0, 2.0])], np.eye(2), [1.0]))
    assert outcome.method == "flow"
    assert "away from balanced" in outcome.reason
    assert "the nearest lambda is 1.5" in outcome.reason


def test_a_failed_integration_names_the_time_reached_and_a_remedy():
    """Three layers of 1e-20 leave the saddle at time 1e20, faster than the spacing of float64 numbers there."""
    weights = [np.full((1, 1), 1e-20)] * 3
    with pytest.raises(NotApplicableError, match=r"came to time \S+e\+20 of 1e\+30 .*; loosen rtol and atol"):
        answer([FlowSolver()], problem(weights, np.ones((1, 1)), [1e30]))


def test_weights_of_zero_stay_zero():
    outcome = answer([FlowSolver()], problem([np.zeros((2, 2))] * 3, np.eye(2), [0.0, 5.0], ("loss", "balance")))
    assert np.allclose(outcome.quantities["loss"], 1.0)
    assert outcome.quantities["balance"]["lambda"].shape == (2, 2)
    assert outcome.lam is None
    assert outcome.diagnostics["balance_residual"] == [0.0, 0.0]


@pytest.mark.parametrize("variances", [(1.0, 1.0), (1.5, 0.6), (1 + 1e-10, 1.0)])
def test_late_losses_have_small_relative_errors(variances):
    """Modes of equal strength in both layers: da/dt = 2 a (s - x a) with the variance x (Saxe et al. 2014)."""
    s, x, start = np.array([1.3, 0.7]), np.array(variances), np.array([0.5, 0.4])
    times = np.array([5.0, 20.0, 60.0, 150.0])
    grown = np.exp(-2 * s * times[:, None]) * (s / (x * start**2) - 1)
    excess = 0.5 * np.sum(x * (s / x * grown / (1 + grown)) ** 2, axis=1)
    weights = (np.diag(start), np.diag(start))
    asked = problem(weights, np.diag(s), times, ["excess_loss"], sigma_xx=np.diag(x))
    found = answer([FlowSolver()], asked)
    got, bound = found.quantities["excess_loss"], found.diagnostics["errors"]["excess_loss"]
    assert np.all(np.abs(got - excess) <= 1e-9 * excess)
    assert np.all(np.abs(got - excess) <= bound * excess)
