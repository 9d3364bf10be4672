"""Networks whose modes learn alone, as computed by a worker, against the flow of all weights."""

import numpy as np
import pytest
from support.aligned import chain, commuting, two_layers
from support.analyses import learn
from support.answers import TIMES, check, jump, request
from support.full_flow import orthogonal
from support.records import as_json
from support.training import trained

from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.errors import NotApplicableError, NotBalancedError
from lindyn_service.translate.sweep import compute_points, indices

SHAPES = [(4, 8, 3), (3, 3, 3), (2, 5, 4), (1, 4, 3), (5, 2, 3), (3, 1, 1), (6, 12, 6)]


@pytest.mark.parametrize("decay", [0.0, 1e-3, 0.3, 20.0])
@pytest.mark.parametrize("dims", SHAPES)
def test_two_layers_of_any_shape(dims, decay):
    rng = np.random.default_rng(sum(dims))
    task, inputs, u, v, s, _ = commuting(dims[2], dims[0], rng)
    weights = two_layers(u, v, dims[1], rng)
    found = learn(**request(weights, task, inputs, weight_decay=decay))
    assert found["method"] == "exact"
    assert "each mode learns alone" in found["reason"]
    assert len(found["diagnostics"]["lambda_per_mode"]) == len(s)
    check(found, trained(weights, task, inputs, TIMES, decay=decay), task, inputs)


def test_each_mode_has_its_balance():
    rng = np.random.default_rng(0)
    task, inputs, u, v, _, _ = commuting(3, 4, rng)
    weights = two_layers(u, v, 8, rng)
    found = learn(**request(weights, task, inputs))
    assert found["lambda"] is None
    x, y = np.linalg.norm(v.T @ weights[0].T, axis=1), np.linalg.norm(u.T @ weights[1], axis=1)
    assert np.allclose(found["diagnostics"]["lambda_per_mode"], y[:3] ** 2 - x[:3] ** 2, rtol=1e-13, atol=0)


def test_a_balance_of_all_modes_is_reported():
    rng = np.random.default_rng(1)
    task, inputs, u, v, _, _ = commuting(3, 3, rng)
    weights = [np.diag([0.5, 0.2, 0.1]) @ v.T, u @ np.diag(np.sqrt(np.array([0.5, 0.2, 0.1]) ** 2 + 0.7))]
    found = learn(**request(weights, task, inputs, times=[0.0, 1.0]))
    assert np.isclose(found["lambda"], 0.7, rtol=1e-14, atol=0)


@pytest.mark.parametrize("rates", [(0.3, 4.0), (1e-6, 1e6), (20.0, 5.0)])
@pytest.mark.parametrize("schedule", [None, {"kind": "cosine", "period": 3.0, "floor": 0.2}])
def test_rates_and_schedules(rates, schedule):
    rng = np.random.default_rng(4)
    task, inputs, u, v, _, _ = commuting(3, 4, rng)
    weights = [w * np.sqrt(c) for w, c in zip(two_layers(u, v, 8, rng), rates, strict=True)]
    pace = np.sqrt(rates[0] * rates[1])
    if schedule is not None:
        schedule = schedule | {"period": schedule["period"] / pace}
    how = {"schedule": schedule}
    times = np.array(TIMES) / pace
    found = learn(**request(weights, task, inputs, times=times, learning_rates=list(rates), **how), method="exact")
    check(found, trained(weights, task, inputs, times.tolist(), rates=rates, **how), task, inputs, 3e-12)


@pytest.mark.parametrize("n_layers", [3, 4, 6])
@pytest.mark.parametrize("how", [{}, {"schedule": {"kind": "exponential", "half_life": 2.0}}, {"rates": True}])
def test_deep_chains_with_any_imbalance(n_layers, how):
    rng = np.random.default_rng(n_layers)
    task, inputs, u, v, s, _ = commuting(3, 4, rng)
    widths = [5, 3, 4, 3, 5][: n_layers - 1]
    weights, asked, rates = chain(u, v, widths, rng), dict(how), None
    if asked.pop("rates", False):
        rates = rng.uniform(0.3, 3.0, n_layers)
        asked["learning_rates"] = rates.tolist()
    found = learn(**request(weights, task, inputs, **asked))
    assert found["method"] == "exact"
    assert "one quadrature for each mode" in found["reason"]
    assert np.shape(found["diagnostics"]["lambda_per_mode"]) == (len(s), n_layers - 1)
    truth = trained(weights, task, inputs, TIMES, rates=rates, schedule=how.get("schedule"))
    check(found, truth, task, inputs, 3e-12)


