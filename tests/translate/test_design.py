"""Designs, as the worker answers, against solutions that are known in closed form or by an independent search."""

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from support.analyses import SIGMA_YX, learn
from support.rules import broken

from lindyn.wire.conflicts import conflicts_of_design
from lindyn.wire.design import DesignRequest
from lindyn.wire.document import read
from lindyn_service.errors import NotApplicableError, UnreachableError
from lindyn_service.operations.registry import DESIGN, normalise, with_seeds
from lindyn_service.translate.design import design
from lindyn_service.translate.encode import encode

NETWORK = {"kind": "balanced", "dims": [3, 3, 3], "scale": 0.1, "seed": 4}
BASE = {"network": NETWORK, "task": SIGMA_YX.tolist(), "times": [0.0, 4.0]}


def asked(path, bounds, scalar, value, base=BASE, **changes):
    return {
        "vary": {"path": path, "bounds": bounds},
        "target": {"scalar": scalar, "value": value},
        "base": base,
        **changes,
    }


def solved(*args, **changes):
    request = read(DesignRequest, asked(*args, **changes), conflicts_of_design)
    return orjson.loads(encode(design(request, "key"), "json"))


def scalar_network(**changes):
    """One mode: w' = 2 a (s - a) for lambda = 0 and tau = 1, a = w2 w1, so that everything is a logistic function."""
    network = {"kind": "weights", "weights": [[[0.1]], [[0.1]]]}
    return {"network": network, "task": [[2.0]], "times": [0.0, 1.0], **changes}


def logistic(time, start=0.01, s=2.0):
    return s / (1 + (s / start - 1) * np.exp(-2 * s * time))


def test_the_time_of_a_loss():
    """Stop when half of the mode is learned: the loss is s^2 / 8."""
    answer = solved("times.stop", [0.1, 50.0], "loss", 0.5, base=scalar_network(times={"stop": 1.0, "num": 2}))
    (found,) = answer["solutions"]
    time = brentq(lambda t: logistic(t) - 1.0, 0.1, 50.0, xtol=1e-15)
    assert found["value"] == pytest.approx(time, rel=1e-9)
    assert found["reached"] == pytest.approx(0.5, rel=1e-9)
    assert (answer["path"], answer["bounds"], answer["scalar"], answer["target"]) == (
        "times.stop",
        [0.1, 50.0],
        "loss",
        0.5,
    )
    times, losses = (np.array(answer["curve"][name]) for name in ("value", "reached"))
    assert (times[0], times[-1], len(times)) == (0.1, 50.0, answer["evaluations"])
    assert np.all(np.diff(times) > 0)
    np.testing.assert_allclose(losses, 0.5 * (2.0 - logistic(times)) ** 2, rtol=1e-8, atol=1e-12)
    assert found["value"] in times
    low, high = answer["range"]
    assert low == pytest.approx(0.0, abs=1e-12)
    assert high == pytest.approx(0.5 * (2.0 - logistic(0.1)) ** 2, rel=1e-9)


def test_a_time_constant_that_reaches_a_tolerance_in_time():
    answer = solved("time_constant", [0.01, 100.0], "convergence_time", 5.0, base=scalar_network(), tolerance=1e-3)
    time = brentq(lambda t: 0.5 * (2.0 - logistic(t)) ** 2 - 1e-3, 0.0, 50.0, xtol=1e-15)
    (found,) = answer["solutions"]
    assert found["value"] == pytest.approx(5.0 / time, rel=1e-9)


def kernel_distance(lam):
    answer = learn(**{**BASE, "network": {**NETWORK, "lambda": lam}}, quantities=["ntk_distance"])
    return answer["quantities"]["ntk_distance"][-1]


def test_both_values_of_lambda():
    """Rich in the middle: a kernel distance is met for a negative and for a positive lambda; the scan is in blocks."""
    answer = solved("network.lambda", [-20.0, 20.0], "kernel_distance", 0.1)
    values = [each["value"] for each in answer["solutions"]]
    assert len(values) == 2
    assert values[0] < 0 < values[1]
    for each in answer["solutions"]:
        assert each["reached"] == pytest.approx(0.1, rel=1e-9)
        assert kernel_distance(each["value"]) == pytest.approx(0.1, rel=1e-9)
    grid = np.concatenate([-np.geomspace(20, 1e-4, 20), np.geomspace(1e-4, 20, 20)])
    signs = np.sign([kernel_distance(lam) - 0.1 for lam in grid])
    assert np.count_nonzero(np.diff(signs)) == 2


