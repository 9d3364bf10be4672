"""Networks that use fewer outputs, inputs or hidden units than they have, against unreduced ones."""

import numpy as np
import pytest
from support.flow import flat
from support.service import ask

from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

ETA, STEPS = 0.02, 250


def random(dims, **changes):
    return {"kind": "random", "dims": list(dims), "scheme": "glorot", "gain": 0.8, "seed": 5} | changes


def start_of(service, request):
    """Initial weights of an answer."""
    answer = ask(service, request | {"times": [0.0], "quantities": ["weights"], "method": "flow"}, accept="npz")
    return [layer[0] for layer in answer["quantities"]["weights"]]


def trained_by_hand(weights, inputs, targets, eta, steps):
    """Loss and singular values after each step of gradient descent of two layers, written out."""
    w1, w2 = (w.copy() for w in weights)
    losses, strengths = [], []
    for _ in range(steps + 1):
        error = w2 @ w1 @ inputs.T - targets.T
        losses.append(0.5 * np.sum(error**2) / len(inputs))
        r = np.linalg.qr(w2, mode="r")
        strengths.append(np.linalg.svd(r @ w1, compute_uv=False))
        gradient = error @ inputs / len(inputs)
        w1, w2 = w1 - eta * w2.T @ gradient, w2 - eta * gradient @ w1.T
    return np.array(losses), np.array(strengths)


@pytest.fixture(scope="module")
def tutorial():
    """The network of a well-known tutorial: eight items with ten thousand features, and small weights."""
    targets = np.random.default_rng(3).standard_normal((8, 10_000)) / 2
    inputs = np.eye(8) * np.sqrt(8)
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": False}
    return inputs, targets, {"network": random((8, 30, 10_000), gain=1e-12), "task": task}


def test_training_of_many_outputs(service, tutorial):
    descent = {"kind": "descent", "learning_rate": ETA}
    inputs, targets, request = tutorial
    times = (np.arange(STEPS + 1) * ETA).tolist()
    asked = {"times": times, "quantities": ["loss", "singular_values"], "method": descent}
    answer = ask(service, request | asked)
    assert "8-30-38" in answer["reason"]
    losses, strengths = trained_by_hand(start_of(service, request), inputs, targets, ETA, STEPS)
    assert losses[-1] < 0.5 * losses[0]
    assert np.allclose(answer["quantities"]["loss"], losses, rtol=1e-10, atol=1e-10)
    assert np.allclose(answer["quantities"]["singular_values"], strengths, rtol=1e-9, atol=1e-22)


def test_flow_of_many_outputs(service, tutorial):
    asked = {"times": {"stop": 5, "num": 51}, "quantities": ["loss", "mode_strengths"]}
    inputs, targets, request = tutorial
    answer = ask(service, request | asked)
    assert answer["method"] == "flow"
    assert answer["quantities"]["mode_strengths"].shape == (51, 8)
    target = np.linalg.svd(targets.T @ inputs / 8, compute_uv=False)
    assert np.allclose(answer["quantities"]["mode_strengths"][0], 0, atol=1e-12)
    assert np.allclose(answer["diagnostics"]["target"]["mode_strengths"], target, rtol=1e-12, atol=0)


CASES = {
    "many outputs": (random((3, 4, 30)), 12, "3-4-7"),
    "many inputs": (random((30, 4, 3)), 40, "34-4-3"),
    "many inputs, few samples": (random((30, 4, 6)), 5, "9-4-6"),
    "many hidden units": (random((3, 40, 4)), 12, "3-7-4"),
    "deep": (random((3, 5, 40, 5, 20)), 12, "3-5-10-5-8"),
    "balanced": ({"kind": "balanced", "dims": [3, 4, 30], "lambda": 0.5, "seed": 2}, 12, "3-4-7"),
}


@pytest.mark.parametrize("method", ["auto", {"kind": "descent", "learning_rate": 0.01}], ids=["auto", "descent"])
@pytest.mark.parametrize("case", CASES)
def test_all_quantities(service, case, method):
    network, samples, kept = CASES[case]
    if case == "many inputs":
        kept = None  # inputs with variances of their own in all directions
    rng = np.random.default_rng(8)
    dims = network["dims"]
    inputs, targets = rng.standard_normal((samples, dims[0])), rng.standard_normal((samples, dims[-1]))
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": samples < 20}
    names = [name for name in QUANTITIES if len(dims) == 3 or name != "qqt"]
    request = {"network": network, "task": task, "times": [0.0, 0.2, 1.0, 3.0], "quantities": names, "method": method}
    answer = ask(service, request)
    assert kept is None or kept in answer["reason"]
    given = {"kind": "weights", "weights": [w.tolist() for w in start_of(service, request)]}
    expected = ask(service, request | {"network": given})
    got, whole = flat(answer["quantities"]), flat(expected["quantities"])
    assert set(got) == set(whole)
    for name, values in whole.items():
        size = 1.0 if name.startswith("balance") else float(np.nanmax(np.abs(values)))
        assert np.allclose(got[name], values, rtol=0, atol=1e-9 * size, equal_nan=True), name
    for name in ("task_singular_values", "target"):
        assert_same(answer["diagnostics"][name], expected["diagnostics"][name])


def assert_same(got, expected):
    if isinstance(expected, dict):
        for name, values in expected.items():
            assert_same(got[name], values)
    else:
        assert np.allclose(got, expected, rtol=1e-9, atol=1e-9)
