"""Weight decay: modes against Bessel functions of many digits, networks against the flow of weights."""

import numpy as np
import pytest
from support.decay import by_bessel_functions
from support.full_flow import excess_losses, orthogonal, weight_flow

from lindyn_service.dynamics.decayed_modes import DecayedModes, soft_threshold
from lindyn_service.dynamics.decayed_path import DecayedPaths
from lindyn_service.dynamics.decayed_riccati import decayed_balanced
from lindyn_service.dynamics.decoupled import decoupled
from lindyn_service.dynamics.decoupled_modes import decoupled_modes
from lindyn_service.dynamics.decoupling import decoupling
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.precise_flow import PreciseFlow
from lindyn_service.dynamics.radau_collocation import TooManyStepsError
from lindyn_service.dynamics.riccati import solve

TIMES = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 4.0])


def path(s, gamma, plus, minus):
    start = np.array([s - plus + minus])
    return DecayedPaths(np.array([s]), gamma, np.array([plus]), np.array([minus]), start)


@pytest.mark.parametrize(
    ("s", "gamma", "plus", "minus"),
    [
        (2.0, 0.3, 0.1, 0.05),
        (2.0, 0.3, 1e-6, 0.5),
        (2.0, 0.01, 1e-3, 1e-4),
        (2.0, 1e-3, 0.1, 0.05),
        (0.5, 1.0, 2.0, 1.0),
        (1.0, 1.0, 0.3, 0.2),  # at the threshold
        (0.0, 0.4, 1.0, 1.2),
        (3.0, 0.2, 50.0, 40.0),
        (2.0, 0.02, 1e3, 1.1e3),
        (1e-3, 1e-2, 1e-6, 1e-6),
    ],
)
def test_paths_by_bessel_functions(s, gamma, plus, minus):
    times = np.array([1e-3, 0.1, 1.0, 5.0, 20.0, 100.0, 1000.0]) / max(s, gamma)
    growth, residuals = (values[:, 0] for values in path(s, gamma, plus, minus).at(times))
    for i, time in enumerate(times):
        expected = by_bessel_functions(s, gamma, plus, minus, time)
        assert abs(growth[i] + gamma * time - expected[0]) <= 1e-14 * max(1.0, abs(expected[0]), gamma * time)
        assert np.isclose(residuals[i], expected[1], rtol=1e-13 * max(1.0, gamma * time), atol=1e-300)


def test_very_late_and_with_little_decay():
    """At 1e6 slowest time scales the residual is gamma to all digits, however small gamma is beside s."""
    for gamma in (1e-8, 1e-4, 0.5):
        residuals = path(2.0, gamma, 0.1, 0.05).at(np.array([1e6 / gamma]))[1]
        assert np.isclose(residuals[0, 0], gamma, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("gamma", "plus", "minus"), [(1e-6, 1e6, 1e6), (1e-3, 1e-6, 1e6), (0.3, 1e-12, 0.5), (1e-6, 1e6, 1e-6)]
)
def test_extreme_sizes_take_few_steps(gamma, plus, minus):
    """The residual s - P + M satisfies P M = k^2 e^{-4 gamma t} at all times, and the limit is reached."""
    one = path(2.0, gamma, plus, minus)
    times = np.array([1e-3, 1.0, 0.1 / gamma, 1.0 / gamma])
    g, residuals = (values[:, 0] for values in one.at(times))
    p, m = plus * np.exp(2 * g), minus * np.exp(-2 * g - 4 * gamma * times)
    assert np.allclose(2.0 - residuals, p - m, rtol=1e-12, atol=1e-13 * np.max(p + m))
    assert np.isclose(one.at(np.array([1e6 / gamma]))[1][0, 0], gamma, rtol=1e-13, atol=0)
    assert len(one._growing._path[0].starts) < 100


X, Y = (
    np.array([[0.5, 0.2], [0.1, 0.0], [0.3, 0.0], [0.0, 0.0]]),
    np.array([[0.3, -0.1], [0.7, 0.0], [0.3, 0.0], [0.0] * 2]),
)
S, D = np.array([2.0, 1.0, 0.2, 1.5]), np.array([1.0, 0.5, 2.0, 1.0])


