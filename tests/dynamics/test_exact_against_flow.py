"""The closed form and the integration of the flow agree up to the error that the conditioning reports."""

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.oracle import qqt, relative_error
from support.problems import Drawn, drawn, qqt_at

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.flow_checks import balance_drift
from lindyn_service.dynamics.hidden_rotation import true_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap

EPS = np.finfo(float).eps
RTOL = 1e-12

problems = drawn(largest=6)
# most of the weights decay, and the rest would have rounding errors of their initial size
LEFT_WITH_LITTLE = Drawn(np.array([[1.28877941]]), np.array([[-1.28878329]]), np.zeros((1, 1)), 1e-5)
phases_of_growth = st.lists(st.floats(0, 12), min_size=1, max_size=3).map(sorted)


def integrated(problem, times):
    """Integrate w1 and w2 at the times, and return the error of the balance, too."""
    weights = (problem.w1, problem.w2)
    largest = max(np.max(np.abs(w)) for w in weights)
    [(_, networks)] = Flow(weights, problem.sigma_yx, None, rtol=RTOL, atol=1e-6 * RTOL * largest).batches(times)
    layers = networks.layers
    size = sum(np.max(np.sum(w * w, axis=(1, 2))) for w in layers)
    measured = balance(*weights)
    away = measured.residual + np.sqrt(len(problem.w1)) * abs(measured.lam - problem.lam)
    return *layers, away + size * balance_drift(layers, weights)


def rounding_error(problem, phase):
    """Relative error due to rounding of the overlaps, as `reach` reports it."""
    known = mode_overlap(problem.solve())
    overlap = 0.0 if known.smallest_overlap is None else 1 / known.smallest_overlap
    # modes without overlap still have that of a rounding error, which grows while the others decay
    return 100 * (overlap + (EPS * np.exp(2 * phase) if known.missed else 0.0))


@settings(max_examples=60, deadline=None)
@given(problem=problems, phases=phases_of_growth)
@example(problem=LEFT_WITH_LITTLE, phases=[1.0])
def test_representations(problem, phases):
    assume(problem.rate > 0)
    allowed, times = rounding_error(problem, phases[-1]), np.array(phases) / problem.rate
    assume(allowed < 1e-4)
    solution = problem.solve()
    *layers, imbalance = integrated(problem, times)
    for time, w1, w2 in zip(times, *layers, strict=True):
        expected = qqt(w1, w2)
        explained = allowed + imbalance / np.linalg.norm(expected)
        assert relative_error(qqt_at(solution, time), expected) <= 1e-9 + explained


@settings(max_examples=15, deadline=None)
@given(problem=problems, phases=phases_of_growth)
def test_weights(problem, phases):
    assume(problem.rate > 0)
    allowed, times = rounding_error(problem, phases[-1]), np.array(phases) / problem.rate
    assume(allowed < 1e-4)
    found = true_weights(problem.solve(), problem.w1, problem.w2, times)
    *layers, imbalance = integrated(problem, times)
    for got1, got2, w1, w2 in zip(found.w1, found.w2, *layers, strict=True):
        got, expected = np.vstack([got1.T, got2]), np.vstack([w1.T, w2])
        explained = allowed + imbalance / np.sum(expected**2)
        assert relative_error(got, expected) <= 1e-9 + explained
