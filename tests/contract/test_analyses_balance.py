"""Initial weights, their balance and its statistics over HTTP, against theory and independent samples."""

from itertools import pairwise

import numpy as np
import pytest
from support.documents import NETWORKS, TASKS
from support.flow import balanced_layers
from support.routes import BALANCE, INITIALIZATIONS, STATISTICS, answer, balanced, given, started
from support.service import ask, post

pytestmark = pytest.mark.live


def balances(layers):
    return [upper.T @ upper - lower @ lower.T for lower, upper in pairwise(layers)]


def nearest(b):
    """The nearest multiple of the identity, and the distance from it."""
    lam = np.trace(b) / len(b)
    return lam, np.linalg.norm(b - lam * np.eye(len(b)))


@pytest.mark.parametrize(
    ("dims", "lam"), [((3, 2, 4), 0.7), ((3, 3, 4), -2.0), ((2, 5, 3), 0.0), ((5, 4, 4), 50.0), ((4, 3, 2), -50.0)]
)
def test_balanced_weights(service, dims, lam):
    found = answer(service, INITIALIZATIONS, {"network": balanced(dims, lam)})
    w1, w2 = (np.array(w) for w in found["weights"])
    assert (w1.shape, w2.shape) == ((dims[1], dims[0]), (dims[2], dims[1]))
    rounding = 1e-15 * (np.sum(w1**2) + np.sum(w2**2))
    assert np.allclose(w2.T @ w2 - w1 @ w1.T, lam * np.eye(dims[1]), rtol=0, atol=rounding)
    assert found["lambda"] == pytest.approx(lam, rel=0, abs=rounding)
    assert 0 <= found["balance_residual"] < rounding
    assert np.linalg.matrix_rank(w2 @ w1) == min(dims)
    assert (found["dims"], found["seed"], found["task_seed"]) == (list(dims), 4, None)


def test_the_scale_of_balanced_weights(service):
    """The network function has the size of the product of two Gaussian matrices of that standard deviation."""
    dims, scale = (30, 20, 40), 0.3
    rng = np.random.default_rng(1)
    drawn = [np.linalg.norm(scale**2 * rng.normal(size=(40, 20)) @ rng.normal(size=(20, 30))) for _ in range(200)]
    for lam in (0.0, 3.0, -3.0):
        w1, w2 = started(service, balanced(dims, lam, scale=scale))
        assert abs(np.linalg.norm(w2 @ w1) - np.mean(drawn)) < 5 * np.std(drawn)


def test_aligned_weights_have_the_singular_vectors_of_the_task(service):
    sigma_yx = np.random.default_rng(11).standard_normal((4, 3))
    w1, w2 = started(service, balanced((3, 2, 4), 0.5, aligned=True), task=sigma_yx.tolist())
    u, _, vt = np.linalg.svd(sigma_yx)
    strengths = u.T @ w2 @ w1 @ vt.T
    assert np.all(np.diagonal(strengths)[:2] > 0.01)
    np.fill_diagonal(strengths, 0)
    assert np.max(np.abs(strengths)) < 1e-14


VARIANCES = {
    "lecun": lambda fan_in, _: 1 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, _: 2 / fan_in,
    "scaled": lambda fan_in, _: 1 / fan_in,
    "normal": lambda *_: 1.0,
}


@pytest.mark.parametrize("scheme", VARIANCES)
def test_random_weights(service, scheme):
    dims, gains = [40, 30, 50, 20], [1.0, 0.5, 2.0]
    found = answer(
        service,
        INITIALIZATIONS,
        {"network": {"kind": "random", "dims": dims, "scheme": scheme, "gain": gains, "seed": 3}},
    )
    layers = [np.array(w) for w in found["weights"]]
    assert [w.shape for w in layers] == list(zip(dims[1:], dims, strict=False))
    for w, gain in zip(layers, gains, strict=True):
        variance = gain**2 * VARIANCES[scheme](w.shape[1], w.shape[0])
        assert abs(np.mean(w)) < 5 * np.sqrt(variance / w.size)
        assert abs(np.mean(w**2) / variance - 1) < 5 * np.sqrt(2 / w.size)
    expected = [nearest(b) for b in balances(layers)]
    assert np.allclose(found["lambda"], [lam for lam, _ in expected], rtol=1e-12, atol=0)
    assert np.allclose(found["balance_residual"], [residual for _, residual in expected], rtol=1e-12, atol=0)


