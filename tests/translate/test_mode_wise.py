"""Networks whose modes learn alone, and weight decay, as the worker answers, against the flow of all weights."""

import numpy as np
import orjson
import pytest
from support.aligned import chain, commuting, decayed, two_layers
from support.analyses import learn
from support.full_flow import orthogonal
from support.training import losses, trained

from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.errors import NotApplicableError, NotBalancedError
from lindyn_service.translate.sweep import compute_points, indices

TIMES = [0.0, 0.3, 1.0, 2.5, 4.0]
NAMES = ["weights", "output", "excess_loss", "loss_rate", "input_representation", "output_representation", "ntk"]


def request(weights, sigma_yx, sigma_xx=None, *, times=TIMES, **changes):
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist()}
    if sigma_xx is not None:
        task["sigma_xx"] = sigma_xx.tolist()
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    return {"network": network, "task": task, "times": list(map(float, times)), "quantities": NAMES} | changes


def check(answer, layers, sigma_yx, sigma_xx, tolerance=1e-12):
    """Weights, what follows from them, and that errors are bounded by what the answer says, but for the oracle's."""
    found, errors = answer["quantities"], answer["diagnostics"]["errors"]
    function = layers[0]
    for w in layers[1:]:
        function = w @ function
    expected = {
        "output": function,
        "input_representation": layers[0].transpose(0, 2, 1) @ layers[0],
        "output_representation": layers[-1] @ layers[-1].transpose(0, 2, 1),
    }
    for name, right in expected.items():
        size = np.linalg.norm(right, axis=(1, 2))
        # what has decayed is below the absolute tolerance of the oracle
        away = np.linalg.norm(np.array(found[name]) - right, axis=(1, 2)) / np.maximum(size, 1e-3 * np.max(size))
        assert np.max(away) <= tolerance, name
        assert np.max(away) <= errors[name] + tolerance / 2, name
    for got, right in zip(found["weights"], layers, strict=True):
        assert np.max(np.abs(np.array(got) - right)) <= tolerance * np.max(np.abs(right))
    excess = losses(layers, sigma_yx, sigma_xx)
    assert np.max(np.abs(found["excess_loss"] - excess)) <= 2 * tolerance * np.max(excess)


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


def test_balances_are_those_of_the_modes():
    rng = np.random.default_rng(0)
    task, inputs, u, v, _, _ = commuting(3, 4, rng)
    weights = two_layers(u, v, 8, rng)
    found = learn(**request(weights, task, inputs))
    assert found["lambda"] is None
    x, y = np.linalg.norm(v.T @ weights[0].T, axis=1), np.linalg.norm(u.T @ weights[1], axis=1)
    assert np.allclose(found["diagnostics"]["lambda_per_mode"], y[:3] ** 2 - x[:3] ** 2, rtol=1e-13)


def test_one_balance_of_all_modes_is_told():
    rng = np.random.default_rng(1)
    task, inputs, u, v, _, _ = commuting(3, 3, rng)
    weights = [np.diag([0.5, 0.2, 0.1]) @ v.T, u @ np.diag(np.sqrt(np.array([0.5, 0.2, 0.1]) ** 2 + 0.7))]
    found = learn(**request(weights, task, inputs, times=[0.0, 1.0]))
    assert np.isclose(found["lambda"], 0.7, rtol=1e-14)


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
    assert "one quadrature a mode" in found["reason"]
    assert np.shape(found["diagnostics"]["lambda_per_mode"]) == (len(s), n_layers - 1)
    truth = trained(weights, task, inputs, TIMES, rates=rates, schedule=how.get("schedule"))
    check(found, truth, task, inputs, 3e-12)


def test_disjoint_hidden_groups_with_their_own_balance():
    """Unaligned within groups, of which each has its own lambda."""
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


