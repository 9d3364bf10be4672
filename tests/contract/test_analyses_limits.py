"""Limits in time and in lambda over HTTP, against theory and integration of the flow."""

import numpy as np
import pytest
from support.flow import Data, whitened
from support.oracle import integrate
from support.routes import CONTINUAL, LIMITS, answer, balanced, given, isotropic, started
from support.service import ask

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("dims", "lam"),
    [((4, 2, 5), 0.8), ((4, 2, 5), -0.8), ((3, 5, 4), 0.0), ((3, 4, 5), 1.5), ((5, 4, 3), -1.5)],
    ids=str,
)
@pytest.mark.parametrize(("variance", "as_data"), [(1.0, True), (0.6, True), (2.5, False)], ids=str)
def test_the_state_at_convergence(service, dims, lam, variance, as_data):
    """The best network function of the rank of the network, and its representations for the balance."""
    (n_in, n_hidden, n_out), task = dims, isotropic(dims[0], dims[2], 5, variance, as_data=as_data)
    whole = {"network": balanced(dims, lam), "task": task.sent, "time_constant": 2.0, "tolerance": 1e-4}
    found = answer(service, LIMITS, whole)
    state, rank, modes = found["converged"], min(dims), min(n_in, n_out)
    u, s, vt = np.linalg.svd(task.data.sigma_yx / variance, full_matrices=False)
    u, s, v = u[:, :rank], s[:rank], vt[:rank].T
    assert np.allclose(state["output"], (u * s) @ v.T, rtol=0, atol=1e-12)
    for name, vectors, sign, width in (("output", u, 1, n_out), ("input", v, -1, n_in)):
        representation = np.array(state[f"{name}_representation"])
        strengths = (np.hypot(lam, 2 * s) + sign * lam) / 2
        assert np.allclose(representation @ vectors, vectors * strengths, rtol=0, atol=1e-12)
        extra = [max(sign * lam, 0.0)] * (min(n_hidden, width) - rank)  # hidden directions beyond the rank
        expected = np.sort(np.concatenate([strengths, extra, np.zeros(width - rank - len(extra))]))
        assert np.allclose(np.linalg.eigvalsh(representation), expected, rtol=0, atol=1e-12)
    best = (u * s) @ v.T
    assert state["loss"] == pytest.approx(task.data.loss(best), rel=1e-12)
    assert state["excess_loss"] == pytest.approx(task.excess(best), rel=1e-12, abs=1e-14)
    assert (state["reached_rank"], state["task_rank"]) == (rank, modes)
    assert (found["convergence_time"] is None) == (rank < modes)
    # isotropic inputs are white ones with tau / variance
    assert found["effective_learning_rate"] == pytest.approx(abs(lam) * variance / 2.0)
    if rank == modes:  # 2 tau over the sharpness where all is learned
        assert found["largest_learning_rate"] == pytest.approx(4.0 / (variance * np.hypot(lam, 2 * s[0])), rel=1e-11)
    said = (found["lambda"], found["dims"], found["seed"], found["time_constant"], found["tolerance"])
    assert said == (lam, list(dims), 4, 2.0, 1e-4)
    assert found["warnings"] == []


@pytest.mark.parametrize("tolerance", [0.1, 1e-7])
@pytest.mark.parametrize(("lam", "variance", "tau"), [(0.5, 1.0, 1.0), (-2.0, 0.6, 3.0)])
def test_the_convergence_time(service, lam, variance, tau, tolerance):
    """The flow is integrated until the time of the answer."""
    network, task = balanced((3, 3, 4), lam), isotropic(3, 4, 6, variance)
    whole = {"network": network, "task": task.sent, "time_constant": tau, "tolerance": tolerance}
    found = answer(service, LIMITS, whole)
    times = np.array([0.0, 0.5, 1.0]) * found["convergence_time"] / tau
    path = integrate(*started(service, network), task.data.sigma_yx, times, task.data.sigma_xx)
    losses = [task.excess(w2 @ w1) for w1, w2 in path]
    assert losses[2] == pytest.approx(tolerance, rel=1e-5)
    assert losses[0] > losses[1] > losses[2]


