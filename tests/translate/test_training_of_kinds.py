"""Rates, schedules and weight decay for networks of one layer and for the wide limit, as computed by a worker."""

import numpy as np
import pytest
from support.aligned import commuting
from support.analyses import learn
from support.answers import NAMES, TIMES, check, request
from support.training import descended, trained

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.conflicts import conflicts, conflicts_of_ensemble
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.ensemble import EnsembleRequest
from lindyn_service.translate.limits import limits

TAU = 1.3
HOW = {
    "nothing": {},
    "rates": {"rates": [0.4, 2.5]},
    "a schedule": {"schedule": {"kind": "cosine", "period": 3.0, "floor": 0.2}},
    "decay": {"decay": 0.3},
    "decay and a schedule": {"decay": 0.3, "schedule": {"kind": "exponential", "half_life": 1.5}},
    "all": {"rates": [0.4, 2.5], "decay": 0.3, "schedule": {"kind": "exponential", "half_life": 1.5}},
}


def asked(how, n_layers):
    """Fields of a request, and the same parameters for the definition."""
    rates = how.get("rates", [1.0, 1.0])[:n_layers]
    fields = {"learning_rates": rates, "schedule": how.get("schedule"), "weight_decay": how.get("decay", 0.0)}
    return fields | {"time_constant": TAU}, how | {"rates": rates, "tau": TAU}


def wide(start="zero", dims=(4, 60, 3)):
    return {"kind": "wide", "dims": list(dims), "scheme": "glorot", "gain": [0.6, 1.4], "start": start, "seed": 3}


def sizes(dims=(4, 60, 3)):
    """The entries of both layers have the variances gain^2 2 / (fan_in + fan_out)."""
    n_in, n_hidden, n_out = dims
    return n_hidden * 0.36 * 2 / (n_in + n_hidden), n_hidden * 1.96 * 2 / (n_hidden + n_out)


def from_zero():
    """Layers with W2 W1 = 0 and isotropic representations: each layer has separate hidden units."""
    a, b = sizes()
    return np.sqrt(a) * np.eye(7, 4), np.sqrt(b) * np.eye(3, 7, 4)


@pytest.mark.parametrize("method", ["exact", "flow"])
@pytest.mark.parametrize("how", HOW)
def test_one_layer_with_rates_and_decay(how, method):
    """Inputs of any covariance, which do not span all dimensions."""
    rng = np.random.default_rng(1)
    weights, samples = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    inputs, fields = samples.T @ samples / 3, asked(HOW[how], 1)
    task = rng.standard_normal((3, 4)) @ inputs
    found = learn(**request([weights], task, inputs, method=method, **fields[0]))
    assert found["method"] == method
    check(found, trained([weights], task, inputs, TIMES, **fields[1]), task, inputs)
    excess = found["quantities"]["excess_loss"]
    verdict = found["regime"] and found["regime"]["verdict"]
    assert verdict == ("lazy" if excess[-1] <= 0.5 * excess[0] else None)


def test_descent_of_one_layer():
    rng = np.random.default_rng(2)
    weights, task, fields = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), asked(HOW["all"], 1)
    method = {"kind": "descent", "learning_rate": 0.1}
    found = learn(**request([weights], task, times=[0.0, 1.0, 2.0], method=method, **fields[0]))
    layers = descended([weights], task, np.eye(4), [0, 10, 20], 0.1, **fields[1])
    assert np.allclose(found["quantities"]["weights"][0], layers[0], rtol=0, atol=1e-13)


def test_one_layer_ends_at_ridge_regression():
    rng = np.random.default_rng(3)
    weights, samples, gamma = rng.standard_normal((3, 4)), rng.standard_normal((9, 4)), 0.2
    inputs = samples.T @ samples / 9
    task = rng.standard_normal((3, 4)) @ inputs
    document = {name: request([weights], task, inputs)[name] for name in ("network", "task")}
    end = task @ np.linalg.inv(inputs + gamma * np.eye(4))
    error = end - task @ np.linalg.inv(inputs)
    excess = 0.5 * np.sum((error @ inputs) * error)
    for tolerance, is_reached in ((0.9 * excess, False), (1.1 * excess, True)):
        whole = document | {"weight_decay": gamma, "time_constant": TAU, "tolerance": tolerance}
        found = limits(read(LimitsRequest, whole, conflicts), "key")
        assert np.allclose(found["converged"]["output"], end, rtol=0, atol=1e-13)
        assert found["converged"]["excess_loss"] == pytest.approx(excess, rel=1e-12)
        assert found["largest_learning_rate"] == pytest.approx(
            2 * TAU / (np.linalg.eigvalsh(inputs)[-1] + gamma), rel=1e-9
        )
        assert found["shallow"] is None
        assert (found["convergence_time"] is not None) == is_reached
    at = learn(
        **request([weights], task, inputs, times=[found["convergence_time"]], weight_decay=gamma, time_constant=TAU)
    )
    assert at["quantities"]["excess_loss"][0] == pytest.approx(1.1 * excess, rel=1e-12)


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("how", HOW)
def test_wide_layers_from_zero(how, coloured):
    """Exact except for decay with different rates; weights are not compared, since wide layers have none."""
    task, inputs, *_ = commuting(3, 4, np.random.default_rng(4), white=not coloured)
    fields = asked(HOW[how], 2)
    layers = trained(from_zero(), task, inputs, TIMES, **fields[1])
    names = [name for name in NAMES if name != "weights"]
    found = learn(**request([], task, inputs, **fields[0]) | {"network": wide(), "quantities": [*names, "balance"]})
    assert found["method"] == ("flow" if how == "all" else "exact")
    check({**found, "quantities": {**found["quantities"], "weights": layers}}, layers, task, inputs, 1e-11)
    c1, c2 = fields[1]["rates"]
    a, b = sizes()
    assert found["lambda"] == pytest.approx(-(a / c1 + b / c2), rel=1e-14)
    assert found["diagnostics"]["lambda_eff"] == pytest.approx(a / c1 + b / c2, rel=1e-14)
    assert "lambda_per_mode" not in found["diagnostics"]