@pytest.mark.parametrize("decay", [0.0, 1e-6, 0.05, 1.0, 1e6])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 8.0])
def test_at_late_times_it_is_the_soft_threshold(decay, scale):
    """At 1e3 and 1e6 times the slowest time scale, also small losses to their own digits."""
    rng = np.random.default_rng(8)
    task, inputs, u, v, s, d = commuting(3, 4, rng)
    weights = two_layers(u, v, 8, rng, scale)
    slow = max(1 / min(s), 1 / decay if decay else 0.0, 1 / min(abs(s - decay)))
    found = learn(**request(weights, task, inputs, times=[0.0, 1e3 * slow, 1e6 * slow], weight_decay=decay))
    assert found["method"] == "exact"
    end = u[:, :3] * (np.maximum(s - decay, 0) / d[:3]) @ v[:, :3].T
    excess = 0.5 * np.sum(np.minimum(s, decay) ** 2 / d[:3])
    for t in (1, 2):
        assert np.max(np.abs(found["quantities"]["output"][t] - end)) <= 2e-14
        assert np.isclose(found["quantities"]["excess_loss"][t], excess, rtol=1e-12, atol=1e-280)


@pytest.mark.parametrize("gamma", [1e-7, 1e-3, 0.2, 3.0])
@pytest.mark.parametrize("dims", [(3, 3, 3), (4, 3, 2), (2, 4, 3), (3, 2, 3)])
def test_zero_balance_unaligned_with_decay(dims, gamma):
    """Against many digits of the closed form with F less gamma, and losses of the size of gamma to their own digits."""
    rng = np.random.default_rng(sum(dims))
    w1, w2 = balanced_weights(dims, 0.0, 0.6, rng)
    task, times = rng.standard_normal((dims[2], dims[0])), [0.0, 0.5, 3.0, 15.0, 60.0]
    asked = request([w1, w2], task, times=times, weight_decay=gamma, quantities=["qqt", "excess_loss"])
    found = learn(**asked, method="exact")
    assert found["lambda"] == 0.0
    if any(w["code"] == "saddle" for w in found["warnings"]):  # rounding errors of the weights decide from then on
        assert found["diagnostics"]["errors"]["qqt"] > 1e-3
        times = times[:3]
    for t, time in enumerate(times):
        qqt, excess = decayed(w1, w2, task, gamma, time)
        assert np.max(np.abs(found["quantities"]["qqt"][t] - qqt)) <= 2e-13 * np.max(np.abs(qqt))
        assert np.isclose(found["quantities"]["excess_loss"][t], excess, rtol=1e-12)


def test_zero_balance_on_isotropic_inputs_with_equal_rates():
    rng = np.random.default_rng(3)
    weights, task = balanced_weights((3, 3, 3), 0.0, 0.6, rng), rng.standard_normal((3, 3))
    asked = request(weights, task, 0.25 * np.eye(3), weight_decay=0.1, learning_rates=[2.0, 2.0], time_constant=0.5)
    found = learn(**asked | {"quantities": [n for n in NAMES if n != "weights"]}, method="exact")
    truth = trained(weights, task, 0.25 * np.eye(3), TIMES, tau=0.5, rates=(2.0, 2.0), decay=0.1)
    check({**found, "quantities": {**found["quantities"], "weights": truth}}, truth, task, 0.25 * np.eye(3))
    # the weights themselves are integrated
    assert learn(**asked)["method"] == "flow"


def jump(one, other, name="output"):
    first, second = np.array(one["quantities"][name]), np.array(other["quantities"][name])
    return np.max(np.abs(first - second)) / np.max(np.abs(first))


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


@pytest.mark.parametrize("gamma", [1e-12, 1e-9, 1e-6, 1e-4])
@pytest.mark.parametrize("kind", ["modes", "zero balance", "any"])
def test_answers_are_continuous_towards_no_decay(kind, gamma):
    rng = np.random.default_rng(2)
    task, inputs, u, v, _, _ = commuting(3, 3, rng)
    layers = two_layers(u, v, 6, rng)
    if kind != "modes":
        layers, inputs = balanced_weights((3, 3, 3), 0.0 if kind == "zero balance" else 0.7, 0.6, rng), np.eye(3)
    names = ["output", "input_representation", "excess_loss"]
    plain = learn(**request(layers, task, inputs, quantities=names))
    other = learn(**request(layers, task, inputs, weight_decay=gamma, quantities=names))
    assert plain["method"] == "exact"
    for name in names:
        assert jump(plain, other, name) <= 100 * gamma + 2e-12