def test_disjoint_hidden_groups_with_their_own_balance():
    """The modes are unaligned within groups, each of which has its own lambda."""
    rng = np.random.default_rng(6)
    u, v, turn = orthogonal(5, rng), orthogonal(5, rng), orthogonal(5, rng)
    first, second = balanced_weights((2, 2, 2), 0.8, 0.5, rng), balanced_weights((3, 3, 3), -0.4, 0.5, rng)
    blocks = [np.zeros((5, 5)) for _ in range(3)]
    for block, (a, b) in zip(blocks[:2], zip(first, second, strict=True), strict=True):
        block[:2, :2], block[2:, 2:] = a, b
    blocks[2][:2, :2], blocks[2][2:, 2:] = rng.standard_normal((2, 2)), rng.standard_normal((3, 3))
    weights, task = [turn @ blocks[0] @ v.T, u @ blocks[1] @ turn.T], u @ blocks[2] @ v.T
    found = learn(**request(weights, task))
    assert found["method"] == "exact"
    assert "groups of modes that share hidden units" in found["reason"]
    assert sorted(set(np.round(found["diagnostics"]["lambda_per_mode"], 12))) == [-0.4, 0.8]
    assert found["lambda"] is None
    check(found, trained(weights, task, np.eye(5), TIMES), task, np.eye(5))


@pytest.mark.parametrize("off", [1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8, 1e-6])
@pytest.mark.parametrize("kind", ["alignment", "inputs", "decayed alignment", "depth", "balance"])
def test_answers_change_by_no_more_than_the_condition(kind, off):
    rng = np.random.default_rng(2)
    task, inputs, u, v, _, _ = commuting(3, 3, rng)
    layers = chain(u, v, [3, 3], rng) if kind == "depth" else two_layers(u, v, 6, rng)
    decay = 0.2 if kind.startswith("decayed") else 0.0
    if kind == "balance":
        layers, inputs, decay = balanced_weights((3, 3, 3), 0.0, 0.6, rng), np.eye(3), 0.2
    names = ["output", "input_representation"]
    plain = learn(**request(layers, task, inputs, weight_decay=decay, quantities=names))
    assert plain["method"] == "exact"
    moved_inputs, moved = inputs, list(layers)
    if kind == "inputs":
        noise = rng.standard_normal((3, 3))
        moved_inputs = inputs + off * (noise + noise.T)
    else:
        moved[0] = moved[0] + off * rng.standard_normal(moved[0].shape)
    other = learn(**request(moved, task, moved_inputs, weight_decay=decay, quantities=names))
    for name in names:
        assert jump(plain, other, name) <= 100 * off + 2e-12
    if off >= 1e-8:
        assert other["method"] == "flow"


def test_exact_refuses_weights_that_are_neither_balanced_nor_aligned():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((3, 3)), rng.standard_normal((3, 3))]
    with pytest.raises(NotBalancedError, match=r"away from balanced .*; modes do not learn alone: modes share"):
        learn(**request(weights, np.eye(3)), method="exact")


def test_modes_that_are_never_learned_are_named():
    rng = np.random.default_rng(0)
    weights = [np.diag([0.5, 0.0, 0.3]), np.diag([0.4, 0.0, 0.2])]
    found = learn(**request(weights, np.diag([3.0, 2.0, 1.0]), np.diag([1.0, 2.0, 0.5])))
    assert [w["code"] for w in found["warnings"] if w["code"] != "no-samples"] == ["saddle"]
    assert "mode 2 (s = 2)" in found["warnings"][0]["detail"]
    assert found["warnings"][0]["modes"] == [1]
    deep = [*weights, np.diag([0.4, 0.5, 0.2])]
    found = learn(**request(deep, np.diag([3.0, 2.0, 1.0]), np.diag([1.0, 2.0, 0.5])))
    assert [w["code"] for w in found["warnings"] if w["code"] != "no-samples"] == ["saddle"]
    bottleneck = chain(orthogonal(3, rng), orthogonal(3, rng), [2], rng)
    assert learn(**request(bottleneck, rng.standard_normal((3, 3))))["method"] in ("flow", "exact")


