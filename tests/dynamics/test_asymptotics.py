"""Limits of lambda against the exact solution, and the shallow network against integration."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from lindyn_service.dynamics.asymptotics import extreme, lazy, shallow
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.riccati import solve

SIZES = np.array([30.0, 100.0, 300.0, 1000.0])


def run(w1, w2, sigma_yx, lam, times):
    solution = solve(w1, w2, sigma_yx, lam)
    factors = solution.at(times)
    return solution.modes.u @ factors.out @ factors.into.transpose(0, 2, 1) @ solution.modes.v.T


def problem(dims, lam, seed=0):
    """Build a problem with the same network function at time 0 for every lambda."""
    rng = np.random.default_rng(seed)
    return *balanced_weights(dims, lam, 0.7, rng), np.random.default_rng(seed + 1).standard_normal((dims[2], dims[0]))


def slope(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.mark.parametrize(("dims", "sign"), [((4, 3, 3), 1), ((2, 3, 3), 1), ((3, 3, 4), -1), ((3, 3, 2), -1)])
def test_one_time_scale_is_lazy(dims, sign):
    """w2 w2^T = lambda I + O(1/lambda) when hidden = out, so over times of 1/lambda the error is O(1/lambda^2)."""
    errors = []
    for size in SIZES:
        w1, w2, sigma_yx = problem(dims, sign * size)
        found = extreme(w1, w2, sigma_yx, sign * size)
        assert (found.exists, found.one_time_scale, found.fast_rate, len(found.slow_rates)) == (True, True, size, 0)
        assert np.allclose(found.fast_limit, sigma_yx, atol=1e-14)
        times = np.linspace(0, 40, 80) / size
        exact = run(w1, w2, sigma_yx, sign * size, times)
        errors.append(np.max(np.abs(exact - lazy(w2 @ w1, sigma_yx, size, times))))
    assert errors[-1] < 1e-3 * np.linalg.norm(sigma_yx)
    assert slope(SIZES, errors) == pytest.approx(-2, abs=0.1)


@pytest.mark.parametrize(("dims", "sign"), [((3, 3, 5), 1), ((4, 2, 3), 1), ((5, 3, 3), -1), ((4, 2, 3), -1)])
def test_fast_phase_of_two_time_scales(dims, sign):
    """Up to times of 1/lambda the network decays to the projected task, with an error of O(1/lambda^2)."""
    errors = []
    for size in SIZES:
        w1, w2, sigma_yx = problem(dims, sign * size)
        found = extreme(w1, w2, sigma_yx, sign * size)
        assert found.exists
        assert not found.one_time_scale
        assert np.linalg.norm(found.fast_limit - sigma_yx) > 0.3
        times = np.linspace(0, 8, 40) / size
        exact = run(w1, w2, sigma_yx, sign * size, times)
        errors.append(np.max(np.abs(exact - lazy(w2 @ w1, found.fast_limit, size, times))))
    assert slope(SIZES, errors) == pytest.approx(-2, abs=0.15)


def test_projectors_from_their_definition():
    for dims, lam in (((3, 2, 5), 9.0), ((5, 2, 3), -9.0)):
        w1, w2, sigma_yx = problem(dims, lam)
        found = extreme(w1, w2, sigma_yx, lam)
        expected = w2 @ np.linalg.pinv(w2) @ sigma_yx if lam > 0 else sigma_yx @ np.linalg.pinv(w1) @ w1
        assert np.allclose(found.fast_limit, expected, atol=1e-13)
        assert np.allclose(found.slow_rates, np.linalg.svd(sigma_yx, compute_uv=False) ** 2 / 9, rtol=1e-13, atol=0)


def test_weights_without_full_rank_span_less():
    w2 = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    found = extreme(np.eye(2), w2, np.ones((3, 2)), 1.0)
    assert np.allclose(found.fast_limit, [[1, 1], [0, 0], [0, 0]])
    assert np.array_equal(extreme(np.eye(2), 0 * w2, np.ones((3, 2)), 1.0).fast_limit, np.zeros((3, 2)))


def test_slow_phase_turns_the_frozen_space():
    """At times of lambda the column space is that of e^{S S^T t / lambda} w2(0) (Oja's flow): rates s^2 / lambda."""
    errors = []
    for size in SIZES:
        w1, w2, sigma_yx = problem((3, 3, 5), size)
        rates = extreme(w1, w2, sigma_yx, size).slow_rates
        worst = 0.0
        for phase in (0.1, 0.5, 1.0, 3.0):
            time = phase / rates[0]
            turned, _ = np.linalg.qr(expm(sigma_yx @ sigma_yx.T * time / size) @ w2)
            got = run(w1, w2, sigma_yx, size, np.array([time]))[0]
            worst = max(worst, np.max(np.abs(got - turned @ turned.T @ sigma_yx)))
        errors.append(worst)
    assert slope(SIZES, errors) == pytest.approx(-2, abs=0.15)


def test_the_printed_limit_fails_with_two_time_scales():
    """ERRATA, theorems 4.1.2 and 4.2.3: 3-3-5 at lambda = 200 is still far from the task at 200 fast times."""
    w1, w2, sigma_yx = problem((3, 3, 5), 200.0)
    got = run(w1, w2, sigma_yx, 200.0, np.array([1.0]))[0]
    assert np.linalg.norm(got - sigma_yx) > 0.3 * np.linalg.norm(sigma_yx)
    assert np.allclose(got, extreme(w1, w2, sigma_yx, 200.0).fast_limit, atol=0.05 * np.linalg.norm(sigma_yx))


@pytest.mark.parametrize(("dims", "lam"), [((3, 4, 3), 1.0), ((3, 4, 5), -1.0)])
def test_no_balanced_weights(dims, lam):
    w1, w2 = balanced_weights(dims, 0.0, 0.5, np.random.default_rng(0))
    found = extreme(w1, w2, np.ones((dims[2], dims[0])), lam)
    assert (found.exists, found.one_time_scale, found.fast_limit, len(found.slow_rates)) == (False, False, None, 0)


def test_a_zero_of_either_sign_has_a_space_but_no_rates():
    w1, w2, sigma_yx = problem((4, 2, 3), 0.0)
    up, down = extreme(w1, w2, sigma_yx, 0.0), extreme(w1, w2, sigma_yx, -0.0)
    assert np.allclose(up.fast_limit, w2 @ np.linalg.pinv(w2) @ sigma_yx, atol=1e-13)
    assert np.allclose(down.fast_limit, sigma_yx @ np.linalg.pinv(w1) @ w1, atol=1e-13)
    assert (up.fast_rate, len(up.slow_rates), len(down.slow_rates)) == (0, 0, 0)
    wide1, wide2 = balanced_weights((2, 3, 2), 0.0, 0.5, np.random.default_rng(0))
    assert not extreme(wide1, wide2, np.eye(2), -0.0).exists


@pytest.mark.parametrize("rank", [None, 0, 2, 4])
def test_shallow_network_by_integration(rank):
    """Inputs are coloured and span `rank` directions, or are white for None."""
    rng = np.random.default_rng(4)
    x = np.eye(4) * 2 if rank is None else rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    y = rng.standard_normal((3, 4))
    sigma_yx, sigma_xx = y @ x.T / 4, x @ x.T / 4
    w0 = rng.standard_normal((3, 4))
    times = np.array([0.0, 0.2, 1.0, 5.0])
    flow = solve_ivp(
        lambda _t, w: (sigma_yx - w.reshape(3, 4) @ sigma_xx).ravel(),
        (0, 5),
        w0.ravel(),
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-13,
    )
    got = shallow(w0, sigma_yx, None if rank is None else sigma_xx, times)
    assert np.allclose(got, flow.y.T.reshape(-1, 3, 4), atol=1e-10)
    best = sigma_yx @ np.linalg.pinv(sigma_xx)
    still = w0 @ (np.eye(4) - sigma_xx @ np.linalg.pinv(sigma_xx))
    last = shallow(w0, sigma_yx, None if rank is None else sigma_xx, np.array([1e6]))[0]
    assert np.allclose(last, best + still, atol=1e-9)