def test_given_weights_are_returned(service):
    rng = np.random.default_rng(12)
    layers = [rng.standard_normal((3, 2)), rng.standard_normal((2, 3))]
    found = answer(service, INITIALIZATIONS, {"network": given(*layers)})
    assert all(np.array_equal(w, layer) for w, layer in zip(found["weights"], layers, strict=True))
    assert (found["lambda"], found["balance_residual"]) == pytest.approx(nearest(*balances(layers)), rel=1e-13)
    assert (found["dims"], found["seed"]) == ([2, 3, 2], None)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "network",
    [*NETWORKS.values(), {**NETWORKS["balanced"], "aligned": True}],
    ids=[*NETWORKS, "aligned"],
)
def test_a_trajectory_starts_from_them(service, network, task):
    whole = {"network": network, "task": TASKS[task]}
    found = answer(service, INITIALIZATIONS, whole)
    learned = ask(service, whole | {"times": [0.0], "quantities": ["weights"]})
    for w, layer in zip(found["weights"], learned["quantities"]["weights"], strict=True):
        assert np.allclose(w, layer[0], rtol=0, atol=1e-14)
    assert (found["seed"], found["task_seed"]) == (learned["seed"], learned["task_seed"])


def test_balanced_weights_stay_in_the_span_of_the_inputs(service):
    task = {"kind": "data", "inputs": [[1, 2, 2], [2, 1, -2]], "targets": [[1, 0, 0], [0, 1, 2]], "whiten": True}
    w1, w2 = started(service, balanced((3, 2, 3), -0.5), task=task)
    assert np.allclose(w1 @ np.cross([1, 2, 2], [2, 1, -2]), 0, rtol=0, atol=1e-14)
    assert np.allclose(w2.T @ w2 - w1 @ w1.T, -0.5 * np.eye(2), rtol=0, atol=1e-14)


def test_the_balance_of_each_pair(service):
    rng = np.random.default_rng(13)
    layers = [rng.standard_normal(shape) for shape in ((3, 4), (5, 3), (2, 5), (4, 2))]
    found = answer(service, BALANCE, {"weights": [w.tolist() for w in layers]})
    expected = [nearest(b) for b in balances(layers)]
    sizes = [np.sum(lower**2) + np.sum(upper**2) for lower, upper in pairwise(layers)]
    assert np.allclose(found["lambda"], [lam for lam, _ in expected], rtol=1e-12, atol=0)
    assert np.allclose(found["residual"], [residual for _, residual in expected], rtol=1e-12, atol=0)
    relative = [residual / size for (_, residual), size in zip(expected, sizes, strict=True)]
    assert np.allclose(found["relative_residual"], relative, rtol=1e-12, atol=0)
    effective = [np.sum(lower**2) / lower.shape[1] + np.sum(upper**2) / len(upper) for lower, upper in pairwise(layers)]
    assert np.allclose(found["lambda_eff"], effective, rtol=1e-12, atol=0)
    grams = [(lower.T @ lower, upper @ upper.T) for lower, upper in pairwise(layers)]
    assert np.allclose(found["isotropy"], [max(map(anisotropy, pair)) for pair in grams], rtol=1e-12, atol=0)
    assert found["balanced"] == [False] * 3
    widths = [(lower.shape[1], len(lower), len(upper)) for lower, upper in pairwise(layers)]
    possible = [h <= (o if lam > 0 else i) for (lam, _), (i, h, o) in zip(expected, widths, strict=True)]
    assert found["feasible"] == possible
    assert set(possible) == {True, False}


def anisotropy(gram):
    return np.linalg.norm(gram - np.trace(gram) / len(gram) * np.eye(len(gram))) / np.linalg.norm(gram)


def test_lambda_eff_of_wide_networks(service):
    """Entries of variance 1/in: the ratios of the hidden width to the widths of inputs and outputs give it."""
    rng = np.random.default_rng(14)
    w1, w2 = rng.standard_normal((4000, 4)) / 2, rng.standard_normal((3, 4000)) / np.sqrt(4000)
    [size] = answer(service, BALANCE, {"weights": [w1.tolist(), w2.tolist()]})["lambda_eff"]
    assert size == pytest.approx(4000 / 4 + 1, rel=0.03)


@pytest.mark.parametrize(("off", "is_balanced"), [(0.0, True), (1e-13, True), (1e-8, False)])
def test_the_tolerance_of_balance(service, off, is_balanced):
    """It is relative to ||W1||^2 + ||W2||^2, which is about 10 here."""
    w1, w2 = balanced_layers(3, 2, 4, 0.7, np.random.default_rng(2), scale=1.0)
    w2[0, 0] += off
    found = answer(service, BALANCE, {"weights": [w1.tolist(), w2.tolist()]})
    lam, residual = nearest(w2.T @ w2 - w1 @ w1.T)
    assert found["tolerance"] == 1e-13
    assert found["lambda"] == pytest.approx([lam], rel=1e-14)
    assert found["residual"] == pytest.approx([residual], rel=1e-2, abs=1e-14)
    assert (found["balanced"], found["feasible"]) == ([is_balanced], [True])