@pytest.mark.parametrize(("deep", "decay"), [(False, 0.0), (False, 0.05), (True, 0.0), (True, 0.05)])
def test_times_of_convergence(deep, decay):
    rng = np.random.default_rng(7)
    task, inputs, u, v, _, _ = commuting(3, 3, rng)
    layers = chain(u, v, [3, 3], rng) if deep else two_layers(u, v, 6, rng)
    base = request(layers, task, inputs, times=[0.0, 30.0], weight_decay=decay)
    del base["quantities"]
    document = {"base": base, "axes": [{"path": "time_constant", "values": [1.0, 2.0]}]}
    sweep = read(SweepRequest, document | {"collect": ["convergence_time", "final_loss"], "tolerance": 0.02})
    for tau, point in zip((1.0, 2.0), map(as_json, compute_points(sweep, indices(sweep))), strict=True):
        time = point["values"]["convergence_time"]
        around = [time * (1 - 1e-6), time, time * (1 + 1e-6)]
        there = learn(**base | {"times": around, "quantities": ["excess_loss"], "time_constant": tau})
        before, now, after = there["quantities"]["excess_loss"]
        assert np.isclose(now, 0.02, rtol=1e-10, atol=0)
        assert before > 0.02 > after


def test_late_losses_of_deep_chains_have_small_relative_errors():
    """They fall at the rate 2 d sum over layers of the squared products of the others, however small they are."""
    rng = np.random.default_rng(9)
    u, v = orthogonal(2, rng), orthogonal(2, rng)
    task, inputs = u @ np.diag([2.0, 0.0]) @ v.T, v @ np.diag([0.7, 1.3]) @ v.T
    weights = [v @ np.diag([0.5, 0.0]) @ v.T, v @ np.diag([0.9, 0.0]) @ v.T, u @ np.diag([1.2, 0.0]) @ v.T]
    times = [0.0, 10.0, 20.0, 30.0]
    found = learn(**request(weights, task, inputs, times=times, quantities=["excess_loss", "weights"]), method="exact")
    losses, layers = np.array(found["quantities"]["excess_loss"]), found["quantities"]["weights"]
    squares = [np.linalg.norm(np.array(layer)[1]) ** 2 for layer in layers]
    rate = 2 * 0.7 * sum(np.prod(squares) / square for square in squares)
    assert losses[3] < 1e-150
    assert np.allclose(np.log(losses[1:-1] / losses[2:]) / np.diff(times)[1:], rate, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ("weight", "target", "variance"), [(1e-145, 1.0, 1.0), (1.0, 1e-145, 1.0), (1.0, 1.0, 1e-145), (1e69, 1e69, 1e69)]
)
def test_numbers_that_leave_float64_are_refused(weight, target, variance):
    weights = [weight * np.diag([0.5, 0.2]), weight * np.diag([0.4, 0.3])]
    with pytest.raises((NotApplicableError, NotBalancedError), match=r"vanish|overflow"):
        learn(**request(weights, target * np.diag([2.0, 1.0]), variance * np.diag([1.0, 0.5])), method="exact")


@pytest.mark.parametrize("schedule", [None, {"kind": "exponential", "half_life": 1e9}])
def test_nearly_constant_schedules_are_continuous(schedule):
    rng = np.random.default_rng(0)
    task, inputs, u, v, _, _ = commuting(2, 3, rng)
    weights = two_layers(u, v, 4, rng)
    plain = learn(**request(weights, task, inputs, quantities=["output"]))
    assert jump(plain, learn(**request(weights, task, inputs, quantities=["output"], schedule=schedule))) <= 1e-8