def modes():
    return decoupled_modes(S, D, X, Y, np.zeros(4))


@pytest.mark.parametrize("gamma", [0.05, 0.5, 1.5])
def test_modes_by_their_differential_equation(gamma):
    one = DecayedModes(modes(), gamma)
    for mode in (1, 2, 3):
        alone = weight_flow((X[[mode]].T, Y[[mode]]), S[None, [mode]], D[None, [mode]], TIMES, decay=gamma)
        found = one.at(TIMES)
        hidden = one.modes.hidden_rows(found.x)[:, mode], one.modes.hidden_rows(found.y)[:, mode]
        assert np.allclose(hidden[0], alone[0][:, :, 0], atol=1e-12)
        assert np.allclose(hidden[1], alone[1][:, 0], atol=1e-12)
        assert np.allclose(found.strengths[:, mode], np.vecdot(*hidden), atol=1e-14)
        assert np.allclose(
            found.square_changes[:, mode], np.vecdot(hidden[0], hidden[0]) - X[mode] @ X[mode], atol=1e-14
        )


def test_the_end_is_the_soft_threshold():
    one = DecayedModes(modes(), 0.5)
    assert np.allclose(one.limit_strengths(), [1.5, 1.0, 0.0, 0.0], rtol=1e-15, atol=0)
    assert np.allclose(one.at(np.array([1e6])).strengths[0], one.limit_strengths(), rtol=1e-14, atol=1e-300)
    assert np.allclose(soft_threshold(S, np.array([1.0, 0.0, 1.0, 0.5]), 1.2), [0.8, 0.0, 0.0, 0.6], rtol=1e-15, atol=0)


@pytest.mark.parametrize("gamma", [1e-5, 1e-8, 1e-11])
def test_continuous_towards_no_decay(gamma):
    without, found = modes().at(TIMES), DecayedModes(modes(), gamma).at(TIMES)
    for name in ("strengths", "residuals", "x", "y"):
        assert np.allclose(getattr(found, name), getattr(without, name), atol=50 * gamma + 2e-14)


@pytest.mark.parametrize("x", [3.1e-7, 4.7e-7, 5.3e-7])
def test_small_residuals_beside_large_rows(x):
    """Without a task the residual is the strength, which the squares of the rows would give to 1e-10 only."""
    modes = decoupled_modes(np.zeros(1), np.array([0.137]), np.array([[x]]), np.array([[1.3]]), np.zeros(1))
    residual = DecayedModes(modes, 0.9).at(np.zeros(1)).residuals[0, 0]
    assert np.isclose(residual, -0.137 * x * 1.3, rtol=2e-15, atol=0)


def test_opposite_rows_only_shrink():
    """With x = -y, M = d |x|^2 has dM/dt = -2 M (s + gamma + M)."""
    one = DecayedModes(decoupled_modes(np.array([2.0]), np.array([0.5]), X[:1], -X[:1], np.zeros(1)), 0.3)
    fall, m = np.exp(-4.6 * TIMES), 0.5 * float(X[0] @ X[0])
    expected = m * fall / (1 + m * (1 - fall) / 2.3)
    found = one.at(TIMES)
    assert np.allclose(found.strengths[:, 0], -expected / 0.5, rtol=1e-14, atol=0)
    assert np.allclose(found.residuals[:, 0], 2.0 + expected, rtol=1e-14, atol=0)
    assert np.allclose(one.modes.hidden_rows(found.x)[:, 0], X[0] * np.sqrt(expected / m)[:, None], rtol=1e-13, atol=0)
    assert one.limit_strengths() == 0.0


def network(seed=0):
    rng = np.random.default_rng(seed)
    u, v, r = orthogonal(3, rng), orthogonal(4, rng), orthogonal(8, rng)
    x, y = np.zeros((4, 8)), np.zeros((3, 8))
    for mode in range(2):
        x[mode, 2 * mode : 2 * mode + 2], y[mode, 2 * mode : 2 * mode + 2] = rng.uniform(0.1, 1.0, (2, 2))
    x[2, 4], x[3] = 0.7, rng.standard_normal(8)
    task, d = np.zeros((3, 4)), np.array([1.0, 0.6, 0.8, 0.0])
    task[[0, 1], [0, 1]] = [2.0, 0.3]
    return (v @ x @ r).T, u @ y @ r, u @ task @ v.T, v @ np.diag(d) @ v.T


