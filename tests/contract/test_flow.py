"""All tasks and networks of two kinds against the gradient flow, integrated on the data by an ODE solver."""

import numpy as np
import pytest
from support.flow import (
    Data,
    balanced_layers,
    features_of_hierarchy,
    flat,
    groups_of,
    of_samples,
    of_task,
    quantities_of,
    strengths_of,
    whitened,
)
from support.oracle import integrate
from support.service import ask

from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

TOLERANCE = 1e-9  # of the integration, with a margin for the growth of its errors


def lists(*matrices):
    return [np.asarray(matrix).tolist() for matrix in matrices]


def given(w1, w2):
    return {"kind": "weights", "weights": lists(w1, w2)}


def drawn(dims, lam, **changes):
    return {"kind": "balanced", "dims": list(dims), "lambda": lam, "scale": 0.5, "seed": 11} | changes


def compare(service, request, data, tau=1.0, samples=None):
    """Ask for everything, integrate from the weights at the first time, and compare everything.

    Where the service is told second moments only, it takes other `samples`.
    """
    answer = ask(service, request | {"time_constant": tau, "quantities": list(QUANTITIES)})
    got = flat(answer["quantities"])
    layers = start_of(answer, request)
    path = integrate(*layers, data.sigma_yx, answer["times"] / tau, data.sigma_xx)
    expected = quantities_of(path, answer["lambda"]) | of_task(path, data.sigma_yx, data.sigma_xx, tau)
    expected |= of_samples(path, *(samples or (data.inputs, data.targets)))
    w = expected["output"]
    expected["loss"] = np.array([data.loss(each) for each in w])
    expected["excess_loss"] = expected["loss"] - data.least_loss()
    s, expected["mode_strengths"] = strengths_of(w, data.sigma_yx)
    strengths = got["mode_strengths"]
    got["mode_strengths"] = groups_of(strengths, s[: strengths.shape[1]])
    assert set(got) == set(expected)
    for name, array in expected.items():
        assert_close(name, got[name], array)
    assert got["loss"][-1] < got["loss"][0]
    return answer


def start_of(answer, request):
    """Initial weights, given or drawn."""
    layers = [layer[0] for layer in answer["quantities"]["weights"]]
    if request["network"]["kind"] == "weights":
        for layer, array in zip(layers, request["network"]["weights"], strict=True):
            assert np.allclose(layer, array, rtol=1e-13, atol=1e-14)
    else:
        assert answer["lambda"] == request["network"]["lambda"]
    b = layers[1].T @ layers[1] - layers[0] @ layers[0].T
    assert np.allclose(b, answer["lambda"] * np.eye(len(b)), atol=1e-11)
    return layers


def assert_close(name, got, expected):
    assert got.shape == expected.shape, name
    known = ~np.isnan(expected)
    atol = TOLERANCE * max(1.0, float(np.max(np.abs(expected), where=known, initial=0)))
    assert np.allclose(got[known], expected[known], rtol=TOLERANCE, atol=atol), name


TIMES = [0.0, 0.1, 0.3, 1.0, 2.0, 4.0]


def noisy_data(n_samples, n_in, n_out, rng, rank=None):
    inputs = rng.standard_normal((n_samples, rank or n_in)) @ rng.standard_normal((rank or n_in, n_in))
    targets = inputs @ rng.standard_normal((n_in, n_out)) / n_in + 0.3 * rng.standard_normal((n_samples, n_out))
    return inputs, targets


def white_data(n_samples, n_in, n_out, variance, rng):
    """Inputs with X^T X = P c I."""
    columns, _ = np.linalg.qr(rng.standard_normal((n_samples, n_in)))
    return Data(np.sqrt(variance * n_samples) * columns, rng.standard_normal((n_samples, n_out)))


