"""Weight decay of networks with a balance other than 0: against Bessel functions and Taylor series of many digits."""

import numpy as np
import pytest
from support.decay import by_bessel_functions, by_taylor_series

from lindyn_service.dynamics.decaying_balance import decaying_balance
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.radau_collocation import TooManyStepsError


def evaluated(solution, times):
    """W - sigma_yx, u^T W v and V^T W1^T W1 V."""
    factors = solution.at(times)
    functions = factors.out @ factors.into.transpose(0, 2, 1)
    errors = solution.modes.u @ solution.errors(times, functions) @ solution.modes.v.T
    return errors, functions, factors.into @ factors.into.transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("s", "gamma", "lam", "x"),
    [
        ([2.0], 0.3, 1.0, [0.1]),
        ([2.0, 1.0, 0.5], 0.7, -3.0, [0.1, 0.02, 1.0]),  # the weakest mode is below the threshold
        ([3.0, 1.0], 1.0, 20.0, [1e-3, 0.5]),  # at the threshold
        ([2.0, 1e-3], 0.02, 50.0, [0.3, 0.2]),
        ([2.0, 1.0], 1e-3, 1e-6, [0.1, 0.2]),
        ([1e-2], 1e-2, 1e4, [0.3]),
        ([50.0, 1.0], 40.0, 0.3, [0.1, 3.0]),
        ([1.0], 1e3, 1e4, [0.5]),
        ([0.0], 0.4, 1.0, [0.3]),  # without a task
    ],
)
def test_aligned_modes_by_bessel_functions(s, gamma, lam, x):
    """Strengths, Gram matrices and distances from the task of each mode, at times from early to 1000 time scales."""
    small = np.array(x)
    large = np.sqrt(small**2 + abs(lam))
    first, second = (small, large) if lam > 0 else (large, small)
    solution = decaying_balance(np.diag(first), np.diag(second), np.diag(s), lam, gamma, rounded=False)
    times = np.array([1e-3, 0.1, 1.0, 5.0, 20.0, 100.0, 1000.0]) / max(*s, gamma)
    errors, functions, grams = evaluated(solution, times)
    for i in range(len(s)):
        # the difference of the layers without cancellation
        plus, minus = (first[i] + second[i]) ** 2 / 4, (lam / (first[i] + second[i])) ** 2 / 4
        for t, time in enumerate(times):
            growth, residual = by_bessel_functions(s[i], gamma, plus, minus, time)
            size = plus * np.exp(2 * growth - 2 * gamma * time) + minus * np.exp(-2 * growth - 2 * gamma * time)
            assert abs(functions[t, i, i] - (s[i] - residual)) <= 1e-13 * max(s[i], size)
            assert abs(grams[t, i, i] - (size - lam * np.exp(-2 * gamma * time) / 2)) <= 1e-12 * size
            if len(s) == 1:
                assert np.isclose(-errors[t, 0, 0], residual, rtol=1e-11 * max(1.0, gamma * time), atol=2e-14 * s[i])


@pytest.mark.parametrize(("dims", "lam", "gamma"), [((2, 1, 2), 0.4, 1e-7), ((1, 1, 3), 2.0, 0.4)])
def test_unaligned_networks_by_taylor_series(dims, lam, gamma):
    """Distances from the task keep their digits where they are of the size of gamma."""
    rng = np.random.default_rng(sum(dims))
    w1, w2 = balanced_weights(dims, lam, 0.6, rng)
    task = (
        np.diag(rng.uniform(1, 2, 3))[: dims[2], : dims[0]] @ np.linalg.qr(rng.standard_normal((dims[0], dims[0])))[0]
    )
    times = np.array([0.0, 0.01, 1.0, 6.0])
    solution = decaying_balance(w1, w2, task, lam, gamma)
    errors, _, grams = evaluated(solution, times)
    expected, expected_grams = by_taylor_series(w1, w2, task, gamma, times)
    grams = solution.modes.v @ grams @ solution.modes.v.T
    for t in range(len(times)):
        assert np.linalg.norm(errors[t] - expected[t]) <= 1e-12 * np.linalg.norm(expected[t])
        assert np.linalg.norm(grams[t] - expected_grams[t]) <= 1e-12 * np.linalg.norm(expected_grams[t])


@pytest.mark.parametrize("gamma", [1e-6, 1e-2, 1.0, 1e6])
@pytest.mark.parametrize("lam", [1e-6, 1.0, 1e6])
def test_all_parameters_end_at_the_soft_threshold(lam, gamma):
    """From 1e3 to 1e6 times the slowest time scale, without overflow and in few steps."""
    s = np.array([3.0, 1.5, 1e-3])
    weights = np.random.default_rng(5)
    w1, w2 = balanced_weights((3, 3, 3), lam, 0.5, weights)
    u, v = (np.linalg.qr(weights.standard_normal((3, 3)))[0] for _ in range(2))
    solution = decaying_balance(w1, w2, u * s @ v.T, lam, gamma)
    times = np.array([1e3, 1e6]) / min(gamma, 1e-3, float(np.min(np.abs(s - gamma))))
    errors, functions, _ = evaluated(solution, times)
    end = np.diag(np.maximum(s - gamma, 0.0))
    assert np.max(np.abs(functions - end)) <= 1e-13 * 3
    assert np.allclose(np.linalg.norm(errors, axis=(1, 2)), np.linalg.norm(np.minimum(s, gamma)), rtol=1e-12, atol=0)
    assert len(solution.propagators._path[0].starts) < 200


def test_a_time_does_not_depend_on_the_others():
    w1, w2 = balanced_weights((3, 3, 4), 0.8, 0.5, np.random.default_rng(1))
    task, times = np.random.default_rng(2).standard_normal((4, 3)), np.geomspace(1e-3, 1e5, 40)
    together = evaluated(decaying_balance(w1, w2, task, 0.8, 0.05), times)
    for t in (0, 7, 20, 39):
        alone = evaluated(decaying_balance(w1, w2, task, 0.8, 0.05), times[t : t + 1])
        for values, value in zip(together, alone, strict=True):
            assert np.allclose(values[t], value[0], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dims", [(3, 3, 3), (2, 2, 4), (4, 2, 3)])
def test_exchange_of_the_layers(dims):
    w1, w2 = balanced_weights(dims, 0.8, 0.5, np.random.default_rng(1))
    task, times = np.random.default_rng(2).standard_normal((dims[2], dims[0])), np.array([0.0, 0.5, 3.0, 100.0])
    one = evaluated(decaying_balance(w1, w2, task, 0.8, 0.1), times)[0]
    other = evaluated(decaying_balance(w2.T, w1.T, task.T, -0.8, 0.1), times)[0]
    assert np.max(np.abs(one - other.transpose(0, 2, 1))) <= 1e-14 * np.max(np.abs(task))


def test_too_many_steps_are_refused(monkeypatch):
    monkeypatch.setattr("lindyn_service.dynamics.radau_collocation._MAX_STEPS", 3)
    with pytest.raises(TooManyStepsError, match="more than 3 steps"):
        decaying_balance(np.eye(2), np.eye(2) * 2, np.eye(2), 3.0, 0.1)
