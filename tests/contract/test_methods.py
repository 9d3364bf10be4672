"""Methods flow and descent, and the choice of the method, against references and training written out."""

import json
import re
import time
from itertools import pairwise
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from support.flow import features_of_hierarchy, flat
from support.holding import suspended
from support.oracle import integrate, relative_error
from support.processes import eventually
from support.service import ask, post, problem

pytestmark = pytest.mark.live

CASES = json.loads((Path(__file__).parents[1] / "reference" / "flow_weights.json").read_text())["cases"]
NAMES = [case["name"] for case in CASES]


def request_of(case, **changes):
    task = {"kind": "correlation", "sigma_yx": case["sigma_yx"], "sigma_xx": case["sigma_xx"]}
    return {
        "network": {"kind": "weights", "weights": case["weights"]},
        "task": task,
        "times": case["times"],
        "time_constant": case["time_constant"],
        "quantities": ["weights"],
    } | changes


def error_of(answer, case):
    """Largest distance over the times, of all layers together, relative to their norm."""
    layers = answer["quantities"]["weights"]
    assert [layer.shape[1:] for layer in layers] == [np.shape(w) for w in case["weights"]]
    errors = []
    for i, expected in enumerate(case["trajectory"]):
        got = np.concatenate([layer[i].ravel() for layer in layers])
        errors.append(relative_error(got, np.concatenate([np.ravel(w) for w in expected])))
    return max(errors)


def test_the_references_cover_depths_and_coloured_inputs():
    assert len(CASES) == 7
    assert {len(case["dims"]) for case in CASES} == {3, 4, 5}
    assert sum(np.allclose(case["sigma_xx"], np.eye(len(case["sigma_xx"]))) for case in CASES) == 4


@pytest.mark.parametrize(("body", "accept"), [("json", "json"), ("npz", "npz")])
@pytest.mark.parametrize("method", ["flow", "auto"])
def test_weights_within_the_tolerance(service, method, body, accept, measured):
    """Against 45-digit integrations."""
    worst = 0.0
    # the second quantity gives each way a key of its own, so that its answer is computed and not converted
    quantities = ["weights"] if accept == "json" else ["weights", "loss"]
    for case in CASES:
        answer = ask(service, request_of(case, method=method, quantities=quantities), body=body, accept=accept)
        assert (answer["method"], answer["dims"]) == ("flow", case["dims"])
        assert answer["diagnostics"]["tolerance"] == 1e-9
        assert answer["diagnostics"]["error_estimate"] <= 1e-9
        assert answer["diagnostics"]["balance_drift"] <= 1e-9
        worst = max(worst, error_of(answer, case))
    measured("worst_relative_error", worst)
    assert worst <= 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_tolerances_are_met_and_returned(service, name):
    case = CASES[NAMES.index(name)]
    loose, tight = (
        ask(service, request_of(case, method={"kind": "flow", "rtol": rtol, "atol": atol}))
        for rtol, atol in ((1e-6, 1e-7), (1e-9, 1e-11))
    )
    assert (loose["diagnostics"]["rtol"], loose["diagnostics"]["atol"]) == (1e-6, 1e-7)
    assert "rtol 1e-06, atol 1e-07" in loose["reason"]
    assert (tight["diagnostics"]["rtol"], tight["diagnostics"]["atol"]) == (1e-9, 1e-11)
    for answer in (loose, tight):
        assert error_of(answer, case) <= answer["diagnostics"]["tolerance"]
        assert answer["diagnostics"]["error_estimate"] <= answer["diagnostics"]["tolerance"]
    assert error_of(tight, case) < error_of(loose, case)
    assert tight["diagnostics"]["evaluations"] > loose["diagnostics"]["evaluations"]


def test_the_absolute_tolerance_is_in_units_of_the_largest_weight(service):
    case = CASES[0]
    answer = ask(service, request_of(case, method={"kind": "flow", "rtol": 1e-8}))
    largest = np.max(np.abs(np.concatenate([np.ravel(w) for w in case["weights"]])))
    assert np.isclose(answer["diagnostics"]["atol"], 1e-8 * largest, rtol=1e-12, atol=0)
    assert ask(service, request_of(case))["diagnostics"]["rtol"] == 1e-13


