"""The weights themselves against integration of the flow of both layers, hidden unit by hidden unit."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.oracle import integrate, relative_error
from support.problems import Drawn, drawn, qqt_at, weights_at

from lindyn_service.dynamics import hidden_rotation
from lindyn_service.dynamics.aligned import aligned
from lindyn_service.dynamics.hidden_rotation import true_weights
from lindyn_service.dynamics.initial_coordinates import rows
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.precise_flow import PreciseFlow
from lindyn_service.dynamics.riccati import solve

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "balanced_qqt.json").read_text())["cases"]


def problem_of(shape, lam, seed, scale=0.3, singular_values=(3.0, 2.0, 1.0, 0.5)):
    rng = np.random.default_rng(seed)
    n_in, _, n_out = shape
    u, _, vt = np.linalg.svd(rng.standard_normal((n_out, n_in)), full_matrices=False)
    s = np.pad(singular_values, (0, 9))[: len(vt)]
    return Drawn(*balanced_weights(shape, lam, scale, rng), (u * s) @ vt, lam)


def weights_of(problem, times):
    return true_weights(problem.solve(), problem.w1, problem.w2, times)


def stacked(w1, w2):
    return np.concatenate([np.swapaxes(w1, -1, -2), w2], axis=-2)


def largest_error(found, path):
    """Largest error over the times, relative to the weights."""
    together = zip(found.w1, found.w2, path, strict=True)
    return max(relative_error(stacked(w1, w2), stacked(*expected)) for w1, w2, expected in together)


def error_along(problem, times):
    found = weights_of(problem, times)
    assert found.deviation <= 1e-11
    return largest_error(found, integrate(problem.w1, problem.w2, problem.sigma_yx, times))


@pytest.mark.parametrize(
    ("shape", "lam"),
    [
        ((3, 3, 3), 0.0),
        ((3, 3, 3), -3.0),
        ((4, 2, 5), 0.0),
        ((4, 2, 5), 0.5),
        ((4, 2, 5), -0.5),
        ((5, 1, 3), 3.0),
        ((2, 3, 5), 0.5),
        ((5, 3, 2), -3.0),
        ((5, 3, 2), 0.0),
        ((2, 6, 3), 0.0),
        ((1, 1, 1), -0.5),
    ],
    ids=str,
)
def test_the_flow_of_both_layers(shape, lam):
    assert error_along(problem_of(shape, lam, seed=sum(shape)), np.array([0.0, 0.1, 0.5, 1.0, 3.0])) <= 1e-10


@pytest.mark.parametrize(
    ("shape", "lam", "scale"),
    [
        ((3, 3, 3), 0.0, 1e-3),
        ((4, 2, 3), 1.0, 0.3),
        ((4, 3, 2), -1.0, 1.5),
        ((3, 2, 3), 0.0, 2.0),
        ((3, 3, 3), 20.0, 0.1),
    ],
    ids=str,
)
def test_double_double_arithmetic(shape, lam, scale):
    problem, times = problem_of(shape, lam, seed=11, scale=scale), np.array([0.0, 0.2, 1.0, 5.0])
    found = weights_of(problem, times)
    flow = PreciseFlow((problem.w1, problem.w2), problem.sigma_yx, None, max_steps=10_000)
    path = [pair for _, states in flow.batches(times) for pair in zip(*states.layers, strict=True)]
    assert largest_error(found, path) <= 5e-14
    assert found.deviation <= 5e-14


def test_too_few_approximations_show_up_in_the_deviation(monkeypatch):
    problem, times = problem_of((3, 3, 3), 0.0, seed=12), np.array([0.5, 1.0, 3.0])
    monkeypatch.setattr(hidden_rotation, "_MAX_APPROXIMATIONS", 3)
    found = weights_of(problem, times)
    off = largest_error(found, integrate(problem.w1, problem.w2, problem.sigma_yx, times))
    assert 1e-9 < off <= found.deviation


@pytest.mark.parametrize("singular_values", [(), (3.0,), (2.0, 2.0, 2.0), (3.0, 1.0, 1.0)])
def test_tasks_of_any_rank_and_with_equal_modes(singular_values):
    problem = problem_of((4, 3, 4), 0.0, seed=2, singular_values=singular_values)
    assert error_along(problem, np.array([0.0, 1.0, 5.0, 30.0])) <= 1e-10


@pytest.mark.parametrize("lam", [50.0, -1e4, 1e4])
def test_large_balance(lam):
    problem = problem_of((3, 3, 3), lam, seed=4)
    assert error_along(problem, np.array([0.0, 0.3, 1.0, 3.0, 20.0]) / abs(lam)) <= 1e-10


def test_two_time_scales():
    """docs/theory.md, section 5: with hidden < out and large lambda, w2 rotates slowly at the rate s^2 / lambda."""
    problem = problem_of((3, 3, 5), 30.0, seed=5)
    times = np.array([0.2, 5.0, 20.0])
    found = weights_of(problem, times)
    assert np.linalg.norm(found.w2[2] - found.w2[0]) > 1
    assert largest_error(found, integrate(problem.w1, problem.w2, problem.sigma_yx, times)) <= 1e-10


@settings(max_examples=6, deadline=None)
@given(problem=drawn(largest=4, lam=st.sampled_from([0.0, 0.5, -0.5, 5.0, -5.0]), scales=(-2.0, 0.5)))
def test_any_problem(problem):
    assume(problem.rate > 0)
    known = mode_overlap(problem.solve())
    assume(not known.missed)
    assert error_along(problem, np.array([0.0, 0.3, 1.0, 3.0]) / problem.rate) <= 1e-10 + 100 / known.smallest_overlap


def saddle():
    """Build a problem whose determinant has the wrong sign, so that the weakest mode is never learned."""
    rng = np.random.default_rng(1)
    w1, w2 = balanced_weights((3, 3, 3), 0.0, 0.3, rng)
    u, _, vt = np.linalg.svd(rng.standard_normal((3, 3)))
    vt[2] *= -np.sign(np.linalg.det(w2 @ w1) * np.linalg.det(u @ vt))
    return Drawn(w1, w2, (u * [3.0, 2.0, 1.0]) @ vt, 0.0), (u[:, :2] * [3.0, 2.0]) @ vt[:2]


def test_convergence_to_a_saddle():
    problem, _ = saddle()
    assert mode_overlap(problem.solve()).missed == (2,)
    assert error_along(problem, np.array([0.0, 0.5, 1.0, 4.0])) <= 1e-10


def test_weights_rest_at_a_saddle():
    problem, learned = saddle()
    found = weights_of(problem, np.array([1e2, 1e4]))
    assert np.allclose(found.w2 @ found.w1, learned, atol=1e-13)
    assert np.allclose(found.w1, found.w1[0], atol=1e-13)
    assert np.allclose(found.w2, found.w2[0], atol=1e-13)


def test_no_transient_is_skipped():
    """Tiny weights grow as e^{Ft} for long, without interaction of hidden units, before learning begins."""
    s = np.array([3.0, 2.9, 2.7])
    rng = np.random.default_rng(6)
    w1, w2 = balanced_weights((3, 3, 3), 0.0, 1.0, rng)
    if np.linalg.det(w2 @ w1) < 0:
        w1 = w1 * [[1.0, 1.0, -1.0]]
    tiny, quiet = 1e-120, 1e-9
    start = np.log(quiet / tiny) / s[0]
    cosh, sinh = np.cosh(s * start), np.sinh(s * start)
    grown1, grown2 = tiny * (w1 * cosh + w2.T * sinh), tiny * (w2 * cosh[:, None] + w1.T * sinh[:, None])
    later = np.array([0.0, 6.0, 8.0, 12.0])
    found = weights_of(Drawn(tiny * w1, tiny * w2, np.diag(s), 0.0), start + later)
    assert largest_error(found, integrate(grown1, grown2, np.diag(s), later)) <= 1e-10


@pytest.mark.parametrize(("lam", "most"), [(0.0, 1300), (-50.0, 1300), (1e4, 1300)])
def test_long_times_cost_little(lam, most):
    problem = problem_of((4, 4, 4), lam, seed=7)
    assert weights_of(problem, np.array([1e4]) / problem.rate).evaluations <= most


def test_equal_modes_cost_little_at_late_times():
    """Rounding errors of the rotation of converged modes would otherwise limit the steps."""
    problem = problem_of((3, 3, 3), 1.0, seed=8, singular_values=(2.0, 2.0, 2.0))
    found = weights_of(problem, np.array([30.0, 1e7]))
    assert found.evaluations <= 1300
    assert np.allclose(found.w1[0], found.w1[1], atol=1e-13)


@pytest.mark.parametrize("singular_values", [(2.0,) * 6, (3.0,) * 3 + (1.0,) * 3])
@pytest.mark.parametrize("lam", [0.0, -1.0])
def test_learned_equal_modes_rest(singular_values, lam):
    """Rounding errors of equal eigenvalues would rotate the weights for as long as training lasts."""
    for seed in range(3):
        problem = problem_of((6, 6, 6), lam, seed, singular_values=singular_values)
        found = weights_of(problem, np.array([100.0, 1e6, 1e9]))
        assert found.evaluations <= 1300
        assert np.allclose(found.w1, found.w1[0], rtol=0, atol=1e-13)
        assert np.allclose(found.w2, found.w2[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("gap", [1e-2, 1e-4])
def test_nearly_equal_modes(gap):
    """The hidden units rotate slowly, at the difference of the rates; rounding errors do not shorten the intervals."""
    problem = problem_of((3, 3, 3), 0.0, seed=9, singular_values=(2.0, 1.5 + gap, 1.5))
    assert weights_of(problem, np.array([1e8])).evaluations <= 1300
    times = np.array([10.0, 50.0])
    flow = PreciseFlow((problem.w1, problem.w2), problem.sigma_yx, None, max_steps=10_000)
    path = [pair for _, states in flow.batches(times) for pair in zip(*states.layers, strict=True)]
    assert largest_error(weights_of(problem, times), path) <= 1e-15 / gap + 1e-13


@pytest.mark.parametrize("case", REFERENCES[::9], ids=lambda case: case["name"])
def test_references_of_90_digits(case):
    w1, w2, sigma_yx = (np.array(case[name]) for name in ("w1", "w2", "sigma_yx"))
    times = np.array(case["times"]) / case["time_constant"]
    found = true_weights(solve(w1, w2, sigma_yx, case["lam"]), w1, w2, times)
    q = stacked(found.w1, found.w2)
    for got, expected in zip(q @ q.transpose(0, 2, 1), case["qqt"], strict=True):
        assert relative_error(got, np.array(expected)) <= 3e-14


@settings(max_examples=5, deadline=None)
@given(problem=drawn(), phase=st.floats(0, 50))
def test_products_are_those_of_the_solution(problem, phase):
    assume(problem.rate > 0)
    found = weights_of(problem, np.array([phase / problem.rate]))
    q = stacked(found.w1[0], found.w2[0])
    assert relative_error(q @ q.T, qqt_at(problem.solve(), phase / problem.rate)) <= 1e-13


@settings(max_examples=50, deadline=None)
@given(problem=drawn())
def test_time_zero_returns_the_initial_weights(problem):
    """Weights that span fewer dimensions are exact up to rounding errors, amplified by small pivots."""
    found, expected = weights_of(problem, np.array([0.0])), stacked(problem.w1, problem.w2)
    reduced = problem.solve().echelon
    size = np.linalg.norm(expected)
    dropped = np.linalg.norm(reduced.remainders[reduced.unreached])
    assert dropped <= 1e-15 * size * size / np.min(reduced.remainders[reduced.pivots], initial=size)
    off = np.linalg.norm(stacked(found.w1[0], found.w2[0]) - expected)
    assert off <= 1e-14 * size + 2 * dropped


@pytest.mark.parametrize("small", [1e-6, 1e-9, 1e-12])
def test_time_zero_behind_a_small_overlap(small):
    """Z is only accurate to eps / overlap, but the initial weights must be accurate to rounding."""
    w1 = np.array([[1.0, small, 0.3], [0.2, 1.0, 0.5], [0.7, 0.1, 1.0]])
    values, vectors = np.linalg.eigh(w1 @ w1.T)
    w2 = np.diag([1.0, -1.0, 1.0]) @ (vectors * np.sqrt(values)) @ vectors.T
    problem = Drawn(w1, w2, np.diag([3.0, 2.0, 1.0]), 0.0)
    found = weights_of(problem, np.array([0.0]))
    assert relative_error(stacked(found.w1[0], found.w2[0]), stacked(w1, w2)) <= 1e-14


def test_zero_weights_stay():
    found = weights_of(Drawn(np.zeros((3, 2)), np.zeros((4, 3)), np.ones((4, 2)), 0.0), np.array([0.0, 5.0]))
    assert (found.w1.shape, found.w2.shape) == ((2, 3, 2), (2, 4, 3))
    assert not np.any(found.w1)
    assert not np.any(found.w2)


@pytest.mark.parametrize("lam", [0.0, 2.0, -2.0])
def test_aligned_modes_keep_their_directions(lam):
    rng = np.random.default_rng(9)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    x = np.array([1.0, 0.5, 0.2])
    y = np.sqrt(x**2 + lam) if lam >= 0 else x
    x = x if lam >= 0 else np.sqrt(y**2 - lam)
    w1, w2, task = turn * x, (turn * y).T, np.diag([3.0, 2.0, 1.0])
    solution = aligned(solve(w1, w2, task, lam).modes, w1, w2, rounded=True)
    times = np.array([0.0, 0.5, 2.0])
    found = true_weights(solution, w1, w2, times)
    assert found.evaluations == 0
    assert largest_error(found, integrate(w1, w2, task, times)) <= 1e-11


def upper_factor(problem, time):
    """Factor X of e^{Ft} L X for the rows of the pivots: L_c^{-T}, if the solution has the Cholesky gauge."""
    solution = problem.solve()
    pivots = solution.echelon.pivots
    along, m = rows(solution.modes, *weights_at(solution, time), rounded=True)[0], len(solution.modes.s)
    decay = (along[::-1][:m] - solution.modes.p[:, None] * along[:m]) / solution.modes.q[:, None]
    along = np.concatenate([along[: len(along) - m], decay[::-1]])[pivots]
    growth = np.exp(solution.modes.eigenvalues[pivots] * time)
    return np.linalg.solve(solution.echelon.lower[pivots], along / growth[:, None])


def nearly_dependent(scale):
    """Build overlaps that are nearly dependent: the Gram matrix loses the pivots, and QR is used instead."""
    w1 = np.array([[1 / scale, 1.0], [0.0, 1 / scale]])
    return Drawn(w1, w1.T.copy(), np.diag([1.0, 0.99]), 0.0)


@pytest.mark.parametrize(
    ("problem", "times"),
    [
        (problem_of((4, 3, 5), -0.5, 3), (0.0, 0.3, 3.0)),
        (saddle()[0], (0.0, 0.3, 3.0)),
        (nearly_dependent(1e4), (0.3, 3.0, 20.0)),
    ],
)
def test_the_solution_is_in_the_gauge_of_the_cholesky_factor(problem, times):
    for time in times:
        factor = upper_factor(problem, time)
        assert np.all(np.diagonal(factor) > 0)
        assert np.allclose(np.tril(factor, -1), 0, atol=1e-6 * np.diagonal(factor))


def test_nearly_dependent_overlaps():
    assert error_along(nearly_dependent(1e3), np.array([0.0, 1.0, 3.0, 10.0, 20.0])) <= 1e-10
