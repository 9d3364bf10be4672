"""Weight decay, as computed by a worker, against the flow of all weights, many digits, and its limit."""

import numpy as np
import pytest
from support.aligned import chain, commuting, decayed, two_layers
from support.analyses import learn
from support.answers import NAMES, TIMES, check, jump, request
from support.training import trained

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.errors import NotApplicableError


@pytest.mark.parametrize("decay", [0.0, 1e-6, 0.05, 1.0, 1e6])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 8.0])
def test_late_times_reach_the_soft_threshold(decay, scale):
    """At 1e3 and 1e6 times the slowest time scale, also for small losses relative to their size."""
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
    """Against many digits of the closed form with F - gamma, also for losses of the size of gamma."""
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
        assert np.isclose(found["quantities"]["excess_loss"][t], excess, rtol=1e-12, atol=0)


def test_zero_balance_on_isotropic_inputs_with_equal_rates():
    rng = np.random.default_rng(3)
    weights, task = balanced_weights((3, 3, 3), 0.0, 0.6, rng), rng.standard_normal((3, 3))
    asked = request(weights, task, 0.25 * np.eye(3), weight_decay=0.1, learning_rates=[2.0, 2.0], time_constant=0.5)
    found = learn(**asked | {"quantities": [n for n in NAMES if n != "weights"]}, method="exact")
    truth = trained(weights, task, 0.25 * np.eye(3), TIMES, tau=0.5, rates=(2.0, 2.0), decay=0.1)
    check({**found, "quantities": {**found["quantities"], "weights": truth}}, truth, task, 0.25 * np.eye(3))
    # the weights themselves are integrated
    assert learn(**asked)["method"] == "flow"


@pytest.mark.parametrize("gamma", [1e-12, 1e-9, 1e-6, 1e-4])
@pytest.mark.parametrize("kind", ["modes", "zero balance", "any"])
def test_answers_are_continuous_as_decay_vanishes(kind, gamma):
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


def test_exact_refuses_decay_that_it_does_not_cover():
    rng = np.random.default_rng(0)
    deep, task = chain(np.eye(3), np.eye(3), [3, 3], rng), np.diag([3.0, 2.0, 1.0])
    unaligned = [w + 0.1 * rng.standard_normal((3, 3)) for w in balanced_weights((3, 3, 3), 0.7, 0.6, rng)]
    for weights, changes, said in (
        (deep, {}, "two layers only, got 3"),
        (unaligned, {}, "modes do not learn alone"),
        (unaligned, {}, "away from balanced"),
        (unaligned, {"learning_rates": [1.0, 2.0]}, "layers decay at different rates"),
    ):
        with pytest.raises(NotApplicableError, match=said) as refused:
            learn(**request(weights, task, weight_decay=0.1, **changes) | {"quantities": ["loss"]}, method="exact")
        assert refused.value.errors[0][0] == ("network" if weights is unaligned and not changes else "weight_decay")
        assert "use method flow" in refused.value.detail
        found = learn(**request(weights, task, weight_decay=0.1, **changes))
        assert found["method"] == "flow"
        truth = trained(weights, task, np.eye(3), TIMES, decay=0.1, rates=changes.get("learning_rates"))
        check(found, truth, task, np.eye(3), 1e-11)


@pytest.mark.parametrize("lam", [1e-3, 0.7, -20.0, 1e4])
@pytest.mark.parametrize(("dims", "gamma"), [((3, 3, 3), 0.2), ((2, 2, 4), 1e-3), ((4, 2, 3), 1.0)])
def test_balanced_and_unaligned_with_decay(lam, dims, gamma):
    """Exact where the weights are not asked for, and within the bounds of its errors."""
    if (lam > 0 and dims[1] > dims[2]) or (lam < 0 and dims[1] > dims[0]):
        pytest.skip("no such weights")
    rng = np.random.default_rng(sum(dims))
    weights, task = balanced_weights(dims, lam, 0.6, rng), rng.standard_normal((dims[2], dims[0]))
    times = np.array([0.0, 0.3, 1.0, 4.0]) / max(1.0, abs(lam) / 100)
    names = [name for name in NAMES if name != "weights"]
    found = learn(**request(weights, task, times=times, weight_decay=gamma, quantities=names))
    assert found["method"] == "exact"
    assert "a balance that decays" in found["reason"]
    assert found["lambda"] == pytest.approx(lam, rel=1e-12)
    truth = trained(weights, task, np.eye(dims[0]), times, decay=gamma)
    check({**found, "quantities": {**found["quantities"], "weights": truth}}, truth, task, np.eye(dims[0]), 1e-11)
    assert max(found["diagnostics"]["errors"].values()) <= 1e-10


