"""Two-layer networks of decoupled modes or groups: measured conditions, and solutions against the flow of weights."""

import numpy as np
import pytest
from scipy.linalg import block_diag
from support.full_flow import excess_losses, orthogonal, weight_flow

from lindyn_service.dynamics.decoupled import decoupled
from lindyn_service.dynamics.decoupling import decoupling
from lindyn_service.dynamics.initialization import balanced_weights

TIMES = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 4.0])


def network(s, d, n_out, *, units=2, hidden=None, seed=0):
    """Build weights with rows of random directions, in `units` hidden units for each mode of the task."""
    rng = np.random.default_rng(seed)
    n_in, hidden = len(d), hidden or units * len(s)
    u, v, r = (orthogonal(n, rng) for n in (n_out, n_in, hidden))
    x, y, task = np.zeros((n_in, hidden)), np.zeros((n_out, hidden)), np.zeros((n_out, n_in))
    for mode, strength in enumerate(s):
        own = slice(units * mode, units * (mode + 1))
        x[mode, own], y[mode, own] = rng.standard_normal((2, units)) * 10 ** rng.uniform(-1, 0.3, (2, 1))
        y[mode] *= 1 if x[mode] @ y[mode] > 0 else -1
        task[mode, mode] = strength
    return (v @ x @ r).T, u @ y @ r, u @ task @ v.T, v @ np.diag(d) @ v.T, v


CASES = {
    "white": ([3.0, 1.0, 0.5], [1.0] * 3, 3),
    "coloured": ([3.0, 1.0, 0.5], [2.0, 0.5, 1.3], 3),
    "more inputs": ([3.0, 1.0], [2.0, 0.5, 1.3, 0.1], 2),
    "more outputs": ([3.0, 1.0], [2.0, 0.5], 5),
    "equal modes": ([2.0] * 3, [1.0] * 3, 4),
    "equal modes, coloured": ([2.0] * 3, [1.0, 0.5, 0.5], 3),
    "nearly equal modes": ([2.0 + 1e-9, 2.0, 1.0], [1.0] * 3, 3),
    "low rank": ([2.0, 0.0, 0.0], [1.0] * 4, 5),
    "low rank, coloured": ([2.0, 0.0, 0.0], [1.0, 1.0, 0.3, 0.3, 0.3], 5),
    "no task": ([0.0, 0.0], [1.0, 0.5], 2),
}


@pytest.mark.parametrize("case", CASES)
def test_decoupled_modes(case):
    s, d, n_out = CASES[case]
    w1, w2, task, inputs, _ = network(s, d, n_out, hidden=2 * len(s) + 2)
    parts = decoupling(w1, w2, task, inputs)
    assert parts.residual <= 1e-14
    assert not parts.groups
    assert parts.overlap <= max(parts.bound, 1e-15)
    solution = decoupled(parts)
    expected = weight_flow((w1, w2), task, inputs, TIMES)
    for got, truth in zip(solution.weights(TIMES), expected, strict=True):
        assert np.max(np.abs(got - truth)) <= 1e-12
    losses = excess_losses(expected[1] @ expected[0], task, inputs)
    assert np.allclose(solution.excess_loss(TIMES), losses, rtol=1e-12, atol=1e-14 * losses[0])
    error = task - expected[1] @ expected[0] @ inputs
    gradients = expected[1].transpose(0, 2, 1) @ error, error @ expected[0].transpose(0, 2, 1)
    rates = -sum(np.einsum("tij,tij->t", each, each) for each in gradients)
    assert np.allclose(solution.loss_rate(TIMES), rates, rtol=1e-11, atol=1e-13 * abs(rates[0]))


def test_inputs_without_variance_keep_any_rows():
    rng = np.random.default_rng(2)
    w1, w2, task, inputs, v = network([2.0, 1.0], [1.0, 0.7, 0.0, 0.0], 3, hidden=6)
    w1 = w1 + rng.standard_normal((6, 2)) @ v[:, 2:].T
    parts = decoupling(w1, w2, task, inputs)
    assert parts.residual <= 1e-14
    solution = decoupled(parts)
    expected = weight_flow((w1, w2), task, inputs, TIMES)
    for got, truth in zip(solution.weights(TIMES), expected, strict=True):
        assert np.max(np.abs(got - truth)) <= 1e-12
    best = solution.basis.u @ solution.best @ solution.basis.v.T
    assert np.allclose(best, task @ np.linalg.pinv(inputs, rcond=1e-12), atol=1e-13)
    whole = solution.basis.u @ (solution.best + solution.errors(TIMES)) @ solution.basis.v.T
    assert np.allclose(whole, expected[1] @ expected[0], atol=1e-12)


def two_groups():
    """Build two groups of hidden units with two modes each, which are not aligned within a group."""
    rng = np.random.default_rng(3)
    drawn = [balanced_weights((2, 2, 2), lam, 0.5, rng) for lam in (0.7, -1.3)]
    u, v, r = (orthogonal(4, rng) for _ in range(3))
    w1, w2 = r @ block_diag(drawn[0][0], drawn[1][0]) @ v.T, u @ block_diag(drawn[0][1], drawn[1][1]) @ r.T
    return w1, w2, u @ np.diag([3.0, 1.0, 0.5, 2.0]) @ v.T, v @ np.diag([1.0, 1.0, 2.0, 2.0]) @ v.T