@pytest.mark.parametrize("size", [0.0, 1e-70, 5e69])
def test_the_balance_of_extreme_weights(service, size):
    found = answer(service, BALANCE, {"weights": [[[size], [0]], [[2 * size, 0]]]})
    assert found["lambda"] == pytest.approx([1.5 * size**2])
    assert found["residual"] == pytest.approx([1.5 * np.sqrt(2) * size**2])
    assert found["relative_residual"] == pytest.approx([0.3 * np.sqrt(2) if size else 0.0])
    assert (found["balanced"], found["feasible"]) == ([size == 0], [size == 0])  # lambda > 0 needs hidden <= out


def test_weights_whose_squares_underflow(service):
    """They are refused, as in a trajectory, or measured: they are as unbalanced as larger weights."""
    response = post(service, {"weights": [[[1e-200], [0]], [[2e-200, 0]]]}, path=BALANCE)
    assert response.status_code == 422 or response.json()["balanced"] == [False]


@pytest.mark.parametrize("path", [INITIALIZATIONS, BALANCE])
def test_many_inputs_of_a_narrow_network_take_little_work(service, path):
    """The measurement takes 5000 multiplications."""
    weights = [[[0.5] * 5000], [[1.0]]]
    whole = {"weights": weights} if path == BALANCE else {"network": given(*weights)}
    assert np.ravel(answer(service, path, whole)["lambda"]) == pytest.approx([1 - 1250])


@pytest.mark.parametrize("scheme", VARIANCES)
def test_statistics_are_those_of_theory_and_of_samples(service, scheme):
    """E B = (out a2 - in a1) I, Var B_ab = (out a2^2 + in a1^2) (1 + delta_ab), and independent samples."""
    (n_in, n_hidden, n_out), gains, samples = (4, 3, 5), (1.0, 1.5), 20_000
    whole = {"dims": [n_in, n_hidden, n_out], "scheme": scheme, "gain": list(gains), "samples": samples, "seed": 3}
    found = answer(service, STATISTICS, whole)
    a1, a2 = gains[0] ** 2 * VARIANCES[scheme](n_in, n_hidden), gains[1] ** 2 * VARIANCES[scheme](n_hidden, n_out)
    mean, variance = n_out * a2 - n_in * a1, n_out * a2**2 + n_in * a1**2
    assert np.allclose(found["predicted"]["mean"], mean * np.eye(3), rtol=1e-14, atol=0)
    assert np.allclose(found["predicted"]["variance"], variance * (1 + np.eye(3)), rtol=1e-14, atol=0)

    rng = np.random.default_rng(8)
    w1 = np.sqrt(a1) * rng.standard_normal((samples, n_hidden, n_in))
    w2 = np.sqrt(a2) * rng.standard_normal((samples, n_out, n_hidden))
    away = w2.transpose(0, 2, 1) @ w2 - w1 @ w1.transpose(0, 2, 1) - mean * np.eye(3)
    off = np.abs(np.array(found["sampled"]["mean"]) - mean * np.eye(3))
    assert np.all(off < 5 * away.std(axis=0) / np.sqrt(samples))
    off = np.abs(np.array(found["sampled"]["variance"]) - variance * (1 + np.eye(3)))
    assert np.all(off < 5 * (away**2).std(axis=0) / np.sqrt(samples))
    assert {name: found[name] for name in whole} == whole


@pytest.mark.parametrize("scheme", VARIANCES)
def test_statistics_by_ratios_of_widths(service, scheme):
    gains = (0.8, 1.5)
    found = answer(service, STATISTICS, {"dims": [4, 2, 6], "scheme": scheme, "gain": list(gains), "seed": 1})["table"]

    def mean(k, r, n_in=4):
        a1, a2 = VARIANCES[scheme](n_in, k * n_in), VARIANCES[scheme](k * n_in, r * n_in)
        return r * n_in * gains[1] ** 2 * a2 - n_in * gains[0] ** 2 * a1

    assert (found["k"], found["r"]) == (0.5, 1.5)
    assert found["mean_lambda"] == pytest.approx(mean(0.5, 1.5), rel=1e-14)
    assert found["variance_diagonal"] == pytest.approx(2 * found["variance_off_diagonal"], rel=1e-14)
    far = {
        "r_to_zero": (0.5, 1e-12),
        "r_to_infinity": (0.5, 1e12),
        "k_to_zero": (1e-12, 1.5),
        "k_to_infinity": (1e12, 1.5),
    }
    assert set(found["limits"]) == set(far)
    for name, ratios in far.items():
        limit = mean(*ratios)
        assert found["limits"][name] == (None if limit > 1e6 else pytest.approx(limit, rel=1e-9, abs=1e-9)), name