@pytest.mark.parametrize("gamma", [1e-3, 0.2])
def test_a_mode_that_balanced_weights_do_not_reach_with_decay(gamma):
    """Two modes are learned; the third hidden unit is along an output that the task does not need."""
    rng = np.random.default_rng(4)
    first, second = np.zeros((3, 3)), np.zeros((4, 3))
    first[:2, :2], second[:2, :2] = balanced_weights((2, 2, 2), 0.7, 0.6, rng)
    second[3, 2] = np.sqrt(0.7)
    task = np.zeros((4, 3))
    task[[0, 1, 2], [0, 1, 2]] = 2.0, 1.0, 0.5
    asked = request(
        [first, second], task, times=[0.0, 3.0, 50.0 / gamma], weight_decay=gamma, quantities=["output", "excess_loss"]
    )
    found = learn(**asked, method="exact")
    assert found["reason"].endswith("by quadrature for each mode")
    assert [w["modes"] for w in found["warnings"] if w["code"] == "saddle"] == [[2]]
    end = np.where(np.eye(4, 3, dtype=bool), [2.0 - gamma, 1.0 - gamma, 0.0], 0.0)
    assert np.allclose(found["quantities"]["output"][2], end, rtol=0, atol=1e-12)
    assert np.isclose(found["quantities"]["excess_loss"][2], gamma**2 + 0.125, rtol=1e-12, atol=0)


@pytest.mark.parametrize("gamma", [0.1, 1e-4])
def test_errors_of_a_layer_far_smaller_than_the_balance_with_decay(gamma):
    first, second = np.array([[4.5e-08, -7.8e-08]]), np.array([[-16.0]])
    first *= np.sqrt(256.0 / (second[0, 0] ** 2 - np.sum(first**2)))
    task, inputs = np.array([[0.75, 0.94]]), 0.137675566 * np.eye(2)
    found = learn(
        **request([first, second], task, inputs, times=[0.0, 0.01], weight_decay=gamma, quantities=["output"])
    )
    start = second @ first
    error = np.linalg.norm(found["quantities"]["output"][0] - start) / np.linalg.norm(start)
    assert error <= found["diagnostics"]["errors"]["output"]


def test_decay_of_modes_that_takes_too_many_steps_is_integrated(monkeypatch):
    rng = np.random.default_rng(0)
    task, inputs, u, v, _, _ = commuting(2, 2, rng)
    asked = request(two_layers(u, v, 4, rng), task, inputs, weight_decay=0.3, quantities=["output"])
    exact = learn(**asked)
    monkeypatch.setattr("lindyn_service.dynamics.radau_collocation._MAX_STEPS", 3)
    flow = learn(**asked)
    assert (exact["method"], flow["method"]) == ("exact", "flow")
    assert "more than 3 steps" in flow["reason"]
    assert jump(exact, flow) <= 1e-11
    with pytest.raises(NotApplicableError, match=r"more than 3 steps.*use method flow"):
        learn(**asked, method="exact")


@pytest.mark.parametrize("lam", [0.7, -0.7, 0.0])
@pytest.mark.parametrize("strengths", [[1.5, 1.5, 1.5], [1.5, 0.0, 0.0]])
def test_errors_of_equal_modes_with_decay(lam, strengths):
    """Rounding errors turn the singular vectors of equal modes, but not what is learned."""
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    weights, task = balanced_weights((3, 2, 3), lam, 0.6, rng), (u * strengths) @ v.T
    names = ["output", "input_representation", "output_representation"]
    found = learn(**request(weights, task, times=TIMES, weight_decay=0.1, quantities=names), method="exact")
    w1, w2 = trained(weights, task, np.eye(3), TIMES, decay=0.1)
    assert np.allclose(found["quantities"]["output"], w2 @ w1, rtol=0, atol=1e-9)
    assert max(found["diagnostics"]["errors"].values()) < 1e-11
    assert all(warned["code"] != "ill-conditioned" for warned in found["warnings"])


@pytest.mark.parametrize("gamma", [0.31, 0.6])
def test_decay_that_is_stronger_than_modes_of_a_network_that_has_learned_them(gamma):
    """No mode grows any more, and at time 0 the difference from the task is small."""
    rng, task = np.random.default_rng(1), np.diag([0.3, 0.2, 0.1])
    u, s, vt = np.linalg.svd(task + 1e-5 * rng.standard_normal((3, 3)))
    weights, times = [np.sqrt(s)[:, None] * vt, u * np.sqrt(s)], [0.0, 0.3, 2.0]
    asked = request(weights, task, times=times, weight_decay=gamma, quantities=["excess_loss"])
    exact = learn(**asked, method="exact")["quantities"]["excess_loss"]
    flow = learn(**asked, method={"kind": "flow", "rtol": 1e-12})["quantities"]["excess_loss"]
    assert np.isclose(exact[0], 0.5 * np.sum((weights[1] @ weights[0] - task) ** 2), rtol=1e-9)
    assert np.allclose(exact[1:], flow[1:], rtol=1e-8)