@pytest.mark.parametrize(
    ("method", "path", "texts"),
    [
        ({"kind": "flow", "rtol": 1e-14}, "method.rtol", ["got 1e-14", "at least 1e-13"]),
        ({"kind": "flow", "rtol": 0.1}, "method.rtol", ["got 0.1", "at most 0.01"]),
        ({"kind": "flow", "rtol": "1e-9"}, "method.rtol", ["got '1e-9'", "a number"]),
        ({"kind": "flow", "atol": 0}, "method.atol", ["got 0", "at least 1e-70"]),
        ({"kind": "flow", "learning_rate": 0.1}, "method.learning_rate", ["unknown"]),
        ({"kind": "auto", "rtol": 1e-9}, "method.rtol", ["unknown"]),
        ({"kind": "descent"}, "method.learning_rate", ["required"]),
        ("descent", "method.learning_rate", ["required"]),
        ({"kind": "descent", "learning_rate": 0}, "method.learning_rate", ["got 0", "at least 1e-70"]),
        (
            {"kind": "descent", "learning_rate": 0.1, "activation": "gelu"},
            "method.activation",
            ["got 'gelu'", "'linear', 'relu', 'tanh'"],
        ),
        ({"rtol": 1e-9}, "method.kind", ["required"]),
        (3, "method", ["got 3", "'auto', 'exact', 'flow' or an object"]),
        (None, "method", ["got null"]),
    ],
    ids=str,
)
def test_invalid_methods(service, method, path, texts):
    body = problem(post(service, request_of(CASES[0], method=method)), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
    for text in texts:
        assert text in body["errors"][0]["detail"]


def test_auto_reports_what_was_measured(service):
    """The measurements that exclude the closed form, by their definitions (docs/theory.md, section 1)."""
    by_name = {case["name"]: case for case in CASES}
    w1, w2 = (np.array(w) for w in by_name["unbalanced"]["weights"])
    b = w2.T @ w2 - w1 @ w1.T
    lam = np.trace(b) / 2
    residual = np.linalg.norm(b - lam * np.eye(2))
    size = np.sum(w1**2) + np.sum(w2**2)
    answer = ask(service, request_of(by_name["unbalanced"]))
    number = r"(-?[\d.]+(?:e-?\d+)?)"
    text = (
        rf"the weights are {number} away from balanced \(\|\|B - lambda I\|\|_F = {number} over .*, tolerance 1e-13\)"
    )
    said = re.match(
        rf"{text}, the nearest lambda is {number}; gradient flow of 2 layers by Taylor series", answer["reason"]
    )
    assert np.allclose([float(n) for n in said.groups()], [residual / size, residual, lam], rtol=5e-3, atol=0)
    assert np.isclose(answer["lambda"], lam, rtol=1e-13, atol=0)
    assert np.isclose(answer["diagnostics"]["balance_residual"], residual, rtol=1e-13, atol=0)
    assert np.isclose(answer["diagnostics"]["relative_balance_residual"], residual / size, rtol=1e-13, atol=0)

    sigma_xx = np.array(by_name["coloured"]["sigma_xx"])
    isotropic = np.trace(sigma_xx) / 2 * np.eye(2)
    distance = np.linalg.norm(sigma_xx - isotropic) / np.linalg.norm(sigma_xx)
    reason = ask(service, request_of(by_name["coloured"]))["reason"]
    assert f"sigma_xx is {distance:.3g} away from a multiple of the identity (relative, tolerance 1e-13)" in reason

    answer = ask(service, request_of(by_name["four_layers"]))
    assert answer["reason"].startswith("the closed form needs two weight layers, got 4; gradient flow of 4 layers")
    assert answer["lambda"] is None
    assert len(answer["diagnostics"]["balance_residual"]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_exact_refuses_what_auto_integrates(service, name):
    code = "not-balanced" if name.startswith("unbalanced") else "not-applicable"
    case = CASES[NAMES.index(name)]
    detail = problem(post(service, request_of(case, method="exact")), 422, code)["detail"]
    assert "use method flow" in detail
    finding, flow, _ = ask(service, request_of(case))["reason"].partition("; gradient flow")
    assert flow
    assert detail.startswith(f"{finding}; ")


def test_late_times_of_deep_networks_take_no_longer(service):
    """Layers that have converged are not integrated on: a time of 10^4 is answered within the limit."""
    network = {"kind": "random", "dims": [3, 3, 3, 3, 3, 3], "scheme": "glorot", "seed": 1}
    request = {"network": network, "task": np.diag([3.0, 2.0, 1.0]).tolist(), "quantities": ["output", "loss"]}
    early = ask(service, request | {"times": [0.0, 100.0]})
    late = ask(service, request | {"times": [0.0, 1e4]})
    assert np.allclose(late["quantities"]["output"][-1], np.diag([3.0, 2.0, 1.0]), atol=1e-9)
    assert late["diagnostics"]["evaluations"] < 2 * early["diagnostics"]["evaluations"]


def test_flow_of_a_balanced_network_is_the_closed_form(service):
    network = {"kind": "balanced", "dims": [4, 3, 5], "lambda": -0.7, "scale": 0.5, "seed": 3}
    request = {
        "network": network,
        "task": {"kind": "regression", "samples": 6, "seed": 4},
        "times": [0.3, 1.0, 4.0],
        "time_constant": 1.3,
        "quantities": ["loss", "loss_rate", "weights", "ntk_distance", "ntk", "rsm_output", "alignment", "balance"],
    }
    exact, flow = (ask(service, request | {"method": method}) for method in ("exact", "flow"))
    assert (exact["method"], flow["method"]) == ("exact", "flow")
    assert "successive approximations" in exact["reason"]  # the rotation of the hidden units
    others = flat(flow["quantities"])
    for name, array in flat(exact["quantities"]).items():
        assert np.allclose(array, others[name], rtol=1e-8, atol=1e-8, equal_nan=True), name
    assert np.all(exact["quantities"]["ntk_distance"] > 0)  # from time 0, which is none of those that are asked for


@pytest.mark.parametrize(
    ("tiny", "method", "trusted"),
    [(1e-2, "flow", True), (1e-8, "flow", False), (1e-8, {"kind": "flow", "rtol": 1e-12, "atol": 1e-20}, True)],
    ids=str,
)
def test_an_integration_near_a_saddle_reports_its_error(service, tiny, method, trusted):
    """Layers x = y and z: z^2 - x^2 is conserved, so x reaches the time t(x) = tau int dx / (x z (1 - x^2 z))."""
    learned = -np.log(tiny)
    times = [0.0, learned - 1, learned, learned + 10]
    network = {"kind": "weights", "weights": [[[tiny]], [[tiny]], [[1.0]]]}
    request = {"network": network, "task": [[1.0]], "times": times, "quantities": ["weights"], "method": method}
    answer = ask(service, request)
    with mp.workdps(40):

        def velocity(u):  # of u = log x
            z = mp.sqrt(1 - mp.mpf(tiny) ** 2 + mp.exp(2 * u))
            return z * (1 - mp.exp(2 * u) * z)

        ends = [mp.log(mp.mpf(float(x))) for x in answer["quantities"]["weights"][0][:, 0, 0]]
        between = [mp.log(tiny), *ends[1:]]
        took = [mp.quad(lambda u: 1 / velocity(u), part) for part in pairwise(between)]
        late = np.cumsum([0, *took]) - [mp.mpf(time) for time in times]
        error = float(max(abs(delay * velocity(u) * mp.exp(u)) for delay, u in zip(late, ends, strict=True)))
    found = answer["diagnostics"]
    assert (found["error_estimate"] <= found["tolerance"]) == trusted
    assert error <= found["error_estimate"]
    warnings = {warning["code"]: warning["detail"] for warning in answer["warnings"]}
    assert ("tolerance-not-met" in warnings) == (not trusted)
    if not trusted:
        assert f"the error may be {found['error_estimate']:.3g} (relative)" in warnings["tolerance-not-met"]


BALANCED = {"kind": "balanced", "dims": [4, 3, 3], "lambda": 0.6, "scale": 0.4, "seed": 2}
SPECTRUM = {"kind": "spectrum", "singular_values": [1.5, 1.0, 0.5], "seed": 2}


def descent(learning_rate, activation="linear"):
    return {"kind": "descent", "learning_rate": learning_rate, "activation": activation}


def test_linear_descent_tends_to_the_flow_with_order_one(service, measured):
    """Full-batch descent at step k is the flow at eta k up to O(eta) (docs/theory.md, section 0)."""
    base = {"network": BALANCED, "task": SPECTRUM, "times": [0.0, 0.5, 1.0, 2.0], "quantities": ["output", "weights"]}
    exact = ask(service, base | {"method": "exact"})["quantities"]["output"]
    rates = [1 / 64, 1 / 128, 1 / 256, 1 / 512]
    answers = [ask(service, base | {"method": descent(rate)}) for rate in rates]
    for rate, answer in zip(rates, answers, strict=True):
        assert (answer["method"], answer["diagnostics"]["steps"]) == ("descent", 2 / rate)
        assert np.array_equal(answer["times"], base["times"])
        assert f"{round(2 / rate)} steps" in answer["reason"]
        assert [warning["code"] for warning in answer["warnings"]] == []
    errors = [np.max(np.abs(answer["quantities"]["output"] - exact)) for answer in answers]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    measured("orders", orders.tolist())
    assert np.all(np.abs(orders - 1) < [0.1, 0.05, 0.025])


def test_the_time_constant_slows_descent_down(service):
    """tau dW/dt: a step of eta in time changes the weights by eta / tau times the gradient."""
    base = {"network": BALANCED, "task": SPECTRUM, "quantities": ["output"]}
    slow = ask(service, base | {"times": [0.0, 1.0], "time_constant": 4.0, "method": descent(0.25)})
    fast = ask(service, base | {"times": [0.0, 0.25], "method": descent(0.0625)})
    assert slow["diagnostics"]["steps"] == fast["diagnostics"]["steps"] == 4
    assert np.allclose(slow["quantities"]["output"], fast["quantities"]["output"], rtol=1e-14, atol=0)


ACTIVATIONS = {
    "linear": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
}


def trained(layers, inputs, targets, activation, learning_rate, steps):
    """Weights after steps of full-batch descent on 1/(2P) ||f(X) - Y||^2, and the loss; samples are columns."""
    of, slope = ACTIVATIONS[activation]
    n_samples = inputs.shape[1]

    def forward():
        sums, signals = [], [inputs]
        for i, w in enumerate(layers):
            sums.append(w @ signals[-1])
            signals.append(sums[-1] if i == len(layers) - 1 else of(sums[-1]))
        return sums, signals

    for _ in range(steps):
        sums, signals = forward()
        error, gradients = (signals[-1] - targets) / n_samples, []
        for i in reversed(range(len(layers))):
            gradients.append(error @ signals[i].T)
            error = layers[i].T @ error
            if i:
                error = error * slope(sums[i - 1])
        layers = [w - learning_rate * gradient for w, gradient in zip(layers, reversed(gradients), strict=True)]
    return layers, np.sum((forward()[1][-1] - targets) ** 2) / (2 * n_samples)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dims", [[8, 5, 8], [8, 6, 5, 8]], ids=str)
def test_descent_is_back_propagation_of_all_samples(service, dims, activation):
    """Written out for the semantic task, whose inputs are the unit vectors."""
    network = {"kind": "random", "dims": dims, "scheme": "he", "seed": 5}
    eta, steps = 0.125, [0, 1, 40]
    request = {
        "network": network,
        "task": {"kind": "semantic"},
        "times": [eta * step for step in steps],
        "quantities": ["loss", "weights", "weight_norms", "balance"],
        "method": descent(eta, activation),
    }
    answer = ask(service, request)
    assert (answer["method"], answer["diagnostics"]["activation"]) == ("descent", activation)
    got = answer["quantities"]
    start = [layer[0] for layer in got["weights"]]
    assert [layer.shape for layer in start] == list(zip(dims[1:], dims, strict=False))
    for i, step in enumerate(steps):
        layers, loss = trained(start, np.eye(8), features_of_hierarchy(3).T, activation, eta, step)
        assert np.isclose(got["loss"][i], loss, rtol=1e-11, atol=0)
        for layer, expected in zip(got["weights"], layers, strict=True):
            assert np.allclose(layer[i], expected, rtol=1e-10, atol=1e-12)
        assert np.allclose(got["weight_norms"][i], [np.linalg.norm(w) for w in layers], rtol=1e-11, atol=0)
    assert got["loss"][-1] < 0.9 * got["loss"][0]
    nonlinear = [warning for warning in answer["warnings"] if warning["code"] == "nonlinear"]
    assert len(nonlinear) == (activation != "linear")


def test_times_between_steps_are_rounded_to_steps(service):
    request = {"network": BALANCED, "task": SPECTRUM, "times": [0.0, 0.13, 1.0], "quantities": ["excess_loss"]}
    answer = ask(service, request | {"method": descent(0.1)})
    assert np.allclose(answer["times"], [0.0, 0.1, 1.0])
    (warning,) = answer["warnings"]
    assert warning["code"] == "rounded-times"
    assert "up to 0.3 steps away from a multiple of the learning rate 0.1" in warning["detail"]
    exactly = ask(service, request | {"method": descent(0.1), "times": answer["times"].tolist()})
    assert np.array_equal(exactly["quantities"]["excess_loss"], answer["quantities"]["excess_loss"])
    assert exactly["warnings"] == []


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_refusals_of_divergence_recommend_a_remedy(service, activation):
    request = {
        "network": {"kind": "random", "dims": [8, 8, 8], "scheme": "he", "gain": 4.0, "seed": 1},
        "task": {"kind": "semantic"},
        "times": [0.0, 4000.0],
        "quantities": ["loss"],
        "method": descent(4.0, activation),
    }
    detail = problem(post(service, request), 422, "diverged")["detail"]
    said = re.match(r"training diverged by step (\d+) \(time (\S+)\): a learning rate of 4 at time constant 1", detail)
    assert 0 < int(said[1]) <= 1000
    assert float(said[2]) == 4 * int(said[1])
    assert "divide method.learning_rate by 2" in detail
    assert ask(service, request | {"method": descent(0.01, activation), "times": [0.0, 1.0]})["method"] == "descent"


@pytest.mark.parametrize(
    ("task", "quantities", "texts"),
    [
        (SPECTRUM, ["loss"], ["activation relu needs samples", "use a task of kind data, regression or semantic"]),
        (
            {"kind": "regression", "samples": 9, "seed": 1},
            ["loss", "ntk", "excess_loss", "rsm_input"],
            ["excess_loss, ntk, rsm_input are defined for linear networks", "leave them out, or use activation linear"],
        ),
    ],
    ids=["no samples", "of the linear function"],
)
def test_quantities_that_are_undefined_for_nonlinear_networks(service, task, quantities, texts):
    request = {"network": BALANCED, "task": task, "times": [0.0, 1.0], "quantities": quantities}
    detail = problem(post(service, request | {"method": descent(0.1, "relu")}), 422, "not-applicable")["detail"]
    for text in texts:
        assert text in detail


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"quantities": ["ntk"]},
            ["9.6e+10 bytes of answer", "the limit is 2.68e+08", "fewer times, quantities"],
        ),
        (
            {"quantities": ["loss"], "method": descent(1e-9)},
            ["floating-point operations", "the limit is 2e+12", "fewer times, quantities, steps or samples"],
        ),
    ],
    ids=["kernel", "steps"],
)
def test_requests_that_do_not_fit_into_memory(service, changes, texts):
    """The kernel of 40 outputs and 1000 samples has 40,000^2 numbers; its distance and norm need none of them."""
    network = {"kind": "balanced", "dims": [40, 4, 40], "lambda": 0.5, "seed": 1}
    request = {"network": network, "task": {"kind": "regression", "samples": 1000, "seed": 1}, "times": [0.0, 1.0, 5.0]}
    detail = problem(post(service, request | changes), 422, "too-large")["detail"]
    for text in texts:
        assert text in detail
    assert ask(service, request | {"quantities": ["ntk_distance", "ntk_norm"]})["method"] == "exact"


