"""Network functions and losses at a few times against those of the weights, and against 80 digits."""

import numpy as np
import pytest
from support.oracle import exact_qqt
from support.problems import Drawn

from lindyn_service.dynamics.function_values import NetworkFunction
from lindyn_service.dynamics.initialization import balanced_weights

CASES = [
    ((3, 3, 3), 0.0),
    ((4, 2, 5), 1.0),
    ((5, 4, 3), -2.0),
    ((6, 9, 4), 0.0),
    ((3, 3, 3), 30.0),
    ((14, 14, 14), 0.5),
    ((40, 36, 38), -0.7),
]


def problem(dims, lam, scale):
    rng = np.random.default_rng(sum(dims))
    w1, w2 = balanced_weights(dims, lam, scale, rng)
    return Drawn(w1, w2, rng.standard_normal((dims[2], dims[0])) / np.sqrt(dims[0]), lam)


@pytest.mark.parametrize("scale", [1e-3, 0.3, 3.0])
@pytest.mark.parametrize(("dims", "lam"), CASES, ids=str)
def test_functions_are_products_of_the_layers(dims, lam, scale):
    solution, times = problem(dims, lam, scale).solve(), np.array([0.0, 0.1, 1.0, 3.0, 40.0, 4000.0])
    found = NetworkFunction(solution).at(times)
    factors = solution.at(times)
    norms = [np.linalg.norm(side, axis=(1, 2)) for side in (factors.into, factors.out)]
    assert np.allclose(found.sizes, norms[0] * norms[1], rtol=0.3)
    known = factors.out @ factors.into.transpose(0, 2, 1)
    assert np.all(np.linalg.norm(found.functions - known, axis=(1, 2)) <= 1e-13 * found.sizes)


@pytest.mark.parametrize(("dims", "lam"), CASES[:5], ids=str)
def test_functions_in_high_precision(dims, lam):
    drawn = problem(dims, lam, 0.4)
    solution = drawn.solve()
    for time in (0.3, 2.0, 7.0):
        found = NetworkFunction(solution).at(np.array([time]))
        p = exact_qqt(drawn.w1, drawn.w2, drawn.sigma_yx, lam, time)
        known = solution.modes.u.T @ p[dims[0] :, : dims[0]] @ solution.modes.v
        assert np.linalg.norm(found.functions[0] - known) <= 1e-14 * found.sizes[0]


def test_losses_are_those_of_errors_with_the_variance_of_the_inputs():
    solution, times = problem((4, 4, 4), 1.0, 0.4).solve(), np.array([0.0, 1.0, 50.0])
    found = NetworkFunction(solution, 1.7).at(times)
    known = 0.5 * np.sum((1.7 * solution.errors(times, found.functions)) ** 2, axis=(1, 2))
    losses = found.losses * np.exp(-NetworkFunction(solution).decay * times)
    assert np.allclose(losses, known, rtol=1e-13, atol=0)


def test_weights_without_overlap_have_no_function():
    zeros = np.zeros((3, 3))
    found = NetworkFunction(Drawn(zeros, zeros, np.eye(3), 0.0).solve()).at(np.array([0.0, 5.0]))
    assert not np.any(found.functions)
    assert not np.any(found.sizes)


@pytest.mark.parametrize("lam", [0.0, 1.0, -2.0, 50.0])
def test_a_task_of_zero(lam):
    weights = balanced_weights((4, 3, 3), lam, 0.5, np.random.default_rng(1))
    solution, times = Drawn(*weights, np.zeros((3, 4)), lam).solve(), np.array([0.0, 1.0, 9.0])
    found, factors = NetworkFunction(solution).at(times), solution.at(times)
    known = factors.out @ factors.into.transpose(0, 2, 1)
    assert np.allclose(found.functions, known, rtol=1e-12, atol=1e-16)
    losses = found.losses * np.exp(-NetworkFunction(solution).decay * times)
    assert np.allclose(losses, 0.5 * np.sum(known**2, axis=(1, 2)), rtol=1e-12, atol=0)


def test_ill_conditioned_weights():
    """Large weights, of which elimination would lose digits."""
    rng = np.random.default_rng(229)
    w1, w2 = balanced_weights((5, 5, 5), 0.0, 100.0, rng)
    solution, times = Drawn(w1, w2, rng.standard_normal((5, 5)), 0.0).solve(), np.array([0.0, 0.1, 1.0])
    found, factors = NetworkFunction(solution).at(times), solution.at(times)
    known = factors.out @ factors.into.transpose(0, 2, 1)
    assert np.all(np.linalg.norm(found.functions - known, axis=(1, 2)) <= 1e-14 * found.sizes)
    start = solution.modes.u.T @ w2 @ w1 @ solution.modes.v
    assert np.linalg.norm(found.functions[0] - start) <= 1e-13 * np.linalg.norm(start)


def test_times_at_which_integrals_overflow():
    """Directions that do not decay, with large weights: the error has vanished long before, without a warning."""
    w1, w2 = balanced_weights((1, 2, 3), 0.0, 1e8, np.random.default_rng(1))
    solution = Drawn(w1, w2, np.array([[0.5], [0.0], [0.0]]), 0.0).solve()
    found = NetworkFunction(solution).at(np.array([1e300]))
    assert np.allclose(np.abs(found.functions[0]), [[0.5], [0.0], [0.0]], rtol=1e-14, atol=0)
    assert not np.any(solution.errors(np.array([1e300]), found.functions))