def test_a_loss_below_the_tolerance_at_the_start_converges_at_time_0(service):
    found = answer(service, LIMITS, {"network": balanced((2, 2, 2), 1.0), "task": [[1, 0], [0, 1]], "tolerance": 1e3})
    assert (found["convergence_time"], found["shallow"]["convergence_time"]) == (0.0, 0.0)


def projector(columns):
    q, _ = np.linalg.qr(columns)
    return q @ q.T


@pytest.mark.parametrize("lam", [300.0, -300.0])
def test_the_fast_phase(service, lam):
    """At 12 / |lambda| the fast phase is over, and the slow one has not begun."""
    network, tau = balanced((4, 2, 3), lam), 2.0
    task = isotropic(4, 3, 7)
    found = answer(service, LIMITS, {"network": network, "task": task.sent, "time_constant": tau})
    extremes = found["lambda_to_infinity"]
    w1, w2 = started(service, network)
    limits = {"positive": projector(w2) @ task.data.sigma_yx, "negative": task.data.sigma_yx @ projector(w1.T)}
    slow = np.linalg.svd(task.data.sigma_yx, compute_uv=False) ** 2 / abs(lam) / tau
    for sign, limit in limits.items():
        extreme = extremes[sign]
        assert (extreme["exists"], extreme["one_time_scale"]) == (True, False)
        assert np.allclose(extreme["fast_limit"], limit, rtol=0, atol=1e-12)
        assert extreme["fast_rate"] == found["effective_learning_rate"] == pytest.approx(abs(lam) / tau)
        assert np.allclose(extreme["slow_rates"], slow, rtol=1e-12, atol=0)
    fast = np.array(extremes["positive" if lam > 0 else "negative"]["fast_limit"])
    (later,) = integrate(w1, w2, task.data.sigma_yx, [0.0, 12 / abs(lam)])[1:]
    assert np.linalg.norm(fast - task.data.sigma_yx) > 1
    assert np.linalg.norm(later[1] @ later[0] - fast) < 1 / abs(lam)


def test_the_slow_phase(service):
    """Late in it, the remaining loss decays twice as fast as the column space rotates."""
    network, sigma_yx = balanced((1, 1, 3), 40.0), np.array([[2.0], [0.0], [0.0]])
    found = answer(service, LIMITS, {"network": network, "task": sigma_yx.tolist()})
    (rate,) = found["lambda_to_infinity"]["positive"]["slow_rates"]
    times = [0.0, 60.0, 80.0]
    losses = [np.sum((w2 @ w1 - sigma_yx) ** 2) for w1, w2 in integrate(*started(service, network), sigma_yx, times)]
    assert np.log(losses[1] / losses[2]) / (2 * 20) == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize(
    ("dims", "positive", "negative"),
    [
        ((3, 3, 3), (True, True), (True, True)),
        ((2, 3, 3), (True, True), (False, False)),
        ((3, 3, 2), (False, False), (True, True)),
        ((4, 2, 3), (True, False), (True, False)),
    ],
)
def test_which_extremes_exist(service, dims, positive, negative):
    """lambda > 0 needs hidden <= out, lambda < 0 hidden <= in; one time scale where they are equal."""
    found = answer(service, LIMITS, {"network": balanced(dims, 0.0), "task": isotropic(dims[0], dims[2], 8).sent})
    for name, expected in (("positive", positive), ("negative", negative)):
        extreme = found["lambda_to_infinity"][name]
        assert (extreme["exists"], extreme["one_time_scale"]) == expected
        assert (extreme["fast_limit"] is None) == (not expected[0])


def test_the_shallow_network(service):
    """tau dW/dt = sigma_yx - W sigma_xx from the same network function."""
    network, task, tau = balanced((3, 2, 4), 0.5), isotropic(3, 4, 9, variance=0.4), 1.7
    found = answer(service, LIMITS, {"network": network, "task": task.sent, "time_constant": tau, "tolerance": 1e-5})
    w1, w2 = started(service, network)
    best = task.data.sigma_yx / 0.4
    assert np.allclose(found["shallow"]["output"], best, rtol=0, atol=1e-12)
    assert found["shallow"]["rate"] == pytest.approx(0.4 / tau)
    left = np.exp(-0.4 / tau * found["shallow"]["convergence_time"])
    assert task.excess(best + left * (w2 @ w1 - best)) == pytest.approx(1e-5, rel=1e-9)