def test_networks_whose_modes_learn_alone():
    """Some rows have no counterpart and decay, and some inputs have no variance."""
    w1, w2, task, inputs = network()
    solution = decoupled(decoupling(w1, w2, task, inputs), gamma=0.2)
    expected = weight_flow((w1, w2), task, inputs, TIMES, decay=0.2)
    for got, truth in zip(solution.weights(TIMES), expected, strict=True):
        assert np.max(np.abs(got - truth)) <= 1e-12
    losses = excess_losses(expected[1] @ expected[0], task, inputs)
    assert np.allclose(solution.excess_loss(TIMES), losses, rtol=1e-12, atol=0)
    step = 1e-5
    slopes = (solution.excess_loss(TIMES[1:] + step) - solution.excess_loss(TIMES[1:] - step)) / (2 * step)
    assert np.allclose(solution.loss_rate(TIMES[1:]), slopes, rtol=1e-6, atol=1e-8)
    assert np.allclose(solution.rates, [0.8, 0.2])
    assert np.allclose(solution.limit_strengths(), [1.8, 0.1 / 0.6])


def test_groups_and_decay_are_refused():
    rng = np.random.default_rng(0)
    w1, w2 = balanced_weights((3, 3, 3), 0.5, 1.0, rng)
    parts = decoupling(w1, w2, rng.standard_normal((3, 3)), None)
    with pytest.raises(ValueError, match="1 groups share hidden units"):
        decoupled(parts, gamma=0.1)


@pytest.mark.parametrize("dims", [(3, 3, 3), (4, 3, 2), (2, 5, 4), (3, 2, 4)])
@pytest.mark.parametrize("gamma", [0.3, 1.5])
def test_balance_zero_by_the_flow_of_weights(dims, gamma):
    rng = np.random.default_rng(sum(dims))
    w1, w2 = balanced_weights(dims, 0.0, 0.7, rng)
    task = rng.standard_normal((dims[2], dims[0]))
    solution = decayed_balanced(w1, w2, task, gamma)
    factors = solution.at(TIMES)
    truth = weight_flow((w1, w2), task, np.eye(dims[0]), TIMES, decay=gamma)
    v, u = solution.modes.v, solution.modes.u
    assert np.allclose(u @ factors.out @ factors.into.transpose(0, 2, 1) @ v.T, truth[1] @ truth[0], atol=2e-12)
    assert np.allclose(
        v @ factors.into @ factors.into.transpose(0, 2, 1) @ v.T, truth[0].transpose(0, 2, 1) @ truth[0], atol=2e-12
    )
    end = solution.at(np.array([1e6]))
    assert np.allclose(end.out @ end.into.transpose(0, 2, 1), solution.limit()[None], atol=1e-14)


def test_balance_zero_without_decay_is_the_exact_solution():
    rng = np.random.default_rng(1)
    w1, w2 = balanced_weights((3, 4, 4), 0.0, 1e-3, rng)
    task, times = rng.standard_normal((4, 3)), np.array([0.0, 0.5, 5.0, 50.0, 1e6])
    for gamma, tolerance in ((0.0, 1e-14), (1e-12, 1e-10)):
        found, plain = decayed_balanced(w1, w2, task, gamma).at(times), solve(w1, w2, task, 0.0).at(times)
        assert np.allclose(
            found.out @ found.into.transpose(0, 2, 1), plain.out @ plain.into.transpose(0, 2, 1), atol=tolerance
        )