DEEP = {"kind": "random", "dims": [60] * 5, "scheme": "lecun", "seed": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"network": BALANCED, "task": SPECTRUM, "times": [0.0, 50.0], "method": descent(1e-5)},
        {"network": DEEP, "task": {"kind": "regression", "samples": 200, "seed": 1}, "times": [0.0, 1e5]},
    ],
    ids=["descent", "flow"],
)
def test_a_deadline_ends_long_work(hurried, changes, measured):
    """The workers are suspended, so that the deadline passes on any machine; afterwards requests are answered."""
    eventually(lambda: hurried.readiness()["ready"])
    with hurried.client() as client:
        with suspended(hurried.workers()):
            started = time.monotonic()
            body = problem(post(client, {"quantities": ["loss"], **changes}), 504, "deadline")
            measured("seconds", time.monotonic() - started)
        assert "after 0.5 s" in body["detail"]
        exact = {"network": BALANCED, "task": SPECTRUM, "times": [0.0, 1.0]}
        eventually(lambda: post(client, exact).is_success)
        assert ask(client, exact)["method"] == "exact"


def test_a_random_network_follows_the_flow(service):
    """Drawn weights that are not balanced, integrated by another solver."""
    request = {
        "network": {"kind": "random", "dims": [4, 3, 5], "scheme": "glorot", "gain": [1.0, 0.5], "seed": 6},
        "task": {"kind": "spectrum", "singular_values": [2.0, 1.0], "seed": 1},
        "times": [0.0, 0.5, 3.0],
        "quantities": ["weights", "output"],
    }
    answer = ask(service, request)
    assert (answer["method"], answer["seed"]) == ("flow", 6)
    later = ask(service, request | {"times": [200.0], "method": {"kind": "flow", "rtol": 1e-9}})
    sigma_yx = later["quantities"]["output"][0]
    path = integrate(*(layer[0] for layer in answer["quantities"]["weights"]), sigma_yx, answer["times"])
    for i, expected in enumerate(path):
        for layer, w in zip(answer["quantities"]["weights"], expected, strict=True):
            assert np.allclose(layer[i], w, atol=1e-7)
