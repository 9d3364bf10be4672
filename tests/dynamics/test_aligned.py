"""Aligned networks against high precision, integration of the flow and the general exact solution."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from support.oracle import integrate, relative_error
from support.problems import Drawn, balances, qqt_at

from lindyn_service.dynamics.aligned import aligned
from lindyn_service.dynamics.aligned_modes import aligned_strengths
from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.riccati import solve

S = np.array([3.0, 1.0, 0.1])


def precise_strength(s, a0, lam, time):
    """Compute the product of the layers by the two-dimensional exact solution, from the definition."""
    rate = np.hypot(s, lam / 2)
    with mp.workdps(60 + int(2 * rate * time)):
        s, a0, lam, t = (mp.mpf(float(each)) for each in (s, a0, lam, time))
        larger = mp.sqrt((mp.sqrt(lam**2 + 4 * a0**2) + abs(lam)) / 2)
        smaller = a0 / larger
        q = mp.matrix([smaller, larger] if lam >= 0 else [larger, smaller])
        f = mp.matrix([[-lam / 2, s], [s, lam / 2]])
        kappa = mp.sqrt(s**2 + lam**2 / 4)
        moved = (mp.cosh(kappa * t) * mp.eye(2) + mp.sinh(kappa * t) / kappa * f) * q
        integral = mp.sinh(2 * kappa * t) / (2 * kappa) * mp.eye(2) + mp.sinh(kappa * t) ** 2 / kappa**2 * f
        return float(moved[0] * moved[1] / (1 + (q.T * integral * q)[0]))


@pytest.mark.parametrize("lam", [0.0, 1e-6, -1e-6, 1.0, -1.0, 1e4, -1e4])
@pytest.mark.parametrize("a0", [1e-200, 1e-12, 1e-3, 0.4, 3.0, 50.0])
def test_strengths_in_high_precision(a0, lam):
    for s in (3.0, 1e-3):
        times = np.array([0.0, 1e-6, 0.1, 1.0, 5.0, 30.0, 300.0]) / np.hypot(s, lam / 2)
        got = aligned_strengths(np.array([s]), np.array([a0]), lam, times)[:, 0]
        # the growth itself is known to a rounding error of the phase
        expected = [precise_strength(s, a0, lam, time) for time in times]
        assert np.allclose(got, expected, rtol=2e-13 if a0 < 1e-100 else 1e-14, atol=0)


@pytest.mark.parametrize("lam", [0.0, 1e-6, -1e-6, 1.0, -1.0, 1e4, -1e4])
@pytest.mark.parametrize("a0", [-1e-12, -0.4, -50.0])
def test_negative_strengths_in_high_precision(a0, lam):
    """They cross zero, or at lambda = 0 only approach it, so that the error is relative to the initial strength."""
    for s in (3.0, 1e-3):
        times = np.array([0.0, 1e-6, 0.1, 1.0, 5.0, 15.0]) / np.hypot(s, lam / 2)
        got = aligned_strengths(np.array([s]), np.array([a0]), lam, times)[:, 0]
        expected = [precise_strength(s, a0, lam, time) for time in times]
        assert np.allclose(got, expected, rtol=1e-14, atol=1e-15 * abs(a0))


@pytest.mark.parametrize("lam", [0.0, 1e-6, -1e-6, 2.0, -2.0, 1e4, -1e4])
def test_the_differential_equation(lam):
    """Thesis (3.2), corrected: tau da/dt = sqrt(lambda^2 + 4 a^2) (s - a)."""
    a0 = np.array([0.01, -0.3, 2.0])
    times = np.array([0.0, 0.1, 1.0, 4.0]) / max(1.0, abs(lam))
    flow = solve_ivp(
        lambda _, a: np.sqrt(lam**2 + 4 * a**2) * (S - a),
        (0, times[-1]),
        a0,
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-14,
    )
    assert np.allclose(aligned_strengths(S, a0, lam, times), flow.y.T, rtol=1e-10, atol=1e-11)


def test_sigmoid():
    """Saxe et al. (2014), 1312.6120: a(t) = s e^{2st} / (e^{2st} - 1 + s/a0) for lambda = 0."""
    a0, times = np.array([1e-3, 0.5, 1e-9]), np.array([0.0, 1.0, 7.0, 100.0])
    expected = S / (1 + (S / a0 - 1) * np.exp(-2 * S * times[:, None]))
    assert np.allclose(aligned_strengths(S, a0, 0.0, times), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("lam", [1e8, -1e8])
def test_exponential(lam):
    a0, times = np.array([0.0, -2.0, 0.3]), np.array([0.0, 0.5, 1.0, 40.0]) / 1e8
    expected = S + (a0 - S) * np.exp(-1e8 * times[:, None])
    assert np.allclose(aligned_strengths(S, a0, lam, times), expected, atol=1e-12)


def test_limits_of_early_and_late_times():
    s, a0 = np.array([2.0, 2.0, 2.0, 0.0]), np.array([1e-300, 1e-3, 50.0, 1.0])
    for lam in (0.0, 1.0, -1.0):
        assert np.allclose(aligned_strengths(s, a0, lam, np.array([1e8, 1e300])), s, atol=1e-8)
    assert not np.any(aligned_strengths(s, np.zeros(4), 0.0, np.array([0.0, 1.0, 1e9])))
    assert np.all(np.abs(aligned_strengths(s[:2], -a0[1:3], 0.0, np.array([0.5, 1e3]))) <= [[1e-3, 50.0], [0.0, 0.0]])
    # without a task or a balance, tau da/dt = -2 a^2
    assert np.isclose(aligned_strengths(s[3:], a0[3:], 0.0, np.array([2.0]))[0, 0], 1 / 5, rtol=1e-15, atol=0)


def network(lam, x, task, *, hidden=None, seed=0):
    """Build weights with strengths x of the smaller layer, along the singular vectors of the task."""
    rng = np.random.default_rng(seed)
    u, _, vt = np.linalg.svd(task)
    larger = np.sqrt(np.square(x) + abs(lam))
    first, second = (x, larger) if lam >= 0 else (larger, x)
    columns = np.linalg.qr(rng.standard_normal((hidden or len(x), len(x))))[0]
    return Drawn((columns * first) @ vt[: len(x)], (u[:, : len(x)] * second) @ columns.T, task, lam)


def solved(problem):
    return aligned(modes(problem.sigma_yx, problem.lam), problem.w1, problem.w2, rounded=True)


@settings(max_examples=60, deadline=None)
@given(
    dims=st.tuples(*[st.integers(1, 7)] * 3),
    lam=balances,
    scale=st.floats(-3, 0.5),
    seed=st.integers(0, 2**32),
    phase=st.floats(0, 20),
)
@example(dims=(1, 1, 2), lam=0.0, scale=0.0, seed=7, phase=0.0)  # singular vectors that are orthogonal to 9.5e-17
def test_balanced_draws_are_aligned_and_solved_as_in_general(dims, lam, scale, seed, phase):
    n_in, n_hidden, n_out = dims
    n_hidden = min(n_hidden, n_out if lam > 0 else n_in) if lam else n_hidden
    rng = np.random.default_rng(seed)
    task = rng.standard_normal((n_out, n_in))
    basis = modes(task, lam)
    weights = balanced_weights((n_in, n_hidden, n_out), lam, 10**scale, rng, Directions(basis.u, basis.v))
    problem = Drawn(*weights, task, lam)
    general = problem.solve()
    found = aligned(basis, *weights, rounded=True)
    assert found is not None
    known = mode_overlap(general)
    assert list(found.unreached) == list(known.missed)
    doubt = 0.0 if known.smallest_overlap is None else 1 / known.smallest_overlap
    time = phase / problem.rate
    assert relative_error(qqt_at(found, time), qqt_at(general, time)) <= 1e-13 + 1e3 * doubt


@pytest.mark.parametrize("lam", [0.0, 2.0, -2.0])
def test_the_gradient_flow(lam):
    task = np.random.default_rng(1).standard_normal((4, 3))
    problem = network(lam, np.array([0.5, 1.5, 0.1]), task)
    found, times = solved(problem), np.array([0.0, 0.3, 1.0, 3.0])
    factors = found.at(times)
    path = integrate(problem.w1, problem.w2, task, times)
    for i, (w1, w2) in enumerate(path):
        assert np.allclose(found.modes.v @ factors.into[i] @ found.directions, w1.T, atol=1e-10)
        assert np.allclose(found.modes.u @ factors.out[i] @ found.directions, w2, atol=1e-10)


@pytest.mark.parametrize("lam", [0.0, 0.5, -0.5])
def test_tiny_strengths_beside_large_ones(lam):
    """A pivot test relative to all weights would treat them as rounding errors."""
    x, s = np.array([1.0, 1e-120, 1e-20]), np.array([3.0, 2.0, 1.0])
    found = solved(network(lam, x, np.diag(s)) if lam else Drawn(np.diag(x), np.diag(x), np.diag(s), 0.0))
    if lam == 0:
        assert mode_overlap(solve(np.diag(x), np.diag(x), np.diag(s), 0.0)).missed == ()
    assert len(found.unreached) == 0
    times = np.array([0.0, 3.0, 138.0, 160.0])
    factors = found.at(times)
    got = np.diagonal(factors.out @ factors.into.transpose(0, 2, 1), axis1=1, axis2=2)
    a0 = x * np.sqrt(x**2 + abs(lam))
    assert np.allclose(got, aligned_strengths(s, a0, lam, times), rtol=1e-12, atol=1e-15 if lam else 0)
    assert np.allclose(got[3], s, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("strengths", "unreached"),
    [([1.0, 1.0, 0.0, 0.0], []), ([0.0, 1.0, 0.0, 1.0], [0, 2]), ([1.0, 0.0, 0.0, 0.0], [1, 2, 3])],
)
def test_modes_without_overlap_are_missed_while_hidden_units_are_free(strengths, unreached):
    used = np.flatnonzero(strengths)
    w1 = np.zeros((2, 4))
    w1[np.arange(len(used)), used] = 1.0
    found = solved(Drawn(w1, w1.T.copy(), np.diag([4.0, 3.0, 2.0, 1.0]), 0.0))
    assert list(found.unreached) == unreached


@pytest.mark.parametrize("turned", [False, True])
def test_layers_of_opposite_sign_never_learn_without_balance(turned):
    rng = np.random.default_rng(3)
    task = rng.standard_normal((3, 3)) if turned else np.diag([3.0, 2.0, 1.0])
    u, _, vt = np.linalg.svd(task)
    columns = np.linalg.qr(rng.standard_normal((3, 3)))[0] if turned else np.eye(3)
    x = np.array([1.0, -0.7, 0.5])
    w1, w2 = (columns * x) @ vt, (u * np.abs(x)) @ columns.T
    found = solved(Drawn(w1, w2, task, 0.0))
    assert list(found.unreached) == [1]
    strengths = found.at(np.array([0.0, 1e3]))
    product = strengths.out @ strengths.into.transpose(0, 2, 1)
    assert np.allclose(np.diagonal(product[0]), x * np.abs(x), atol=1e-15)
    assert np.allclose(np.diagonal(product[1]), [found.modes.s[0], 0.0, found.modes.s[2]], atol=1e-13)


def test_overlaps_in_rounding_errors():
    task = np.diag([2.0, 1.0])
    sure = solved(Drawn(np.diag([1.0, 1e-100]), np.diag([1.0, 1e-100]), task, 0.0))
    assert sure.smallest_overlap > 1e13
    doubtful = solved(Drawn(np.diag([1.0, 1.0 + 1e-8]), np.diag([1.0, -1.0]), task, 0.0))
    assert 1e5 < doubtful.smallest_overlap < 1e8
    assert solved(Drawn(np.zeros((2, 2)), np.zeros((2, 2)), task, 0.0)).smallest_overlap is None


def test_zero_weights_stay():
    found = solved(Drawn(np.zeros((3, 2)), np.zeros((4, 3)), np.ones((4, 2)), 0.0))
    factors = found.at(np.array([0.0, 5.0]))
    assert (factors.into.shape, factors.out.shape, found.directions.shape) == ((2, 2, 1), (2, 4, 1), (1, 3))
    assert not np.any(factors.into)
    assert not np.any(factors.out)


def test_batches_cover_all_times_in_order():
    found = solved(network(0.5, np.ones(3), np.diag([3.0, 2.0, 1.0])))
    times = np.linspace(0, 2, 1000)
    parts = list(found.batches(times))
    assert len(parts) > 1
    assert np.array_equal(np.concatenate([times[part] for part, _ in parts]), times)
    assert np.array_equal(np.concatenate([factors.out for _, factors in parts]), found.at(times).out)


def test_weights_that_are_not_aligned():
    task = np.diag([2.0, 1.0])
    one = np.eye(2)
    mixed = np.array([[1.0, 1e-9], [0.0, 1.0]])
    swapped = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert solved(Drawn(one, one, task, 0.0)) is not None
    assert solved(Drawn(mixed, one, task, 0.0)) is None  # rows of the first layer share a direction
    assert solved(Drawn(one, mixed.T.copy(), task, 0.0)) is None  # of the second
    assert solved(Drawn(one, swapped, task, 0.0)) is None  # a mode's row in one layer is another mode's in the other
    # the two rows of each mode are along different hidden units, which is impossible for balanced weights
    apart = np.array([[1.0, 1.0]])
    assert solved(Drawn(np.array([[1.0], [0.0]]), apart, np.array([[1.0]]), 0.0)) is None
    assert solved(Drawn(np.array([[0.5], [0.5]]), np.array([[1.0, 0.0]]), np.array([[1.0]]), 0.0)) is None
