"""The exact solution against references of 90 digits, high precision, ODE integration, and its properties."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.oracle import exact_qqt, exact_qqt_in_units_of_growth, integrate, qqt, relative_error
from support.problems import Drawn, drawn, qqt_at, weights_at

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.riccati import solve

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "balanced_qqt.json").read_text())["cases"]
EPS = np.finfo(float).eps


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case["name"])
def test_references_of_90_digits(case):
    w1, w2, sigma_yx = (np.array(case[name]) for name in ("w1", "w2", "sigma_yx"))
    solution = solve(w1, w2, sigma_yx, case["lam"])
    for time, expected in zip(case["times"], case["qqt"], strict=True):
        got = qqt_at(solution, time / case["time_constant"])
        assert relative_error(got, np.array(expected)) <= 2e-14


@settings(max_examples=40, deadline=None)
@given(problem=drawn(largest=5), phase=st.floats(0, 30))
def test_definition_in_high_precision(problem, phase):
    assume(np.any(problem.sigma_yx) or problem.lam)
    time = phase / problem.rate
    solution = problem.solve()
    expected = exact_qqt(problem.w1, problem.w2, problem.sigma_yx, problem.lam, time)
    known = mode_overlap(solution)
    # overlaps have rounding errors; one that is zero may be a rounding error, which grows while the others decay
    doubt = 0.0 if known.smallest_overlap is None else 1 / known.smallest_overlap
    if known.missed:
        doubt += EPS * np.exp(2 * phase)
    assume(doubt < 1e-3)
    assert relative_error(qqt_at(solution, time), expected) <= 2e-14 + 20 * doubt


@settings(max_examples=25, deadline=None)
@given(problem=drawn(lam=st.sampled_from([0.0, 0.5, -0.5, 5.0, -5.0]), scales=(-1.0, 0.5)))
def test_gradient_flow_by_integration(problem):
    assume(problem.rate > 0)
    times = np.array([0.0, 0.3, 1.0, 3.0]) / problem.rate
    solution = problem.solve()
    for time, (w1, w2) in zip(times, integrate(problem.w1, problem.w2, problem.sigma_yx, times), strict=True):
        assert relative_error(qqt_at(solution, time), qqt(w1, w2)) <= 1e-9


@settings(max_examples=150, deadline=None)
@given(problem=drawn(), exponent=st.floats(-6, 12))
def test_any_time_is_finite_symmetric_and_semidefinite(problem, exponent):
    solution = problem.solve()
    for time in (0.0, 10**exponent):
        p = qqt_at(solution, time)
        assert np.all(np.isfinite(p))
        assert np.array_equal(p, p.T)
        size = np.linalg.norm(p)
        assert np.linalg.eigvalsh(p)[0] >= -100 * EPS * size


@settings(max_examples=150, deadline=None)
@given(problem=drawn(), exponent=st.floats(-6, 12))
def test_balance_is_conserved(problem, exponent):
    w1, w2 = weights_at(problem.solve(), 10**exponent)
    b = w2.T @ w2 - w1 @ w1.T
    eigenvalues = np.linalg.eigvalsh(b)
    size = np.sum(w1 * w1) + np.sum(w2 * w2)
    start = np.linalg.eigvalsh(problem.w2.T @ problem.w2 - problem.w1 @ problem.w1.T)
    # B has one eigenvalue lambda for each hidden unit; the factors omit units without weights
    expected = np.sort(start)[:: -1 if problem.lam > 0 else 1][: len(eigenvalues)]
    size = max(size, np.sum(problem.w1**2) + np.sum(problem.w2**2))
    assert np.allclose(np.sort(eigenvalues), np.sort(expected), rtol=0, atol=200 * EPS * size)


@settings(max_examples=100, deadline=None)
@given(problem=drawn(), phases=st.lists(st.floats(0, 50), min_size=2, max_size=12))
def test_excess_loss_never_rises(problem, phases):
    assume(problem.rate > 0)
    solution = problem.solve()
    losses = []
    for phase in sorted(phases):
        w1, w2 = weights_at(solution, phase / problem.rate)
        losses.append(0.5 * np.sum((problem.sigma_yx - w2 @ w1) ** 2))
    size = np.sum(problem.sigma_yx**2) + losses[0]
    assert all(later <= earlier + 1e-12 * size for earlier, later in pairwise(losses))


@settings(max_examples=100, deadline=None)
@given(problem=drawn(), first=st.floats(0, 10), second=st.floats(0, 10))
def test_semigroup(problem, first, second):
    assume(problem.rate > 0)
    solution = problem.solve()
    known = mode_overlap(solution)
    assume(not known.missed)
    middle = weights_at(solution, first / problem.rate)
    onwards = solve(*middle, problem.sigma_yx, problem.lam)
    overlap = mode_overlap(onwards).smallest_overlap
    doubt = 0.0 if overlap is None else 1 / overlap + 1 / (known.smallest_overlap or np.inf)
    expected = qqt_at(solution, (first + second) / problem.rate)
    assert relative_error(qqt_at(onwards, second / problem.rate), expected) <= 1e-12 + 100 * doubt


@settings(max_examples=100, deadline=None)
@given(problem=drawn(), phase=st.floats(0, 50))
def test_exchange_of_the_layers(problem, phase):
    """w1 <-> w2^T, lambda -> -lambda, sigma_yx -> sigma_yx^T gives the same run with the blocks exchanged."""
    assume(problem.rate > 0)
    n_in = problem.w1.shape[1]
    mirrored = Drawn(problem.w2.T, problem.w1.T, problem.sigma_yx.T, -problem.lam)
    known = mode_overlap(problem.solve())
    assume(not known.missed)
    doubt = 0.0 if known.smallest_overlap is None else 1 / known.smallest_overlap
    p = qqt_at(problem.solve(), phase / problem.rate)
    q = np.roll(qqt_at(mirrored.solve(), phase / problem.rate), (n_in, n_in), (0, 1))
    assert relative_error(q, p) <= 1e-13 + 100 * doubt


def test_lambda_to_zero_is_continuous():
    rng = np.random.default_rng(3)
    w1 = 0.3 * np.linalg.qr(rng.standard_normal((4, 4)))[0]
    w2 = 0.3 * np.linalg.qr(rng.standard_normal((4, 4)))[0]
    sigma_yx = rng.standard_normal((4, 4))
    at_zero = qqt_at(solve(w1, w2, sigma_yx, 0.0), 2.0)
    for lam in (1e-9, -1e-9, 1e-13, -1e-13, 1e-300, -1e-300):
        assert relative_error(qqt_at(solve(w1, w2, sigma_yx, lam), 2.0), at_zero) <= 20 * abs(lam) + 1e-14


def test_aligned_modes_follow_the_sigmoid():
    """Saxe et al. (2014), 1312.6120: a(t) = s e^{2st} / (e^{2st} - 1 + s/a0) for lambda = 0."""
    s, a0 = np.array([3.0, 1.5, 0.2]), np.array([1e-3, 0.4, 1e-6])
    w = np.diag(np.sqrt(a0))
    solution = solve(w, w, np.diag(s), 0.0)
    for time in (0.0, 0.5, 2.0, 40.0):
        w1, w2 = weights_at(solution, time)
        expected = s / (1 + (s / a0 - 1) * np.exp(-2 * s * time))
        assert np.allclose(np.diagonal(w2 @ w1), expected, rtol=1e-13, atol=0)


def test_large_lambda_is_exponential():
    """docs/theory.md, section 5: W = S + (W0 - S) e^{-|lambda| t} + O(1/|lambda|) when hidden = out."""
    rng = np.random.default_rng(4)
    sigma_yx, lam = rng.standard_normal((3, 4)), 1e6
    w1 = rng.standard_normal((3, 4)) / 1e3
    factor = np.linalg.cholesky(lam * np.eye(3) + w1 @ w1.T)
    w2 = np.linalg.qr(rng.standard_normal((3, 3)))[0] @ factor.T
    got1, got2 = weights_at(solve(w1, w2, sigma_yx, lam), 1 / lam)
    assert np.allclose(got2 @ got1, sigma_yx + (w2 @ w1 - sigma_yx) * np.exp(-1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("lam", [1e3, 1e5, 1e7, 1e9])
@pytest.mark.parametrize("dims", [(3, 2, 4), (4, 3, 4), (2, 1, 2)], ids=str)
def test_slow_phase_at_large_lambda(dims, lam, mirrored):
    """With hidden < out, w2 rotates at the rate s^2 / lambda, by eigenvalues that are equal in float64."""
    n_in, _, n_out = dims
    rng = np.random.default_rng(n_in)
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (n_out, n_in))
    sigma_yx = (u[:, :n_in] * np.array([1.5, 1.0, 0.7, 0.4])[:n_in]) @ v.T
    problem = Drawn(*balanced_weights(dims, lam, 0.5, rng), sigma_yx, lam)
    if mirrored:
        problem, n_in = Drawn(problem.w2.T, problem.w1.T, sigma_yx.T, -lam), n_out
    solution = problem.solve()
    for turned in (0.1, 1.0, 5.0):
        time = turned * lam  # in units of the turning time of the mode s = 1
        expected = exact_qqt_in_units_of_growth(problem.w1, problem.w2, problem.sigma_yx, problem.lam, time)
        got = qqt_at(solution, time)
        assert relative_error(got, expected) <= 1e-14
        assert relative_error(got[n_in:, :n_in], expected[n_in:, :n_in]) <= 1e-14


def test_oracles_agree():
    """Compare them where the plain one has enough digits."""
    rng = np.random.default_rng(5)
    w1, w2 = balanced_weights((3, 2, 4), 8.0, 0.5, rng)
    sigma_yx = rng.standard_normal((4, 3))
    for time in (0.0, 0.3, 2.0):
        expected = exact_qqt(w1, w2, sigma_yx, 8.0, time)
        assert relative_error(exact_qqt_in_units_of_growth(w1, w2, sigma_yx, 8.0, time), expected) <= 1e-15


@pytest.mark.parametrize("scale", [1e3, 1e4, 1e6])
def test_nearly_dependent_overlaps_keep_their_digits(scale):
    """If the Gram matrix loses the pivots, the solution uses QR instead."""
    w1 = np.array([[1 / scale, 1.0], [0.0, 1 / scale]])
    u, s, _ = np.linalg.svd(w1)
    w2 = np.diag(s) @ u.T
    sigma_yx = np.diag([1.0, 0.99])
    solution = solve(w1, w2, sigma_yx, 0.0)
    for time in (1.0, 10.0, 20.0, 40.0):
        expected = exact_qqt(w1, w2, sigma_yx, 0.0, time)
        assert relative_error(qqt_at(solution, time), expected) <= 1e-14 * scale


@pytest.mark.parametrize("digits", [20, 30, 40])
def test_an_overlap_that_a_slower_mode_hides(digits):
    """Mode 1 has an overlap of 2^-digits along a hidden direction in which mode 2 has one of order 1.

    Where both have grown, the Gram matrix is not positive definite in float64; the error stays that of the overlap.
    """
    tiny = 2.0**-digits
    w1 = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 0.0]])
    w2 = np.array([[tiny - 1, 0.0], [0.5, 0.5], [np.sqrt(2 * tiny - tiny**2), 0.0]])
    sigma_yx = np.diag([1.0, 0.99, 0.5])
    solution = solve(w1, w2, sigma_yx, 0.0)
    for time in (1.0, 10.0, 20.0, 30.0, 40.0, 700.0, 3000.0):
        expected = exact_qqt(w1, w2, sigma_yx, 0.0, time)
        assert relative_error(qqt_at(solution, time), expected) <= 2e-14 + 1 / mode_overlap(solution).smallest_overlap


def test_scalings_agree_where_they_meet():
    """Growth of e^299 is computed unscaled, and of e^301 in units of growth; results are continuous across."""
    rng = np.random.default_rng(11)
    problem = Drawn(*balanced_weights((4, 3, 5), -0.5, 1e-40, rng), rng.standard_normal((5, 4)), -0.5)
    solution = problem.solve()
    rate = solution.modes.eigenvalues[0]
    early, late = (solution.at(np.array([phase / rate, beyond / rate])) for phase, beyond in ((90, 91), (90, 400)))
    assert np.allclose(early.out[0] @ early.into[0].T, late.out[0] @ late.into[0].T, rtol=0, atol=1e-13)


def test_zero_weights_stay():
    solution = solve(np.zeros((3, 2)), np.zeros((4, 3)), np.ones((4, 2)), 0.0)
    assert not np.any(qqt_at(solution, 10.0))
    assert mode_overlap(solution).missed == (0,)


def test_batches_cover_all_times_in_order():
    problem = Drawn(np.eye(3), np.eye(3), np.diag([3.0, 2.0, 1.0]), 0.0)
    times = np.linspace(0, 2, 5000)
    solution = problem.solve()
    parts = [(part, factors.out) for part, factors in solution.batches(times)]
    assert len(parts) > 1
    assert np.array_equal(np.concatenate([times[part] for part, _ in parts]), times)
    singles = [solution.at(times[i : i + 1]).out[0] for i in (0, 2500, 4999)]
    assert np.allclose(np.concatenate([out for _, out in parts])[[0, 2500, 4999]], singles, rtol=1e-14, atol=0)


def test_phi_and_its_limit():
    x = np.array([0.0, 1e-300, 1e-9, 1.0, 50.0, 1e300])
    expected = [1.0, 1.0, 1 - 5e-10, 1 - np.exp(-1), 1 / 50, 1e-300]
    assert np.allclose(phi(x), expected, rtol=1e-15, atol=0)