def test_groups_of_hidden_units_with_balances_of_their_own():
    w1, w2, task, inputs = two_groups()
    parts = decoupling(w1, w2, task, inputs)
    assert parts.residual <= 1e-14
    assert parts.overlap > 0.1
    assert [len(group.inputs) for group in parts.groups] == [2, 2]
    solution = decoupled(parts)
    assert np.allclose(np.sort(solution.lam), [-1.3, -1.3, 0.7, 0.7], rtol=1e-13, atol=0)
    expected = weight_flow((w1, w2), task, inputs, TIMES)
    for got, truth in zip(solution.weights(TIMES), expected, strict=True):
        assert np.max(np.abs(got - truth)) <= 1e-11
    function = np.concatenate([f.out @ f.into.transpose(0, 2, 1) for _, f in solution.batches(TIMES)])
    truth = expected[1] @ expected[0]
    assert np.max(np.abs(solution.basis.u @ function @ solution.basis.v.T - truth)) <= 1e-12
    losses = excess_losses(truth, task, inputs)
    assert np.allclose(solution.excess_loss(TIMES), losses, rtol=1e-12, atol=1e-13 * losses[0])


def test_violated_conditions_are_measured():
    w1, w2, task, inputs, v = network([3.0, 1.0, 0.5], [2.0, 0.5, 1.3], 3)
    mixing = np.outer(v[:, 0], v[:, 1]) * 1e-3
    mixed = decoupling(w1, w2, task, inputs + mixing + mixing.T)
    assert np.isclose(mixed.basis.mixing, np.sqrt(2) * 1e-3 / np.linalg.norm(inputs), rtol=1e-2, atol=0)
    unseen = decoupling(w1, w2, task, inputs - 0.5 * np.outer(v[:, 1], v[:, 1]))
    assert np.isclose(unseen.residual, 1 / 3, rtol=1e-12, atol=0)
    rng = np.random.default_rng(0)
    apart = decoupling(rng.standard_normal((5, 3)), rng.standard_normal((3, 5)), task, inputs)
    assert len(apart.groups) == 1
    assert apart.groups[0].imbalance > 0.01
    assert apart.groups[0].spread > 0.1
    w1, w2, task, inputs = two_groups()
    tilted = decoupling(w1 + 1e-4 * rng.standard_normal(w1.shape), w2, task, inputs)
    assert tilted.residual > 1e-6


def test_rows_without_variance_in_a_group_couple_to_it():
    """The rotation inside a group couples them, which its closed form does not include."""
    rng = np.random.default_rng(1)
    w1, w2 = balanced_weights((2, 2, 2), 0.5, 0.7, rng)
    task, inputs = np.hstack([rng.standard_normal((2, 2)), np.zeros((2, 1))]), np.diag([1.0, 1.0, 0.0])
    parts = decoupling(np.hstack([w1, np.ones((2, 1))]), w2, task, inputs)
    assert np.isclose(parts.leak, 1.0)
    assert parts.residual >= 0.9


def test_late_errors_keep_their_digits():
    """Late residuals s - d a decay at the rates 2 kappa, also between two late times."""
    w1, w2, task, inputs, _ = network([3.0, 1.0, 0.5], [2.0, 0.5, 1.3], 3)
    solution = decoupled(decoupling(w1, w2, task, inputs))
    slowest = float(np.min(solution.rates))
    losses = solution.excess_loss(np.array([40.0, 140.0]) / slowest)
    assert np.isclose(losses[1] / losses[0], np.exp(-200.0), rtol=1e-12, atol=0)
    assert np.all(np.isfinite(solution.at(np.array([1e6 / slowest])).out))
    assert np.allclose(
        solution.limit_strengths(), solution.states(np.array([1e6 / slowest])).strengths[0], rtol=1e-15, atol=0
    )


def test_small_modes_beside_large_ones():
    """Modes with strengths of 1e-6 keep their digits if others have strengths of 1."""
    rng = np.random.default_rng(4)
    u, v, r = (orthogonal(3, rng) for _ in range(3))
    x, y, s = np.diag([1.0, 1e-6, 1e-3]), np.diag([0.5, 2e-6, 1e-4]), np.array([2.0, 1.0, 0.3])
    w1, w2, task = (v @ x @ r).T, u @ y @ r, u @ np.diag(s) @ v.T
    parts = decoupling(w1, w2, task, None)
    assert len(parts.alone) == 3
    solution, times = decoupled(parts), np.array([0.0, 3.0, 14.0])
    truth = weight_flow((x, y), np.diag(s), np.eye(3), times)
    strengths = np.einsum("taa->ta", truth[1] @ truth[0])
    assert np.allclose(solution.states(times).strengths, strengths, rtol=1e-9, atol=0)


@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-13, 1e-10, 1e-6])
def test_modes_that_become_equal(gap):
    w1, w2, task, inputs, _ = network([2.0 + gap, 2.0, 1.0], [1.0] * 3, 3, seed=5)
    parts = decoupling(w1, w2, task, inputs)
    assert len(parts.alone) == 3
    equal = network([2.0, 2.0, 1.0], [1.0] * 3, 3, seed=5)
    limit = decoupled(decoupling(*equal[:4])).weights(TIMES)
    for got, at_zero in zip(decoupled(parts).weights(TIMES), limit, strict=True):
        assert np.max(np.abs(got - at_zero)) <= 10 * gap + 1e-12