NETWORKS = {
    "drawn rich": lambda rng: drawn((4, 3, 5), 0.0),
    "drawn lambda > 0": lambda rng: drawn((4, 3, 5), 1.5),
    "drawn lambda < 0": lambda rng: drawn((4, 3, 5), -2.0),
    "drawn lambda < 0, wide": lambda rng: drawn((4, 4, 2), -2.0),
    "drawn wide": lambda rng: drawn((3, 9, 2), 0.0),
    "given": lambda rng: given(*balanced_layers(4, 3, 5, 0.8, rng)),
    "given rich": lambda rng: given(*balanced_layers(3, 2, 3, 0.0, rng)),
    "given narrow": lambda rng: given(*balanced_layers(2, 4, 6, 0.5, rng)),
}


def widths(network):
    if network["kind"] == "balanced":
        return network["dims"]
    w1, w2 = network["weights"]
    return len(w1[0]), len(w1), len(w2)


@pytest.fixture
def rng(request):
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.mark.parametrize("network", NETWORKS)
def test_correlation(service, network, rng):
    network = NETWORKS[network](rng)
    n_in, _, n_out = widths(network)
    data = white_data(12, n_in, n_out, 1.0, rng)
    trace = float(np.sum(data.targets**2) / 12)
    task = {"kind": "correlation", "sigma_yx": data.sigma_yx.tolist(), "sigma_yy_trace": trace}
    request = {"network": network, "task": task, "times": TIMES}
    answer = compare(service, request, data, tau=0.7, samples=(np.eye(n_in), data.sigma_yx.T))
    assert [warning["code"] for warning in answer["warnings"]] == ["no-samples"]


@pytest.mark.parametrize("variance", [0.2, 5.0])
def test_correlation_with_isotropic_inputs(service, variance, rng):
    data = white_data(12, 4, 5, variance, rng)
    task = {
        "kind": "correlation",
        "sigma_yx": data.sigma_yx.tolist(),
        "sigma_xx": (variance * np.eye(4)).tolist(),
        "sigma_yy_trace": float(np.sum(data.targets**2) / 12),
    }
    root = np.sqrt(variance)
    request = {"network": drawn((4, 3, 5), 1.5), "task": task, "times": TIMES}
    compare(service, request, data, tau=2.0, samples=(root * np.eye(4), data.sigma_yx.T / root))


@pytest.mark.parametrize("network", ["drawn lambda > 0", "drawn lambda < 0", "given"])
def test_whitened_data(service, network, rng):
    network = NETWORKS[network](rng)
    inputs, targets = noisy_data(30, 4, 5, rng)
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": True}
    compare(service, {"network": network, "task": task, "times": TIMES}, Data(whitened(inputs), targets))


@pytest.mark.parametrize("network", ["drawn lambda > 0", "given"])
def test_data_that_are_isotropic(service, network, rng):
    network = NETWORKS[network](rng)
    data = white_data(20, 4, 5, 1.7, rng)
    task = {"kind": "data", "inputs": data.inputs.tolist(), "targets": data.targets.tolist(), "whiten": False}
    answer = compare(service, {"network": network, "task": task, "times": TIMES}, data)
    assert "variance 1.7" in answer["reason"]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("rank", "samples"), [(3, 30), (4, 4)])
def test_whitened_data_of_less_than_full_rank(service, rank, samples, aligned, rng):
    """A drawn network has no weights outside the span of the inputs, which would never learn."""
    inputs, targets = noisy_data(samples, 5, 4, rng, rank)
    seen = whitened(inputs)
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": True}
    request = {"network": drawn((5, 3, 4), 1.0, aligned=aligned), "task": task, "times": TIMES}
    answer = compare(service, request, Data(seen, targets))
    outside = np.eye(5) - seen.T @ np.linalg.pinv(seen.T)
    assert np.allclose(outside @ answer["quantities"]["input_representation"], 0, atol=1e-12)
    assert f"on their span ({rank} of 5 dimensions)" in answer["reason"]