def test_a_missed_mode_has_a_warning(service):
    task = {"kind": "correlation", "sigma_yx": [[2.0, 0.0], [0.0, 1.0]], "sigma_yy_trace": 6.0}
    found = answer(service, LIMITS, {"network": given(np.diag([0.5, 0]), np.diag([0.5, 0])), "task": task})
    state = found["converged"]
    assert np.allclose(state["output"], [[2, 0], [0, 0]], rtol=0, atol=1e-14)
    assert (state["excess_loss"], state["loss"]) == (pytest.approx(0.5), pytest.approx(1.0))
    assert (state["reached_rank"], state["task_rank"], found["convergence_time"]) == (1, 2, None)
    assert [warning["code"] for warning in found["warnings"]] == ["saddle"]


TINY = given(np.diag([1, 1e-17]), np.diag([1, 1e-17]))
"""Aligned modes are learned one by one, from any strength: a = s e^{2st} / (e^{2st} - 1 + s / a0)."""

DIAGONAL = [[2.0, 0.0], [0.0, 1.0]]


def test_a_trajectory_learns_a_mode_with_a_tiny_overlap(service):
    whole = {"network": TINY, "task": DIAGONAL, "times": [40.0, 100.0], "quantities": ["mode_strengths"]}
    found, grown = ask(service, whole), np.exp([80.0, 200.0])
    assert np.allclose(found["quantities"]["mode_strengths"][:, 1], grown / (grown - 1 + 1e34), rtol=1e-9, atol=0)


def test_a_mode_with_a_tiny_overlap_is_part_of_the_limit(service):
    found = answer(service, LIMITS, {"network": TINY, "task": DIAGONAL})
    assert found["converged"]["reached_rank"] == 2
    assert np.allclose(found["converged"]["output"], DIAGONAL, rtol=0, atol=1e-12)
    assert found["convergence_time"] == pytest.approx(0.5 * np.log(1e34 * (np.sqrt(1 / 2e-3) - 1)), rel=1e-6)


def test_a_tiny_overlap_in_one_of_several_tasks_is_learned(service):
    tasks = [{"task": DIAGONAL, "duration": 100.0}, {"task": [[1.0, 0.0], [0.0, 2.0]], "duration": 100.0}]
    found = answer(service, CONTINUAL, {"network": TINY, "tasks": tasks, "num": 2})
    assert np.allclose(found["final_loss"], [[0, 1], [1, 0]], rtol=0, atol=1e-12)


def test_an_unknown_irreducible_loss_has_a_warning(service):
    found = answer(service, LIMITS, {"network": balanced((2, 1, 2), 0.0), "task": [[2, 0], [0, 1]]})
    assert found["converged"]["loss"] == found["converged"]["excess_loss"] == pytest.approx(0.5)
    assert [warning["code"] for warning in found["warnings"]] == ["irreducible-loss-unknown"]


def test_inputs_on_a_subspace(service):
    inputs = np.array([[1.0, 2.0, 2.0], [2.0, 1.0, -2.0]])
    data = Data(whitened(inputs), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]))
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": data.targets.tolist(), "whiten": True}
    found = answer(service, LIMITS, {"network": balanced((3, 2, 3), 0.5), "task": task})
    _, s, vt = np.linalg.svd(data.sigma_yx, full_matrices=False)
    into = (vt[:2].T * (np.hypot(0.5, 2 * s[:2]) - 0.5) / 2) @ vt[:2]
    assert np.allclose(found["converged"]["output"], data.sigma_yx, rtol=0, atol=1e-12)
    assert np.allclose(found["converged"]["input_representation"], into, rtol=0, atol=1e-12)
    assert np.allclose(found["shallow"]["output"], data.sigma_yx, rtol=0, atol=1e-12)
    assert found["converged"]["loss"] == pytest.approx(data.least_loss(), abs=1e-14)
    w1, w2 = started(service, balanced((3, 2, 3), 0.5), task)
    for sign, limit in (("positive", projector(w2) @ data.sigma_yx), ("negative", data.sigma_yx @ projector(w1.T))):
        assert np.allclose(found["lambda_to_infinity"][sign]["fast_limit"], limit, rtol=0, atol=1e-12)