def test_networks_one_by_one_find_the_same():
    """Networks of one layer are in no blocks; the gain is a list of one, and both starts have the same loss later."""
    network = {"kind": "random", "dims": [3, 3], "scheme": "lecun", "gain": [0.5], "seed": 1}
    base = {**BASE, "network": network, "times": [0.0, 0.3]}

    def loss(gain):
        return learn(**{**base, "network": {**network, "gain": [gain]}})["quantities"]["loss"][-1]

    target = loss(3.0)
    answer = solved("network.gain.0", [0.05, 5.0], "final_loss", target, base=base)
    assert answer["solutions"][-1]["value"] == pytest.approx(3.0, rel=1e-9)
    assert all(loss(each["value"]) == pytest.approx(target, rel=1e-9) for each in answer["solutions"])
    signs = np.sign([loss(gain) - target for gain in np.geomspace(0.05, 5.0, 100)])
    assert np.count_nonzero(np.diff(signs)) == len(answer["solutions"])


@settings(max_examples=4, deadline=None)
@given(st.floats(0.02, 1.9), st.floats(0.05, 3.0))
def test_times_of_one_mode(start, time):
    loss = 0.5 * (2.0 - logistic(time, start)) ** 2
    network = {"kind": "weights", "weights": [[[start**0.5]], [[start**0.5]]]}
    base = scalar_network(network=network, times={"stop": time, "num": 2})
    answer = solved("times.stop", [time / 10, time * 10], "loss", loss, base=base)
    assert [each["value"] for each in answer["solutions"]] == [pytest.approx(time, rel=1e-7)]


def test_parameters_that_may_be_missing():
    answer = solved("weight_decay", [0.0, 1.0], "final_loss", 1.0, base={**BASE, "network": {**NETWORK, "lambda": 0.0}})
    (found,) = answer["solutions"]
    losses = learn(**{**BASE, "network": {**NETWORK, "lambda": 0.0}}, weight_decay=found["value"])["quantities"]["loss"]
    assert losses[-1] == pytest.approx(1.0, rel=1e-9)


def test_the_range_of_what_is_not_reached():
    with pytest.raises(UnreachableError) as caught:
        solved("network.lambda", [0.0, 20.0], "kernel_distance", 0.999)
    assert f"from {kernel_distance(20.0):.10g}"[:12] in caught.value.detail
    assert "for network.lambda from 0 to 20" in caught.value.detail
    assert caught.value.errors[0][0] == "target.value"


def test_values_where_no_network_exists_are_left_out():
    """With more hidden units than inputs, lambda < 0 has no weights."""
    network = {"kind": "balanced", "dims": [2, 3, 3], "scale": 0.1, "seed": 1}
    base = {**BASE, "network": network, "task": SIGMA_YX[:, :2].tolist()}
    answer = solved("network.lambda", [-5.0, 20.0], "kernel_distance", 0.1, base=base)
    assert all(each["value"] > 0 for each in answer["solutions"])
    (warned,) = [each for each in answer["warnings"] if each["code"] == "failed-points"]
    assert "at network.lambda = -5" in warned["detail"]


def test_a_problem_at_all_values():
    with pytest.raises(NotApplicableError, match="deviation compares"):
        solved("network.lambda", [0.1, 2.0], "deviation", 0.5)
    network = {"kind": "weights", "weights": [[[0.0]], [[0.0]]]}
    with pytest.raises(UnreachableError, match="has no value for any"):
        solved("time_constant", [0.1, 1.0], "convergence_time", 1.0, base=scalar_network(network=network))


def test_a_scalar_that_jumps():
    """Training takes whole steps, so that no number of them meets a loss between two."""
    base = scalar_network(times={"stop": 1.0, "num": 2}, method={"kind": "descent", "learning_rate": 0.5})
    with pytest.raises(UnreachableError, match="it jumps over the target"):
        solved("times.stop", [0.1, 20.0], "final_loss", 1.0, base=base)