def test_weights_within_the_span(service, rng):
    inputs, targets = noisy_data(30, 5, 4, rng, rank=3)
    seen = whitened(inputs)
    w1 = 0.5 * rng.standard_normal((2, len(seen))) @ seen / len(seen)
    values, vectors = np.linalg.eigh(np.eye(2) + w1 @ w1.T)
    w2 = np.linalg.qr(rng.standard_normal((4, 2)))[0] @ (vectors * np.sqrt(values)) @ vectors.T
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": True}
    compare(service, {"network": given(w1, w2), "task": task, "times": TIMES}, Data(seen, targets))


@pytest.mark.parametrize(
    "network",
    [drawn((8, 4, 8), 0.0), drawn((8, 8, 8), 2.0), None],
    ids=["drawn rich", "drawn lambda > 0", "given"],
)
def test_semantic_hierarchy(service, network, rng):
    network = network or given(*balanced_layers(8, 6, 8, 0.5, rng))
    data = Data(np.eye(8), features_of_hierarchy(3))
    request = {"network": network, "task": {"kind": "semantic", "levels": 3}, "times": [0.0, 1.0, 5.0, 20.0]}
    answer = compare(service, request, data)
    values = np.array(answer["diagnostics"]["task_singular_values"])
    # EXPERIMENTS, figure 4.1, over P = 8 items
    assert np.allclose(values, np.array([np.sqrt(8)] * 2 + [2.0] * 2 + [np.sqrt(2)] * 4) / 8)
    assert ask(service, request | {"task": {"kind": "semantic"}})["key"] != answer["key"]  # other quantities
    assert ask(service, {**request, "task": {"kind": "semantic"}, "quantities": ["loss"]})["dims"][0] == 8


@pytest.mark.parametrize("network", ["drawn lambda > 0", "drawn lambda < 0", "given"])
def test_spectrum(service, network, rng):
    """The service draws the singular vectors; the limit of a network that can learn all modes shows the task."""
    network = NETWORKS[network](rng)
    n_in, _, n_out = widths(network)
    values = [2.0, 1.0, 0.5][: min(n_in, n_out)]
    task = {"kind": "spectrum", "singular_values": values, "seed": 5}
    sigma_yx = learned(service, n_in, n_out, task)
    got = np.linalg.svd(sigma_yx, compute_uv=False)
    assert np.allclose(got, np.pad(values, (0, len(got) - len(values))), atol=1e-12)
    without_trace(service, {"network": network, "task": task, "times": TIMES}, sigma_yx)


@pytest.mark.parametrize(
    ("network", "samples"),
    [("drawn lambda > 0", 3), ("drawn lambda > 0", 4), ("drawn lambda > 0", 40), ("given", 4), ("given", 40)],
)
def test_regression(service, network, samples, rng):
    """Gaussian targets on white inputs; with at most as many samples as inputs, the loss tends to zero."""
    network = NETWORKS[network](rng)
    n_in, _, n_out = widths(network)
    task = {"kind": "regression", "samples": samples, "seed": 5}
    sigma_yx = learned(service, n_in, n_out, task)
    answer = without_trace(service, {"network": network, "task": task, "times": TIMES}, sigma_yx)
    irreducible = answer["quantities"]["loss"] - answer["quantities"]["excess_loss"]
    assert np.allclose(irreducible, irreducible[0], atol=1e-13)
    assert np.linalg.matrix_rank(sigma_yx, tol=1e-9) == min(samples, n_in, n_out)
    if samples <= n_in:
        assert np.allclose(irreducible, 0, atol=1e-13)
    else:
        # E 1/2 tr(sigma_yy) (1 - in / P), of chi squared with out (P - in) degrees of freedom
        freedom = n_out * (samples - n_in)
        mean = freedom / (2 * samples)
        assert abs(irreducible[0] - mean) < 5 * mean * np.sqrt(2 / freedom)


def learned(service, n_in, n_out, task):
    """Limit of a network that can represent any function."""
    network = drawn((n_in, min(n_in, n_out), n_out), 1.0)
    request = {"network": network, "task": task, "times": [1e6], "quantities": ["output"]}
    return ask(service, request)["quantities"]["output"][0]