@pytest.mark.parametrize("how", HOW)
def test_drawn_wide_layers_by_all_methods(how):
    """Descent deviates from the flow by about the length of a step."""
    task, fields = np.random.default_rng(5).standard_normal((3, 4)), asked(HOW[how], 2)
    names = ["output", "qqt", "loss_rate", "ntk_movement", "ntk_distance"]
    asking = {"network": wide("drawn"), "task": task.tolist(), "times": [0.0, 0.4, 1.0], "quantities": names}
    found = {
        str(method): learn(**asking | fields[0], method=method)
        for method in ("auto", "flow", {"kind": "descent", "learning_rate": 1e-4})
    }
    first, *others = found.values()
    assert first["method"] == ("flow" if "decay" in HOW[how] else "exact")
    for other, tolerance in zip(others, (1e-11, 2e-3), strict=True):
        for name in names:
            right = np.array(first["quantities"][name])
            away = np.abs(np.array(other["quantities"][name]) - right)
            assert np.max(away) <= tolerance * np.max(np.abs(right)), name
        assert other["lambda"] == pytest.approx(first["lambda"], rel=1e-12)
        assert other["regime"]["verdict"] == first["regime"]["verdict"]
        assert other["regime"]["ntk_movement"] == pytest.approx(first["regime"]["ntk_movement"], rel=5e-3)


def test_draws_with_rates_approach_the_limit():
    """Wide layers learn with the sizes that follow from their learning rates."""
    task, rates = np.random.default_rng(6).standard_normal((3, 4)), [3.0, 0.5]
    asking = {"task": task.tolist(), "times": [0.0, 0.05, 0.2], "learning_rates": rates, "quantities": ["output"]}
    network = wide("drawn", (4, 20_000, 3)) | {"gain": 0.3}
    draw = {name: value for name, value in network.items() if name != "start"} | {"kind": "random"}
    limit, drawn = (np.array(learn(**asking, network=each)["quantities"]["output"]) for each in (network, draw))
    moved = np.max(np.abs(drawn[-1] - drawn[0]))
    assert np.max(np.abs(limit - drawn)) < 0.03 * moved


def test_limits_of_wide_layers_with_decay():
    task, inputs, u, v, s, d = commuting(3, 4, np.random.default_rng(7))
    document = {name: request([], task, inputs)[name] for name in ("network", "task")} | {"network": wide()}
    found = limits(read(LimitsRequest, document | {"weight_decay": 0.3}, conflicts), "key")
    end = u[:, :3] * (np.maximum(s - 0.3, 0) / d[:3]) @ v[:, :3].T
    assert np.allclose(found["converged"]["output"], end, rtol=0, atol=1e-12)
    assert found["lambda"] == pytest.approx(-sum(sizes()), rel=1e-14)
    assert found["lambda_per_mode"] is None


def test_modes_that_learn_alone_have_the_regime_of_the_flow():
    task, inputs, u, v, _, _ = commuting(3, 4, np.random.default_rng(8))
    weights = [0.3 * np.eye(5, 4) @ v.T, u @ np.eye(3, 5) * 0.5]
    fields = {"times": [0.0, 20.0], "learning_rates": [0.5, 2.0], "schedule": HOW["a schedule"]["schedule"]}
    exact, flow = (learn(**request(weights, task, inputs, **fields), method=method) for method in ("exact", "flow"))
    assert "each mode learns alone" in exact["reason"]
    assert exact["regime"]["verdict"] == flow["regime"]["verdict"] == "rich"
    for name in ("ntk_movement", "kernel_distance"):
        assert exact["regime"][name] == pytest.approx(flow["regime"][name], rel=1e-9)


def test_the_regime_is_that_of_the_weights_with_their_rates():
    """Against the quantities, which are tested against their definitions."""
    task = np.random.default_rng(9).standard_normal((4, 4))
    network = {"kind": "balanced", "dims": [4, 4, 4], "lambda": 1.0, "scale": 0.3, "seed": 1}
    for rates in ([3.0, 3.0], [0.2, 3.0]):
        names = ["ntk_movement", "ntk_distance"]
        found = learn(network=network, task=task.tolist(), times=[0.0, 9.0], learning_rates=rates, quantities=names)
        told = found["regime"]
        assert told["ntk_movement"] == pytest.approx(found["quantities"]["ntk_movement"][-1], rel=1e-9)
        assert told["kernel_distance"] == pytest.approx(found["quantities"]["ntk_distance"][-1], rel=1e-9)


def test_one_learning_rate_for_one_layer():
    whole = request([np.eye(2)], np.eye(2), learning_rates=[1.0, 2.0])
    with pytest.raises(InvalidDocumentError, match=r"got 2 entries and a network of 1 layer; give one for each"):
        learn(**whole)


def test_ensembles_over_a_seed_without_effect_are_refused():
    base = {"network": wide(), "task": np.eye(3, 4).tolist(), "times": [1.0]}
    with pytest.raises(InvalidDocumentError, match=r"give base.network.start 'drawn'"):
        read(EnsembleRequest, {"base": base, "replicates": 3}, conflicts_of_ensemble)
    drawn = {"base": base | {"network": wide("drawn")}, "replicates": 3}
    assert read(EnsembleRequest, drawn, conflicts_of_ensemble).replicates == 3
