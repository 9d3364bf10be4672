"""Numbers as large and as small as requests allow: finite answers or a refusal, never NaN, null or a crash.

Only what has no value for the weights or the task at hand may be null.
"""

import itertools
import json

import numpy as np
import pytest
from support.oracle import exact_qqt, relative_error

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.dynamics.alignment import PARTLY_DEFINED
from lindyn_service.errors import NotApplicableError, ServiceError
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory

# high powers of weights, or their inverse
OVERFLOWING = {"loss_rate", "ntk", "ntk_norm", "ntk_distance", "ntk_movement", "sharpness", "rsm_output"}
INTEGRATED = {"weights"}
MAGNITUDES = [0.0, 1e-320, 1e-200, 1e-150, 1e-70, 1.0, 1e40, 1e70]
SHAPE = np.array([[1.0, 0.5], [-0.25, 1.0]])


def balanced(lam, scale=1.0):
    return {"kind": "balanced", "dims": [2, 2, 2], "lambda": lam, "scale": scale, "seed": 1}


def answer(network, task, last_time, tau=1.0, *, leave_out=OVERFLOWING | INTEGRATED, method="exact"):
    whole = {"network": network, "task": task, "times": [0.0, last_time / 2, last_time], "time_constant": tau}
    whole |= {"quantities": [name for name in QUANTITIES if name not in leave_out], "method": method}
    request = read(TrajectoryRequest, whole, conflicts)
    return json.loads(encode(trajectory(request, ""), "json"))


def check(*problem):
    try:
        found = answer(*problem)
    except ServiceError as error:
        return error.code
    finite = {name: values for name, values in found["quantities"].items() if name not in PARTLY_DEFINED}
    assert "null" not in json.dumps(finite), problem
    return "answered"


def test_balanced_networks_of_every_scale():
    codes = [
        check(balanced(lam, scale), (size * SHAPE).tolist(), last_time, tau)
        for lam, scale, size, last_time, tau in itertools.product(
            [0, 1, 1e70, -1e70], [1e-70, 1, 1e70], MAGNITUDES, [1, 1e70], [1e-70, 1e70]
        )
    ]
    assert set(codes) == {"answered"}


def test_data_of_every_scale():
    codes = {
        (size, whiten): {
            check(
                balanced(lam),
                {
                    "kind": "data",
                    "inputs": (size * np.eye(2)).tolist(),
                    "targets": (y * SHAPE).tolist(),
                    "whiten": whiten,
                },
                last_time,
            )
            for lam, y, last_time in itertools.product([0, -1, 1e70], MAGNITUDES, [1, 1e70])
        }
        for size, whiten in itertools.product([x for x in MAGNITUDES if x], [True, False])
    }
    for (size, whiten), found in codes.items():
        # the squares of the smallest inputs vanish, and with them the inputs
        if whiten or size >= 1e-70:
            assert found == {"answered"}, size
        else:
            assert found <= {"answered", "not-applicable"}, size


def test_weights_of_every_scale():
    for first, second in itertools.product(MAGNITUDES, MAGNITUDES):
        network = {"kind": "weights", "weights": [(first * np.eye(2)).tolist(), (second * np.eye(2)).tolist()]}
        if first == second == 0:
            continue  # see below
        codes = {check(network, (size * SHAPE).tolist(), 1e70) for size in MAGNITUDES}
        tiny = max(first, second) < 1e-150
        assert codes == ({"not-applicable"} if tiny else {"answered"}), (first, second)