def test_balance_zero_with_equal_modes_and_without_weights():
    rng = np.random.default_rng(2)
    w1, w2 = balanced_weights((3, 2, 3), 0.0, 0.5, rng)
    solution = decayed_balanced(w1, w2, np.eye(3) * 2.0, 0.4)
    end = solution.at(np.array([1e3]))
    assert np.allclose(end.out @ end.into.transpose(0, 2, 1), solution.limit()[None], atol=1e-13)
    assert np.linalg.matrix_rank(solution.limit()) == 2
    nothing = decayed_balanced(np.zeros((2, 3)), np.zeros((3, 2)), np.eye(3), 0.4)
    assert not np.any(nothing.at(TIMES).into)
    assert not np.any(nothing.limit())


def integrated(flow, times):
    parts = [each for _, each in flow.batches(times)]
    layers = [np.concatenate(layer) for layer in zip(*[part.layers for part in parts], strict=True)]
    return layers, np.concatenate([part.residual for part in parts])


@pytest.mark.parametrize("gamma", [(), (0.3, 0.3, 0.3), (0.1, 0.0, 0.7)])
def test_the_flow_of_any_network(gamma):
    """Both integrators; 32 digits by central differences of their own solution, and by the flow of weights."""
    rng = np.random.default_rng(3)
    layers = tuple(rng.standard_normal(shape) / 2 for shape in ((2, 2), (3, 2), (2, 3)))
    task, root = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    inputs, step = root @ root.T / 2, 1e-5
    times = np.array([0.0, 0.3 - step, 0.3, 0.3 + step, 1.0])
    states, residuals = integrated(PreciseFlow(layers, task, inputs, max_steps=500, weight_decay=gamma), times)
    found, left = integrated(Flow(layers, task, inputs, rtol=1e-10, atol=1e-12, weight_decay=gamma), times)
    w = [layer[2] for layer in states]
    error = task - w[2] @ w[1] @ w[0] @ inputs
    velocities = ((w[2] @ w[1]).T @ error, w[2].T @ error @ w[0].T, error @ (w[1] @ w[0]).T)
    for layer, velocity, rate in zip(states, velocities, gamma or (0.0, 0.0, 0.0), strict=True):
        assert np.allclose((layer[3] - layer[1]) / (2 * step), velocity - rate * layer[2], rtol=1e-7, atol=1e-7)
    assert np.allclose(residuals[2], error, atol=1e-13)
    assert np.max(np.abs(left - residuals)) <= 1e-9
    for got, right in zip(found, states, strict=True):
        assert np.max(np.abs(got - right)) <= 1e-9
    if len(set(gamma)) == 1:
        for got, right in zip(states, weight_flow(layers, task, inputs, times, decay=gamma[0]), strict=True):
            assert np.max(np.abs(got - right)) <= 1e-11


def test_paths_that_take_too_many_steps_are_given_up(monkeypatch):
    monkeypatch.setattr("lindyn_service.dynamics.radau_collocation._MAX_STEPS", 3)
    with pytest.raises(TooManyStepsError, match="more than 3 steps"):
        path(2.0, 0.3, 0.1, 0.05).at(np.array([1.0]))


def test_small_errors_of_balance_zero_have_small_relative_errors():
    """With little decay the distance from the task is of the size of gamma, and accurate relative to this."""
    rng = np.random.default_rng(4)
    for dims in ((3, 3, 3), (4, 2, 3), (2, 4, 4)):
        w1, w2 = balanced_weights(dims, 0.0, 0.7, rng)
        task = rng.standard_normal((dims[2], dims[0]))
        for gamma in (1e-9, 0.4):
            solution = decayed_balanced(w1, w2, task, gamma)
            late = np.array([2.0, 60.0, 1e12])
            factors = solution.at(late)
            functions = factors.out @ factors.into.transpose(0, 2, 1)
            errors = solution.errors(late, functions)
            best = np.zeros(task.shape)
            np.fill_diagonal(best, solution.modes.s)
            assert np.allclose(errors, functions - best, rtol=0, atol=1e-13)
            assert np.allclose(errors[2], solution.limit() - best, rtol=1e-12, atol=1e-15)
            kept = np.diagonal(solution.limit()) > 0
            # a mode that is not learned leaves a large distance, beside which the others are differences
            rounding = 0 if np.all(kept) else 1e-15
            assert np.allclose(np.diagonal(errors[2])[kept], -gamma, rtol=1e-12, atol=rounding)