def test_keys_and_seeds():
    """The value of the parameter in the base request means nothing."""
    one, other = (
        read(DesignRequest, asked("network.lambda", [0.1, 2.0], "final_loss", 1.0, base=base), conflicts_of_design)
        for base in (BASE, {**BASE, "network": {**NETWORK, "lambda": 7.0}})
    )
    assert normalise(DESIGN, one)[1] == normalise(DESIGN, other)[1]


def test_a_drawn_seed_is_returned():
    drawn = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 0.0, "scale": 0.1}
    base = {**BASE, "network": drawn, "times": {"stop": 1.0, "num": 2}}
    request = with_seeds(read(DesignRequest, asked("times.stop", [0.1, 20.0], "loss", 1.0, base=base)), lambda: 77)
    answer = design(request, "key")
    assert answer["seed"] == 77
    (found,) = answer["solutions"]
    run = learn(**{**base, "network": {**drawn, "seed": 77}, "times": [found["value"]]})
    assert run["quantities"]["loss"][0] == pytest.approx(1.0, rel=1e-9)


def test_its_cost_is_that_of_hundreds_of_runs():
    request = read(DesignRequest, asked("network.lambda", [0.1, 2.0], "final_loss", 1.0))
    long = read(DesignRequest, asked("time_constant", [1e-6, 2.0], "final_loss", 1.0, base={
        **BASE, "network": {"kind": "random", "dims": [3, 4, 4, 3], "scheme": "lecun", "seed": 1}}))  # fmt: skip
    assert DESIGN.cost(long).flops > 500 * DESIGN.cost(request).flops > 0


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"vary": {"path": "network.lamda", "bounds": [0, 1]}}, "base.network.lamda", "did you mean 'lambda'"),
        ({"vary": {"path": "weather.rain", "bounds": [0, 1]}}, "vary.path", "give the path of a number in base"),
        ({"vary": {"path": "schedule.period", "bounds": [1, 2]}}, "vary.path", "give the path of a number in base"),
        ({"vary": {"path": "network.seed", "bounds": [0, 1]}}, "base.network.seed", "got 0.0, expected an integer"),
        ({"vary": {"path": "network.kind", "bounds": [0, 1]}}, "base.network.kind", "got 0.0"),
        ({"vary": {"path": "network", "bounds": [0, 1]}}, "base.network", "expected an object"),
        ({"vary": {"path": "network.lambda", "bounds": [1, 1]}}, "vary.bounds", "bounds must ascend"),
        ({"vary": {"path": "network.lambda", "bounds": [2, 1]}}, "vary.bounds", "got 2.0 and 1.0"),
        ({"vary": {"path": "network.lambda", "bounds": [1]}}, "vary.bounds", "got 1 entry, expected at least 2"),
        (
            {"vary": {"path": "network.lambda", "bounds": [0, float("nan")]}},
            "vary.bounds.1",
            "expected a finite number",
        ),
        ({"target": {"scalar": "output", "value": 1}}, "target.scalar", "llowed are"),
        ({"target": {"scalar": "final_los", "value": 1}}, "target.scalar", "did you mean 'final_loss'"),
        ({"target": {"scalar": "final_loss", "value": float("inf")}}, "target.value", "expected a finite number"),
        ({"target": {"scalar": "final_loss"}}, "target.value", "required"),
        ({"tolerance": 0}, "tolerance", "expected at least 1e-70"),
        ({"base": {**BASE, "evaluate": [SIGMA_YX.tolist()]}}, "base.evaluate", "only trajectories answer with"),
        ({"base": {**BASE, "task": [[1.0]]}}, "base.task.sigma_yx", "widths require"),
    ],
)
def test_bad_input(changes, path, words):
    base = {**BASE, "network": {**NETWORK, "lambda": 1.0}}
    whole = {**asked("network.lambda", [0.1, 2.0], "final_loss", 1.0, base=base), **changes}
    found = broken(DesignRequest, whole, conflicts_of_design)
    assert list(found) == [path]
    assert words in found[path]


def test_bad_values_within_the_bounds():
    """The upper bound is no valid value, so that runs there fail; all of them if the lower one is none either."""
    base = {**BASE, "network": {**NETWORK, "lambda": 0.5}, "schedule": {"kind": "cosine", "period": 3.0}}
    answer = solved("schedule.floor", [0.0, 3.0], "final_loss", 0.02, base=base)
    assert [each["code"] for each in answer["warnings"] if each["code"] == "failed-points"] == ["failed-points"]