def test_exact_says_what_decay_it_does_not_cover():
    rng = np.random.default_rng(0)
    deep, task = chain(np.eye(3), np.eye(3), [3, 3], rng), np.diag([3.0, 2.0, 1.0])
    unaligned = balanced_weights((3, 3, 3), 0.7, 0.6, rng)
    for weights, changes, said in (
        (deep, {}, "two layers only, got 3"),
        (unaligned, {}, "modes must learn alone"),
        (unaligned, {}, "away from balance 0"),
        (unaligned, {"learning_rates": [1.0, 2.0]}, "layers decay at different rates"),
    ):
        with pytest.raises(NotApplicableError, match=said) as refused:
            learn(**request(weights, task, weight_decay=0.1, **changes) | {"quantities": ["loss"]}, method="exact")
        assert refused.value.errors[0][0] == "weight_decay"
        assert "use method flow" in refused.value.detail
        found = learn(**request(weights, task, weight_decay=0.1, **changes))
        assert found["method"] == "flow"
        truth = trained(weights, task, np.eye(3), TIMES, decay=0.1, rates=changes.get("learning_rates"))
        check(found, truth, task, np.eye(3), 1e-11)


def test_exact_says_that_weights_are_neither_balanced_nor_aligned():
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
    for tau, point in zip((1.0, 2.0), map(orjson.loads, compute_points(sweep, indices(sweep))), strict=True):
        time = point["values"]["convergence_time"]
        around = [time * (1 - 1e-6), time, time * (1 + 1e-6)]
        there = learn(**base | {"times": around, "quantities": ["excess_loss"], "time_constant": tau})
        before, now, after = there["quantities"]["excess_loss"]
        assert np.isclose(now, 0.02, rtol=1e-10)
        assert before > 0.02 > after


def test_late_losses_of_deep_chains_keep_their_digits():
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
    assert np.allclose(np.log(losses[1:-1] / losses[2:]) / np.diff(times)[1:], rate, rtol=1e-13)


def test_decay_of_modes_that_takes_too_many_steps_is_integrated(monkeypatch):
    rng = np.random.default_rng(0)
    task, inputs, u, v, _, _ = commuting(2, 2, rng)
    asked = request(two_layers(u, v, 4, rng), task, inputs, weight_decay=0.3, quantities=["output"])
    exact = learn(**asked)
    monkeypatch.setattr("lindyn_service.dynamics.decayed_path._MAX_TRIES", 3)
    flow = learn(**asked)
    assert (exact["method"], flow["method"]) == ("exact", "flow")
    assert "more than 3 steps" in flow["reason"]
    assert jump(exact, flow) <= 1e-11
    with pytest.raises(NotApplicableError, match=r"more than 3 steps.*use method flow"):
        learn(**asked, method="exact")


@pytest.mark.parametrize(
    ("weight", "target", "variance"), [(1e-145, 1.0, 1.0), (1.0, 1e-145, 1.0), (1.0, 1.0, 1e-145), (1e69, 1e69, 1e69)]
)
def test_numbers_that_leave_float64_are_refused(weight, target, variance):
    weights = [weight * np.diag([0.5, 0.2]), weight * np.diag([0.4, 0.3])]
    with pytest.raises((NotApplicableError, NotBalancedError), match=r"vanish|overflow"):
        learn(**request(weights, target * np.diag([2.0, 1.0]), variance * np.diag([1.0, 0.5])), method="exact")


@pytest.mark.parametrize("schedule", [None, {"kind": "exponential", "half_life": 1e9}])
def test_schedules_that_hardly_change_are_none(schedule):
    rng = np.random.default_rng(0)
    task, inputs, u, v, _, _ = commuting(2, 3, rng)
    weights = two_layers(u, v, 4, rng)
    plain = learn(**request(weights, task, inputs, quantities=["output"]))
    assert jump(plain, learn(**request(weights, task, inputs, quantities=["output"], schedule=schedule))) <= 1e-8
