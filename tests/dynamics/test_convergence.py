"""The limit of the exact solution and its convergence, against long times, known fixed points and closed forms."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.oracle import exact_qqt, integrate, relative_error
from support.problems import drawn, qqt_at

from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.convergence import (
    converged,
    convergence_time,
    excess_loss_at,
    fastest_rate,
    settling_time,
)
from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.riccati import solve

EPS = np.finfo(float).eps
SHAPES = [(3, 3, 3), (5, 2, 4), (4, 2, 5), (4, 3, 3), (3, 3, 5), (5, 5, 3), (3, 7, 4), (6, 6, 6), (1, 1, 1), (2, 5, 1)]


def task_with(s, n_in, n_out, rng):
    """Build a task with these singular values and random singular vectors."""
    u = np.linalg.qr(rng.standard_normal((n_out, n_out)))[0]
    v = np.linalg.qr(rng.standard_normal((n_in, n_in)))[0]
    return (u[:, : len(s)] * s) @ v[:, : len(s)].T


def limit_layers(solution):
    factors = converged(solution)
    return (solution.modes.v @ factors.into[0]).T, solution.modes.u @ factors.out[0]


def limit_qqt(solution):
    w1, w2 = limit_layers(solution)
    q = np.vstack([w1.T, w2])
    return q @ q.T


def function_at(solution, time):
    factors = solution.at(np.array([time]))
    return solution.modes.u @ factors.out[0] @ factors.into[0].T @ solution.modes.v.T


CASES = [
    (dims, lam) for dims in SHAPES for lam in (0.0, 1.0, -1.0, 20.0, -20.0) if broken_inequality(lam, *dims) is None
]


@pytest.mark.parametrize(("dims", "lam"), CASES, ids=str)
def test_state_at_a_very_large_time(dims, lam):
    """Full rank, separate modes: the slowest difference of eigenvalues is about 0.01, so 1e5 is e^-1000 away."""
    rng = np.random.default_rng(5)
    w1, w2 = balanced_weights(dims, lam, 0.4, rng)
    m = min(dims[0], dims[2])
    solution = solve(w1, w2, task_with(np.linspace(3, 1, m), dims[0], dims[2], rng), lam)
    # extra directions with f = 0 decay like 1/t
    time = 1e14 if lam == 0 and dims[0] != dims[2] else 1e5
    assert relative_error(limit_qqt(solution), qqt_at(solution, time)) <= 2e-14


@pytest.mark.parametrize("lam", [0.0, 2.0, -2.0])
@pytest.mark.parametrize("dims", [(4, 4, 4), (5, 3, 4), (4, 3, 5), (4, 4, 6), (6, 4, 4), (4, 2, 4), (4, 1, 5)], ids=str)
@pytest.mark.parametrize("s", [[2.0, 2.0, 2.0, 2.0], [3.0, 2.0, 2.0, 1.0], [2.0, 2.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
def test_equal_singular_values_and_rank_deficient_tasks(dims, lam, s):
    """Singular values are exactly equal: inside their group the initial weights determine the learned function."""
    rng = np.random.default_rng(6)
    w1, w2 = balanced_weights(dims, lam, 0.4, rng)
    sigma_yx = np.zeros((dims[2], dims[0]))
    np.fill_diagonal(sigma_yx, s)
    solution = solve(w1, w2, sigma_yx, lam)
    assert relative_error(limit_qqt(solution), qqt_at(solution, 1e14 if lam == 0 else 1e5)) <= 1e-13


@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_equal_singular_values_with_rounding(lam):
    """Random singular vectors make equal values differ by rounding, which only matters after 1e15."""
    rng = np.random.default_rng(7)
    sigma_yx = task_with([2.0, 2.0, 2.0, 1.0], 4, 5, rng)
    assert len(set(np.linalg.svd(sigma_yx, compute_uv=False))) > 2
    w1, w2 = balanced_weights((4, 2, 5), lam, 0.4, rng)
    solution = solve(w1, w2, sigma_yx, lam)
    assert relative_error(limit_qqt(solution), exact_qqt(w1, w2, sigma_yx, lam, 60.0)) <= 1e-13


@pytest.mark.parametrize("lam", [0.0, 1.5, -1.5])
@pytest.mark.parametrize("dims", [(4, 4, 4), (6, 2, 5), (5, 3, 6), (5, 5, 5), (4, 4, 6), (6, 4, 4)], ids=str)
def test_best_approximation_and_representations(dims, lam):
    """docs/theory.md, section 5: the best approximation of rank n_h, and spectra with n_h - r times |lambda|."""
    rng = np.random.default_rng(8)
    n_in, n_hidden, n_out = dims
    w1, w2 = balanced_weights(dims, lam, 0.4, rng)
    sigma_yx = task_with(np.array([4.0, 3.0, 1.5, 0.5]), n_in, n_out, rng)
    if dims == (4, 4, 4) and np.linalg.det(w2 @ w1) * np.linalg.det(sigma_yx) < 0:
        w1[:, 0] *= -1  # off the saddle of lambda = 0; the balance stays
    w1, w2 = limit_layers(solve(w1, w2, sigma_yx, lam))
    u, s, vt = np.linalg.svd(sigma_yx)
    rank = min(4, n_hidden)
    s[rank:] = 0
    best = (u[:, : len(s)] * s) @ vt[: len(s)]
    assert np.allclose(w2 @ w1, best, atol=1e-13)
    root = np.sqrt(lam**2 + 4 * s[:rank] ** 2)
    for representation, vectors, sign in ((w2 @ w2.T, u, 1), (w1.T @ w1, vt.T, -1)):
        known = (vectors[:, :rank] * (root + sign * lam) / 2) @ vectors[:, :rank].T
        more = n_hidden - rank if sign * lam > 0 else 0
        rest = np.linalg.eigvalsh(representation - known)[::-1]
        assert np.allclose(rest, [abs(lam)] * more + [0.0] * (len(rest) - more), atol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_saddle_keeps_its_missed_mode(n):
    """lambda = 0, n_h = n, a wrong sign of the determinant: the weakest mode is lost, its loss s^2/2 stays."""
    rng = np.random.default_rng(n)
    s = np.linspace(2, 1, n)
    sigma_yx = np.diag(s)
    w1, w2 = balanced_weights((n, n, n), 0.0, 0.3, rng)
    if np.linalg.det(w2 @ w1) > 0:
        w1[:, 0] *= -1
    solution = solve(w1, w2, sigma_yx, 0.0)
    assert mode_overlap(solution).missed == (n - 1,)
    end1, end2 = limit_layers(solution)
    assert np.allclose(end2 @ end1, np.diag([*s[:-1], 0.0]), atol=1e-14)
    assert convergence_time(solution, 0.4999) is None
    assert convergence_time(solution, 0.5001) > 0
    assert excess_loss_at(solution, np.array([1e9]))[0] == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("dims", [(3, 2, 4), (3, 3, 3)], ids=str)
def test_weights_of_zero_are_their_own_limit(dims):
    solution = solve(np.zeros((dims[1], dims[0])), np.zeros((dims[2], dims[1])), np.ones((dims[2], dims[0])), 0.0)
    assert not np.any(limit_qqt(solution))
    assert settling_time(solution) == 0.0
    assert convergence_time(solution, 0.1) is None


def test_a_network_without_weights_and_task_is_settled():
    solution = solve(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2)), 0.0)
    assert settling_time(solution) == 0.0
    assert convergence_time(solution, 0.0) == 0.0


@settings(max_examples=60, deadline=None)
@given(problem=drawn(lam=st.sampled_from([0.0, 0.5, -0.5, 5.0, -5.0]), scales=(-1.0, 0.5)))
def test_limit_is_a_balanced_fixed_point_that_long_times_approach(problem):
    solution = problem.solve()
    w1, w2 = limit_layers(solution)
    error = problem.sigma_yx - w2 @ w1
    size = np.linalg.norm(problem.sigma_yx) + abs(problem.lam)
    assert np.linalg.norm(w2.T @ error) <= 1e-12 * size**1.5
    assert np.linalg.norm(error @ w1.T) <= 1e-12 * size**1.5
    rest = w2.T @ w2 - w1 @ w1.T - problem.lam * np.eye(len(w1))
    kept = solution.echelon.pivots
    assert problem.lam == 0 or len(kept) == len(problem.w1)
    assert np.linalg.norm(rest) <= 1e-12 * size
    last = excess_loss_at(solution, np.array([0.0, 1e12 / max(problem.rate, 1e-3)]))[-1]
    assert 0.5 * np.sum(error**2) <= last + 1e-12 * size**2


def test_excess_loss_against_integration():
    rng = np.random.default_rng(9)
    sigma_yx = rng.standard_normal((4, 3))
    w1, w2 = balanced_weights((3, 2, 4), -0.7, 0.5, rng)
    times = np.linspace(0, 3, 7)
    got = excess_loss_at(solve(w1, w2, sigma_yx, -0.7), times)
    expected = [0.5 * np.sum((sigma_yx - b @ a) ** 2) for a, b in integrate(w1, w2, sigma_yx, times)]
    assert np.allclose(got, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("tolerance", [0.5, 1e-2, 1e-6, 1e-12])
def test_convergence_time_of_the_sigmoid(tolerance):
    """One mode, lambda = 0: a(t) = s / (1 + (s/a0 - 1) e^{-2st}) has 1/2 (s - a)^2 = tolerance at a known time."""
    s, a0 = 1.7, 1e-3
    w = np.array([[np.sqrt(a0)]])
    rest = np.sqrt(2 * tolerance)
    expected = (np.log(s / a0 - 1) + np.log((s - rest) / rest)) / (2 * s)
    got = convergence_time(solve(w, w, np.array([[s]]), 0.0), tolerance)
    # rounding of a, EPS s, moves the time by EPS s / (da/dt)
    assert got == pytest.approx(expected, rel=1e-14, abs=4 * EPS / rest)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-10, 1e-40, 1e-80])
def test_convergence_time_of_algebraic_decay(tolerance):
    """A task of zero: a(t) = a0 / (1 + 2 a0 t)."""
    a0 = 0.3
    w = np.array([[np.sqrt(a0)]])
    expected = (a0 / np.sqrt(2 * tolerance) - 1) / (2 * a0)
    assert convergence_time(solve(w, w, np.zeros((1, 1)), 0.0), tolerance) == pytest.approx(expected, rel=3e-14)


def test_convergence_time_with_a_zero_singular_value():
    """s = (1, 0) from aligned strengths (0.5, 0.5): at late times only the decay of the second mode is left."""
    w = np.sqrt(0.5) * np.eye(2)
    solution = solve(w, w, np.diag([1.0, 0.0]), 0.0)
    tolerance = 1e-12
    assert convergence_time(solution, tolerance) == pytest.approx(0.5 / np.sqrt(2 * tolerance) - 1, rel=1e-13)
    assert settling_time(solution) is None


def test_the_search_for_convergence_ends_after_200_doublings():
    """A task of zero again: the loss 1 / (8 t^2) falls to 1e-200 at t = 1e99 only, beyond 1e60."""
    w = np.array([[1.0]])
    assert convergence_time(solve(w, w, np.zeros((1, 1)), 0.0), 1e-200) is None


@settings(max_examples=60, deadline=None)
@given(problem=drawn(lam=st.sampled_from([0.0, 0.5, -0.5, 50.0, -50.0])), exponent=st.floats(-16, 0))
def test_convergence_time_is_where_the_loss_crosses(problem, exponent):
    assume(problem.rate > 0)
    solution = problem.solve()
    limit = converged(solution)
    floor = 0.5 * np.sum((limit.out[0] @ limit.into[0].T - _padded(solution.modes)) ** 2)
    start = excess_loss_at(solution, np.zeros(1))[0]
    tolerance = floor + (start - floor) * 10**exponent
    assume(tolerance > 1e-20 * np.sum(problem.sigma_yx**2))
    time = convergence_time(solution, tolerance)
    if tolerance >= start:
        assert time == 0.0
    elif time is None:
        # the deviation from the limit is not smaller than rounding errors
        assert tolerance - floor <= 1e-14 * start
    else:
        before, after = (excess_loss_at(solution, np.array([time * (1 + side)]))[0] for side in (-1e-9, 1e-9))
        noise = 1e-14 * start + 1e-13 * tolerance
        assert before >= tolerance - noise
        assert after <= tolerance + noise


def _padded(modes):
    task = np.zeros((len(modes.u), len(modes.v)))
    np.fill_diagonal(task, modes.s)
    return task


@pytest.mark.parametrize("lam", [0.0, 1.0, -30.0, 1e4])
def test_settling(lam):
    """The distance is below the tolerance from this time on, and above it just before."""
    rng = np.random.default_rng(3)
    w1, w2 = balanced_weights((4, 4, 4), lam, 0.4, rng)
    solution = solve(w1, w2, task_with([2.0, 1.5, 1.0, 0.5], 4, 4, rng), lam)
    end1, end2 = limit_layers(solution)
    limit = end2 @ end1
    threshold = 1e-13 * max(np.linalg.norm(limit), np.linalg.norm(w2 @ w1))
    time = settling_time(solution)
    later = [np.linalg.norm(function_at(solution, time * factor) - limit) for factor in (1.001, 1.1, 2.0, 10.0, 1e4)]
    assert max(later) <= threshold + 20 * EPS * np.linalg.norm(limit)
    assert np.linalg.norm(function_at(solution, 0.98 * time) - limit) > threshold


def test_settling_of_one_mode():
    """One mode from its linear rate: s - a = s (s/a0 - 1) e^{-2st} to first order at late times."""
    s, a0, tolerance = 1.7, 0.1, 1e-9
    w = np.array([[np.sqrt(a0)]])
    expected = (np.log(s / a0 - 1) + np.log1p(-tolerance) - np.log(tolerance)) / (2 * s)
    assert settling_time(solve(w, w, np.array([[s]]), 0.0), tolerance) == pytest.approx(expected, rel=1e-7)


def test_settled_from_the_start():
    w = np.diag([1.0, np.sqrt(2.0)])
    assert settling_time(solve(w, w, np.diag([1.0, 2.0]), 0.0), 1e-12) == 0.0


def test_a_task_of_zero_settles_only_when_balance_drives_it():
    rng = np.random.default_rng(2)
    for lam, settles in ((0.0, False), (1.0, True)):
        w1, w2 = balanced_weights((3, 3, 3), lam, 0.4, rng)
        assert (settling_time(solve(w1, w2, np.zeros((3, 3)), lam)) is not None) == settles


def test_a_saddle_left_late_is_not_settled_early():
    """Aligned strengths stay near zero for long: the limit counts, not the plateau."""
    directions = Directions(np.eye(3), np.eye(3))
    w1, w2 = balanced_weights((3, 3, 3), 0.0, 1e-8, np.random.default_rng(1), directions)
    solution = solve(w1, w2, np.diag([3.0, 2.0, 1.0]), 0.0)
    w = function_at(solution, settling_time(solution))
    assert np.allclose(w, np.diag([3.0, 2.0, 1.0]), atol=1e-12)


def test_fastest_rate():
    w1, w2 = np.diag([2.0, 1.0]), np.diag([2.0, 1.0])
    assert fastest_rate(solve(w1, w2, np.diag([3.0, 1.0]), 0.0)) == pytest.approx(3.0 + 10.0, rel=1e-14)