def without_trace(service, request, sigma_yx):
    """As `compare`, for a task of which only sigma_yx is known: white inputs, on the span of those of the task."""
    answer = ask(service, request | {"quantities": list(QUANTITIES)})
    got = flat(answer["quantities"])
    layers = start_of(answer, request)
    path = integrate(*layers, sigma_yx, answer["times"])
    expected = quantities_of(path, answer["lambda"]) | of_task(path, sigma_yx, np.eye(sigma_yx.shape[1]), 1.0)
    if request["task"]["kind"] == "spectrum":
        expected |= of_samples(path, np.eye(sigma_yx.shape[1]), sigma_yx.T)
    for name, array in expected.items():
        assert_close(name, got[name], array)
    excess = np.array([0.5 * np.sum((sigma_yx - w2 @ w1) ** 2) for w1, w2 in path])
    assert_close("excess_loss", got["excess_loss"], excess)
    return answer


def test_isotropic_inputs_are_equivalent_to_white_ones(service, rng):
    """S_xx = c I is the white problem of S_yx / c and tau / c, with c times its losses (docs/theory.md, section 0)."""
    c, tau, sigma_yx = 0.25, 3.0, rng.standard_normal((3, 4))
    network, times = drawn((4, 3, 3), 0.7), [0.0, 1.0, 7.0, 40.0]
    trace = 1.5 * float(np.sum(sigma_yx**2)) / c
    quantities = list(QUANTITIES)

    def answer(scale, **isotropic):
        task = {"kind": "correlation", "sigma_yx": (sigma_yx / scale).tolist(), **isotropic}
        request = {"network": network, "task": task, "times": times, "quantities": quantities}
        return ask(service, request | {"time_constant": tau / scale})["quantities"]

    isotropic = answer(1.0, sigma_xx=(c * np.eye(4)).tolist(), sigma_yy_trace=trace)
    white = answer(c, sigma_yy_trace=trace / c)
    for name in ("loss", "excess_loss"):
        assert np.allclose(isotropic[name], c * white[name], rtol=1e-12, atol=0)
    for name in ("output", "qqt", "singular_values", "mode_strengths", "weight_norms", "ntk_distance"):
        assert np.allclose(isotropic[name], white[name], rtol=1e-11, atol=1e-12), name
    assert np.allclose(isotropic["loss"] - isotropic["excess_loss"], 0.5 * trace - 0.5 * np.sum(sigma_yx**2) / c)


def test_the_time_constant_is_the_unit_of_time(service, rng):
    network, task = drawn((4, 3, 3), 0.7), rng.standard_normal((3, 4)).tolist()
    base = {"network": network, "task": task, "quantities": list(QUANTITIES)}
    times = np.array([0.0, 0.5, 1.0, 8.0])
    one = ask(service, base | {"times": times.tolist()})
    other = ask(service, base | {"times": (64 * times).tolist(), "time_constant": 64.0})
    assert np.array_equal(other["times"], 64 * one["times"])
    found = flat(other["quantities"])
    for name, array in flat(one["quantities"]).items():
        scale = 64.0 if name == "loss_rate" else 1.0
        assert np.allclose(array, scale * found[name], rtol=1e-13, atol=1e-13), name


def test_a_grid_of_times_is_the_list_of_its_times(service, rng):
    base = {"network": drawn((4, 3, 3), 0.7), "task": rng.standard_normal((3, 4)).tolist()}
    grid = ask(service, base | {"times": {"start": 0.1, "stop": 10, "num": 3, "spacing": "log"}})
    each = ask(service, base | {"times": grid["times"].tolist()})
    assert np.allclose(grid["times"], [0.1, 1.0, 10.0], rtol=1e-15, atol=0)
    assert np.array_equal(grid["quantities"]["output"], each["quantities"]["output"])
