"""Error bounds of answers against errors measured with a hundred digits."""

import json
import os
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from support.full_flow import weight_flow
from support.problems import Drawn, far_apart
from support.riccati import State, states

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.base import LearningProblem
from lindyn_service.methods.exact import ExactSolver

REFERENCE = Path(__file__).parents[1] / "reference" / "closed_form_states.json"
QUANTITIES = ("output", "excess_loss", "loss_rate", "ntk_distance", "ntk_movement")
PROBLEMS = int(os.environ.get("RANDOM_PROBLEMS", "2000"))
PROMISED = 1e-9
_SMALLEST = dict.fromkeys(QUANTITIES, 1e-290) | {"ntk_distance": 1e-80}  # what float64 and the oracle can tell from 0


def reference():
    """Problems, times, and the states from tests/reference/closed_form_states.py."""
    for case in json.loads(REFERENCE.read_text())["cases"]:
        matrices = (np.array(case[name]) for name in ("w1", "w2", "sigma_yx"))
        yield Drawn(*matrices, case["lam"]), np.array(case["times"]), [read(state) for state in case["states"]]


def read(written):
    """Read one state of the file."""
    numbers = {name: mp.mpf(value) for name, value in written.items() if name != "output"}
    return State(np.array(written["output"]), **numbers)


def computed(seed, count, widest):
    """Compute random problems, times, and their states."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        problem, times = far_apart(rng, widest, [-1, 0, 1])
        yield problem, times, states(problem.w1, problem.w2, problem.sigma_yx, problem.lam, times)


def measured(problem, times, true):
    """True errors and their bounds by quantity; None at a saddle, where rounding errors decide."""
    asked = LearningProblem((problem.w1, problem.w2), Moments(problem.sigma_yx), 1.0, times, QUANTITIES, problem.lam)
    outcome = ExactSolver().examine(asked).run()
    if any(warned.code == "saddle" for warned in outcome.warnings):
        return None
    errors = dict.fromkeys(QUANTITIES, 0.0)
    for i, state in enumerate(true):
        for name in QUANTITIES:
            got, expected = outcome.quantities[name][i], getattr(state, name)
            if name == "output":
                error = float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
            else:
                error = abs(float(got / expected - 1)) if abs(expected) > _SMALLEST[name] else 0.0
            errors[name] = max(errors[name], error)
    return [(errors[name], outcome.diagnostics["errors"][name]) for name in QUANTITIES]


def check(cases, count):
    found = [pair for pair in (measured(*case) for case in cases) if pair is not None]
    assert 0.8 * count <= len(found) <= count
    true, bounds = np.moveaxis(np.array(found), 2, 0)
    for name, own, bound in zip(QUANTITIES, true.T, bounds.T, strict=True):
        ratios = bound / np.maximum(own, np.finfo(float).eps / 2)
        bounded = np.mean(own <= bound)
        print(
            f"{name}: {len(own)} problems, error median {np.median(own):.1e}, 99 % {np.quantile(own, 0.99):.1e}, "
            f"largest {own.max():.1e}; bounded {bounded:.4f}, bound over error in the median {np.median(ratios):.0f}"
        )
        assert np.all(own[bound <= PROMISED] <= PROMISED), name
        assert bounded >= 0.99, name
        assert np.median(ratios) <= 1e4, name


def test_bounds_of_the_closed_form_exceed_its_errors():
    check(reference(), count=100)


def test_the_reference_follows_from_the_definition():
    """Some of its states, computed again from the definition of the solution."""
    for problem, times, written in list(reference())[::25]:
        anew = states(problem.w1, problem.w2, problem.sigma_yx, problem.lam, times)
        for state, expected in zip(anew, written, strict=True):
            np.testing.assert_array_equal(state.output, expected.output)
            for name in ("excess_loss", "loss_rate", "ntk_distance", "ntk_movement"):
                assert mp.almosteq(getattr(state, name), getattr(expected, name), 1e-15, 0), name


@pytest.mark.parametrize("lam", [0.0, 50.0])
def test_bounds_of_losses_that_have_decayed_exceed_their_errors(lam):
    """Losses of one mode down to 1e-239, whose exponents have rounding errors of their own."""
    s, times = 1.3, np.array([0.0, 1.0, 100.0, 280.0]) / np.hypot(lam, 2 * 1.3)
    w1, w2 = balanced_weights((1, 1, 1), lam, 0.3, np.random.default_rng(4))
    for quantities in (("excess_loss",), ("excess_loss", "loss_rate")):
        asked = LearningProblem((w1, w2), Moments(np.array([[s]])), 1.0, times, quantities, lam)
        outcome = ExactSolver().examine(asked).run()
        losses = [state.excess_loss for state in states(w1, w2, np.array([[s]]), lam, times)]
        assert losses[-1] < 1e-235
        own = [
            abs(float(got / known - 1)) for got, known in zip(outcome.quantities["excess_loss"], losses, strict=True)
        ]
        assert max(own) <= outcome.errors["excess_loss"] <= 1e-11


def test_bounds_include_the_rounding_errors_of_a_measured_lambda():
    """Large given weights of one hidden unit, which are balanced exactly, with a lambda that is a small difference."""
    n_doubtful = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        w1, w2 = balanced_weights((2, 1, 3), 0.0, 1e8, rng)
        sigma_yx, times = rng.standard_normal((3, 2)), np.array([0.1, 1.0])
        lam = float(sum(Fraction(w) ** 2 for w in w2.flat) - sum(Fraction(w) ** 2 for w in w1.flat))
        asked = LearningProblem((w1, w2), Moments(sigma_yx), 1.0, times, ("output", "excess_loss"))
        outcome = ExactSolver().examine(asked).run()
        for i, state in enumerate(states(w1, w2, sigma_yx, lam, times)):
            gap = np.linalg.norm(outcome.quantities["output"][i] - state.output)
            assert gap <= outcome.errors["output"] * np.linalg.norm(state.output)
            own = abs(float(outcome.quantities["excess_loss"][i] / state.excess_loss - 1))
            assert own <= outcome.errors["excess_loss"]
            n_doubtful += own > 1e-9
    assert n_doubtful, "these numbers have no rounding errors of lambda"


def test_bounds_of_weights_exceed_their_errors():
    """Those of the weights themselves, and of the rotation of the hidden units, which is integrated."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n_in, n_out = (int(n) for n in rng.integers(2, 5, 2))
        dims, lam = (n_in, min(n_in, n_out), n_out), float(rng.uniform(-2, 2))
        weights = balanced_weights(dims, lam, 0.5, rng)
        sigma_yx, times = rng.standard_normal((n_out, n_in)), np.array([0.0, 2.5])
        asked = LearningProblem(weights, Moments(sigma_yx), 1.0, times, ("weights",), lam)
        outcome = ExactSolver().examine(asked).run()
        truth = weight_flow(weights, sigma_yx, np.eye(n_in), times)
        got, expected = (
            np.concatenate([w[-1].ravel() for w in layers]) for layers in (outcome.quantities["weights"], truth)
        )
        error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
        assert error <= outcome.errors["weights"] + 1e-12, seed
        assert error <= outcome.diagnostics["rotation"]["error_estimate"] + 1e-12, seed


@pytest.mark.fuzz
def test_bounds_of_random_problems_exceed_their_errors():
    check(computed(seed=2, count=PROBLEMS, widest=8), PROBLEMS)