@pytest.mark.parametrize("quantity", sorted(OVERFLOWING))
def test_quantities_of_high_powers_are_answered_or_refused(quantity):
    """A quantity that overflows is refused by its name; nothing is divided by zero."""
    others, refusals = set(QUANTITIES) - {quantity}, list[str]()
    sizes, strengths = [1e-200, 1e-70, 1.0, 1e70], [0.0, 1e-150, 1.0, 1e70]
    for size, whiten, y, lam in itertools.product(sizes, [True, False], strengths, [0, 1e70]):
        inputs, targets = (size * np.eye(2)).tolist(), (y * SHAPE).tolist()
        task = {"kind": "data", "inputs": inputs, "targets": targets, "whiten": whiten}
        try:
            answer(balanced(lam), task, 1.0, leave_out=others)
        except NotApplicableError as error:
            refusals.append(error.detail)
    assert all("float64" in detail or "no inputs" in detail for detail in refusals), refusals


def test_weights_of_zero_stay_zero(capfd):
    """They are a saddle of all modes; nothing is written to the pipe of the worker process."""
    nothing = np.zeros((2, 2)).tolist()
    found = answer({"kind": "weights", "weights": [nothing, nothing]}, SHAPE.tolist(), 5.0)
    assert np.array_equal(found["quantities"]["output"], np.zeros((3, 2, 2)))
    codes = [warning["code"] for warning in found["warnings"]]
    assert codes == ["saddle", "saddle", "irreducible-loss-unknown", "no-samples"]
    assert capfd.readouterr().out == ""


def test_moments_of_every_scale():
    for variance, size, trace in itertools.product(MAGNITUDES, MAGNITUDES, [None, 0.0, 1e70]):
        task = {"kind": "correlation", "sigma_yx": (size * SHAPE).tolist(), "sigma_yy_trace": trace}
        task["sigma_xx"] = (variance * np.eye(2)).tolist()
        assert check(balanced(1.0), task, 1e70) in ("answered", "not-applicable", "invalid-request")


def test_tiny_weights_are_exact():
    """The smallest accepted weights, against 80 digits."""
    w1, w2 = 1e-150 * np.array([[1.0, 0.5], [0.0, 1.0]]), 1e-150 * np.array([[1.0, 0.0], [0.5, 1.0]])
    network = {"kind": "weights", "weights": [w1.tolist(), w2.tolist()]}
    found = answer(network, SHAPE.tolist(), 800.0)
    for time, qqt in zip(found["times"][1:], found["quantities"]["qqt"][1:], strict=True):
        assert relative_error(np.array(qqt), exact_qqt(w1, w2, SHAPE, 0.0, time)) < 1e-13


@pytest.mark.parametrize(
    ("network", "task", "text"),
    [
        (
            {"kind": "weights", "weights": [[[1e-160, 0.0]], [[1e-160]]]},
            [[1.0, 0.0]],
            "largest weight is 1e-160, whose square vanishes in float64 (limit 1e-150); scale it up",
        ),
        (
            balanced(1.0),
            {"kind": "correlation", "sigma_yx": np.eye(2).tolist(), "sigma_xx": (1e-150 * np.eye(2)).tolist()},
            "are up to 1e+150, whose square overflows in float64 (limit 1e+140); scale the inputs up",
        ),
    ],
    ids=["weights", "inputs"],
)
def test_refusals_name_their_reason(network, task, text):
    with pytest.raises(NotApplicableError) as caught:
        answer(network, task, 1.0)
    assert text in caught.value.detail


@pytest.mark.parametrize("method", ["exact", "flow"])
def test_overflowing_quantities_are_refused_by_name(method):
    network = {"kind": "weights", "weights": [(1e70 * np.eye(2)).tolist(), (1e70 * np.eye(2)).tolist()]}
    with pytest.raises(NotApplicableError, match="loss_rate") as caught:
        answer(network, SHAPE.tolist(), 0.0, leave_out=set(QUANTITIES) - {"loss", "loss_rate"}, method=method)
    assert "overflow float64" in caught.value.detail


def test_a_flow_that_overflows_is_refused_at_once():
    network = {"kind": "weights", "weights": [(1e70 * np.eye(2)).tolist()] * 6}
    with pytest.raises(NotApplicableError, match="overflow float64"):
        answer(network, SHAPE.tolist(), 1.0, leave_out={"qqt"}, method="auto")
