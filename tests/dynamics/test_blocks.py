"""Blocks of many networks against 90-digit references, high precision, and the single solution."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp
from support.oracle import exact_qqt, relative_error, riccati_matrix
from support.problems import drawn

from lindyn_service.dynamics.block_convergence import convergence_times
from lindyn_service.dynamics.block_coordinates import block_coordinates, block_modes, saddle_coordinates
from lindyn_service.dynamics.block_dense import dense_losses
from lindyn_service.dynamics.block_solution import BlockSolution
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.convergence import convergence_time, excess_loss_at
from lindyn_service.dynamics.initialization import balanced_weights, many_balanced_weights

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "balanced_qqt.json").read_text())["cases"]
WIDTHS = [
    ((2, 2, 2), 1.0),
    ((5, 5, 5), 0.3),
    ((5, 5, 5), -1.0),
    ((5, 3, 7), 1.0),
    ((7, 3, 5), 1.0),
    ((3, 4, 6), 0.2),
    ((6, 4, 3), -0.2),
    ((3, 5, 8), 0.5),
    ((3, 6, 6), 0.7),
    ((5, 2, 5), -0.7),
    ((6, 3, 4), 0.0),
    ((1, 1, 3), 0.0),
    ((12, 11, 13), 1.0),
    ((3, 13, 14), 1.0),
]
# single solutions have errors of up to 1e-13 where the subtraction of the task loses two digits of the loss
SINGLE = 3e-13


def block(sigma_yx, lam, w1, w2):
    """Solve the generic networks of a block, and return their indices, too."""
    start, generic = block_coordinates(block_modes(sigma_yx, np.asarray(lam, float)), np.stack(w1), np.stack(w2))
    which = np.flatnonzero(generic)
    return which, BlockSolution(start[which])


def networks(dims, lam, count=12, scale=0.4, seed=0):
    rng = np.random.default_rng(seed)
    sigma_yx = rng.standard_normal((dims[2], dims[0])) / np.sqrt(max(dims))
    lams = np.broadcast_to(np.asarray(lam, float), count)
    weights = [balanced_weights(dims, float(each), scale, rng) for each in lams]
    return sigma_yx, lams, [w1 for w1, _ in weights], [w2 for _, w2 in weights]


def qqt_of(solution, layers):
    """Matrix P at each time of a block of one network."""
    one = solution.start.modes.one
    q = np.concatenate([one.v @ layers.into[0], one.u @ layers.out[0]], axis=1)
    return q @ q.transpose(0, 2, 1)


def test_references_of_90_digits():
    checked = 0
    for case in REFERENCES:
        w1, w2, sigma_yx = (np.array(case[name]) for name in ("w1", "w2", "sigma_yx"))
        which, solution = block(sigma_yx, [case["lam"]], [w1], [w2])
        if not len(which):
            continue
        times = np.array(case["times"]) / case["time_constant"]
        for _, batch, layers in solution.layers(times[None]):
            got = qqt_of(solution, layers)
            for known, one, expected in zip(layers.known[0], got, case["qqt"][batch], strict=True):
                checked += known
                assert not known or relative_error(one, np.array(expected)) <= 3e-14, case["name"]
    assert checked >= 60


@pytest.mark.parametrize(("dims", "lam"), WIDTHS)
@pytest.mark.parametrize("times", [np.linspace(0, 10, 40), np.geomspace(1e-3, 60, 40), np.array([2.0])])
def test_losses_are_those_of_single_solutions(dims, lam, times):
    sigma_yx, lams, w1, w2 = networks(dims, lam)
    which, solution = block(sigma_yx, lams, w1, w2)
    losses, good = solution.excess_losses(times[None])
    assert len(which) >= 8
    assert np.count_nonzero(np.all(good, axis=1)) >= 8
    for i, network in enumerate(which):
        expected = excess_loss_at(closed_form(w1[network], w2[network], sigma_yx, lam), times)
        np.testing.assert_allclose(losses[i][good[i]], expected[good[i]], rtol=SINGLE, atol=1e-290)


@settings(max_examples=100, deadline=None)
@given(problem=drawn(), exponents=st.lists(st.floats(-6, 3), min_size=3, max_size=3))
def test_any_problem_is_solved_as_alone_or_excluded(problem, exponents):
    assume(np.any(problem.sigma_yx))
    times = np.sort(10.0 ** np.array(exponents)) / problem.rate
    _, solution = block(problem.sigma_yx, [problem.lam], [problem.w1], [problem.w2])
    assume(len(solution))
    losses, good = solution.excess_losses(times[None])
    alone = closed_form(problem.w1, problem.w2, problem.sigma_yx, problem.lam)
    expected = excess_loss_at(alone, times)
    # rounding errors of overlaps grow in both, and those of growth by many time constants
    doubt = 30 / solution.start.overlaps[0] + 1e-15 * problem.rate * times
    assert np.all(np.abs(losses - expected)[good] <= ((SINGLE + doubt) * expected + 1e-290)[None][good])


def test_losses_in_high_precision_also_late_in_training():
    sigma_yx, lams, w1, w2 = networks((3, 3, 3), 0.7, count=3)
    which, solution = block(sigma_yx, lams, w1, w2)
    times = np.array([0.0, 0.5, 3.0, 20.0, 60.0])
    losses, good = solution.excess_losses(times[None])
    assert np.all(good)
    for i, network in enumerate(which):
        for loss, time in zip(losses[i], times, strict=True):
            assert loss == pytest.approx(loss_of_definition(w1[network], w2[network], sigma_yx, 0.7, time), rel=1e-14)


def loss_of_definition(w1, w2, sigma_yx, lam, time):
    """Compute 1/2 ||W - sigma_yx||^2 from the closed form in 200 digits."""
    with mp.workdps(200):
        values, vectors = mp.eigsy(riccati_matrix(sigma_yx, lam))
        growth = mp.diag([mp.exp(v * time) for v in values])
        integral = mp.diag([mp.expm1(2 * v * time) / (2 * v) for v in values])
        q0 = vectors.T * mp.matrix(np.vstack([w1.T, w2]).tolist())
        inner = mp.eye(q0.cols) + q0.T * integral * q0
        p = vectors * (growth * q0 * mp.inverse(inner) * q0.T * growth) * vectors.T
        n = len(w1.T)
        squares = [(p[n + o, i] - mp.mpf(sigma_yx[o, i])) ** 2 for o in range(len(w2)) for i in range(n)]
        return float(mp.fsum(squares) / 2)


def test_networks_have_lambdas_and_times_of_their_own():
    sigma_yx, lams, w1, w2 = networks((4, 4, 4), np.linspace(0.1, 4, 9), count=9)
    which, solution = block(sigma_yx, lams, w1, w2)
    times = np.linspace(1, 2, 9)[which, None] * np.array([[0.1, 1.0, 5.0]])
    losses, good = solution.excess_losses(times)
    assert np.all(good)
    for i, network in enumerate(which):
        alone = closed_form(w1[network], w2[network], sigma_yx, lams[network])
        np.testing.assert_allclose(losses[i], excess_loss_at(alone, times[i]), rtol=SINGLE)


@pytest.mark.parametrize(("dims", "lam"), [((4, 4, 4), 1e-3), ((3, 5, 8), 0.05), ((5, 3, 7), 0.0), ((7, 5, 3), -0.05)])
def test_weights_early_in_training_of_an_ill_conditioned_problem(dims, lam):
    sigma_yx, lams, w1, w2 = networks(dims, lam, count=6)
    which, solution = block(sigma_yx, lams, w1, w2)
    times = np.array([0.0, 0.01, 1.0])
    for part, _, layers in solution.layers(times[None]):
        assert np.mean(layers.known) > 0.9
        for i, network in enumerate(which[part]):
            functions = layers.out[i] @ layers.into[i].transpose(0, 2, 1)
            for time, known, function in zip(times, layers.known[i], functions, strict=True):
                expected = exact_qqt(w1[network], w2[network], sigma_yx, lam, time)[dims[0] :, : dims[0]]
                one = solution.start.modes.one
                assert not known or relative_error(one.u @ function @ one.v.T, expected) <= 1e-13


def saddles(sigma_yx, w1, w2):
    """The networks of lambda = 0 that miss the weakest mode, by their numbers, and their solution."""
    basis = block_modes(sigma_yx, np.zeros(len(w1)))
    _, generic = block_coordinates(basis, np.stack(w1), np.stack(w2))
    start, missed = saddle_coordinates(basis, np.stack(w1), np.stack(w2))
    assert not np.any(generic & missed)
    which = np.flatnonzero(missed)
    return which, BlockSolution(start[which])


@pytest.mark.parametrize(("n", "hidden"), [(2, 2), (3, 3), (5, 5), (3, 6), (12, 12)])
@pytest.mark.parametrize("scale", [0.02, 0.4, 2.0])
@pytest.mark.parametrize("times", [np.linspace(0, 10, 30), np.geomspace(1e-3, 60, 30)])
def test_losses_of_networks_that_end_at_a_saddle(n, hidden, scale, times):
    sigma_yx, _, w1, w2 = networks((n, hidden, n), 0.0, count=16, scale=scale)
    which, solution = saddles(sigma_yx, w1, w2)
    assert 3 <= len(which) <= 13
    losses, good = solution.excess_losses(times[None])
    assert np.mean(good) > 0.9
    for i, network in enumerate(which):
        expected = excess_loss_at(closed_form(w1[network], w2[network], sigma_yx, 0.0), times)
        np.testing.assert_allclose(losses[i][good[i]], expected[good[i]], rtol=SINGLE)


def test_weights_of_networks_that_end_at_a_saddle_in_high_precision():
    sigma_yx, _, w1, w2 = networks((3, 3, 3), 0.0, count=8)
    which, solution = saddles(sigma_yx, w1, w2)
    assert len(which) >= 2
    times = np.array([0.0, 0.3, 2.0, 8.0])
    one = solution.start.modes.one
    for part, _, layers in solution.layers(times[None]):
        assert np.all(layers.known)
        for i, network in enumerate(which[part]):
            q = np.concatenate([one.v @ layers.into[i], one.u @ layers.out[i]], axis=1)
            for time, own, error in zip(times, q, layers.errors[i], strict=True):
                expected = exact_qqt(w1[network], w2[network], sigma_yx, 0.0, time)
                assert relative_error(own @ own.T, expected) <= 1e-13
                distance = one.u.T @ (expected[3:, :3] - sigma_yx) @ one.v
                np.testing.assert_allclose(error, distance, rtol=0, atol=5e-14 * np.max(np.abs(sigma_yx)))


def test_weights_that_do_not_surely_miss_a_mode_are_left_to_single_solutions():
    """An overlap of some rounding errors, whose growth is for the single solution to decide."""
    sigma_yx, _, w1, w2 = networks((3, 3, 3), 0.0, count=8)
    which, _ = saddles(sigma_yx, w1, w2)
    one = block_modes(sigma_yx, np.zeros(1)).one
    for network in which:
        changed = w2[network] + 1e-13 * np.outer(one.u[:, 2], np.linalg.svd(w1[network])[0][:, 2])
        assert not len(saddles(sigma_yx, [w1[network]], [changed])[0])


def test_the_same_numbers_are_drawn_as_alone():
    for dims, lam in [((4, 3, 5), 0.6), ((3, 4, 6), 0.6), ((6, 4, 3), -0.6), ((2, 5, 3), 0.0)]:
        rngs = [np.random.default_rng(seed) for seed in range(5)]
        w1, w2 = many_balanced_weights(dims, np.full(5, lam), np.linspace(0.1, 2, 5), rngs)
        for i, scale in enumerate(np.linspace(0.1, 2, 5)):
            alone = balanced_weights(dims, lam, scale, np.random.default_rng(i))
            np.testing.assert_array_equal(w1[i], alone[0])
            np.testing.assert_array_equal(w2[i], alone[1])


def test_networks_that_are_not_generic_are_excluded():
    task = np.diag([2.0, 1.0, 0.5])
    turned = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    zero, aligned = np.zeros((3, 3)), (turned @ np.diag([0.3, 0.2, 0.1]), np.diag([0.3, 0.2, 0.1]) @ turned.T)
    which, _ = block(task, [0.0, 0.0], [zero, aligned[0]], [zero, aligned[1]])
    assert not len(which)
    sigma_yx, lams, w1, w2 = networks((4, 4, 4), 0.0, count=30)
    which, _ = block(sigma_yx, lams, w1, w2)
    saddles = np.sign([np.linalg.det(b @ a) * np.linalg.det(sigma_yx) for a, b in zip(w1, w2, strict=True)]) < 0
    np.testing.assert_array_equal(which, np.flatnonzero(~saddles))


def test_a_task_of_zeros_is_learned_by_decay():
    _, lams, w1, w2 = networks((3, 3, 3), 0.0)
    which, solution = block(np.zeros((3, 3)), lams, w1, w2)
    losses, good = dense_losses(solution, np.array([0.0, 1.0]))
    for i, network in enumerate(which):
        expected = excess_loss_at(closed_form(w1[network], w2[network], np.zeros((3, 3)), 0.0), np.array([0.0, 1.0]))
        np.testing.assert_allclose(losses[i][good[i]], expected[good[i]], rtol=1e-12)


@pytest.mark.parametrize(
    ("dims", "lam"),
    [((2, 2, 2), -1.0), ((5, 5, 5), 2.0), ((8, 8, 8), 1.0), ((7, 6, 12), -0.3), ((14, 14, 14), 0.5)],
)
@pytest.mark.parametrize("times", [np.linspace(0, 10, 200), np.geomspace(1e-3, 1e3, 900)])
def test_losses_between_nodes_are_as_good_as_at_them(dims, lam, times):
    sigma_yx, lams, w1, w2 = networks(dims, lam, count=6)
    _, solution = block(sigma_yx, lams, w1, w2)
    losses, good = dense_losses(solution, times)
    expected, known = solution.excess_losses(times[None])
    assert np.mean(good & known) > 0.9
    both = good & known
    np.testing.assert_allclose(losses[both], expected[both], rtol=2e-13, atol=1e-290)


def test_losses_are_evaluated_where_interpolation_saves_no_work():
    _, solution = block(*networks((8, 8, 8), 1.0, count=3))
    times = np.linspace(0, 10, 20)
    np.testing.assert_array_equal(dense_losses(solution, times)[0], solution.excess_losses(times[None])[0])


def test_networks_whose_loss_interpolation_would_not_keep_are_evaluated():
    """If two networks learn at very different times, the intervals only resolve the first."""
    sigma_yx, lams, w1, w2 = networks((8, 8, 8), np.array([0.0, 0.0, 400.0, 400.0]), count=4)
    which, solution = block(sigma_yx, lams, w1, w2)
    times = np.linspace(0, 40, 600)
    losses, good = dense_losses(solution, times)
    for i, network in enumerate(which):
        alone = closed_form(w1[network], w2[network], sigma_yx, lams[network])
        expected = excess_loss_at(alone, times)
        np.testing.assert_allclose(losses[i][good[i]], expected[good[i]], rtol=SINGLE, atol=1e-290)


@pytest.mark.parametrize(("dims", "lam"), [((5, 5, 5), 1.0), ((3, 5, 8), 0.5), ((6, 3, 3), -0.4), ((3, 3, 4), 0.0)])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-6, 1e-30])
def test_convergence_times_are_those_of_single_solutions(dims, lam, tolerance):
    sigma_yx, lams, w1, w2 = networks(dims, lam)
    which, solution = block(sigma_yx, lams, w1, w2)
    times, good = convergence_times(solution, tolerance)
    assert np.count_nonzero(good) >= 5
    for i, network in enumerate(which):
        alone = closed_form(w1[network], w2[network], sigma_yx, lam)
        assert not good[i] or times[i] == pytest.approx(convergence_time(alone, tolerance), rel=1e-13)


def test_a_loss_that_is_low_enough_at_once_converges_at_0():
    _, solution = block(*networks((3, 3, 3), 1.0))
    times, good = convergence_times(solution, 1e3)
    assert np.all(good)
    assert np.all(times == 0)


def test_behind_a_bottleneck_losses_stay():
    sigma_yx, lams, w1, w2 = networks((4, 2, 4), 1.0)
    _, solution = block(sigma_yx, lams, w1, w2)
    left = 0.5 * float(np.sum(np.linalg.svd(sigma_yx, compute_uv=False)[2:] ** 2))
    times, good = convergence_times(solution, left / 2)
    assert np.all(good)
    assert np.all(np.isnan(times))
    assert not np.any(convergence_times(solution, left)[1])  # rounding decides whether the loss reaches the tolerance
    times, good = convergence_times(solution, 1.01 * left)
    assert np.all(good)
    assert np.all(times > 0)
    assert np.all(convergence_times(solution, 1e3)[0] == 0)


def test_a_slow_algebraic_decay_of_the_loss_is_excluded():
    _, lams, w1, w2 = networks((3, 3, 3), 0.0)
    _, solution = block(np.diag([1.0, 0.5, 0.0]) @ np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2 + 1)[0], lams, w1, w2)
    assert len(solution)
    assert not np.any(convergence_times(solution, 1e-200)[1])
