"""Low-rank adaptation, linear attention and symmetric factorisation as networks and tasks."""

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.integrate import solve_ivp

import lindyn
from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.network import Network
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.translate.trajectory import trajectory

RNG = np.random.default_rng(5)
W0 = RNG.standard_normal((3, 5))
INPUTS, TARGETS = RNG.standard_normal((9, 5)), RNG.standard_normal((9, 3))


def solved(**request):
    return trajectory(read(TrajectoryRequest, request, conflicts), 64 * "0")


def loss(w):
    return np.sum((INPUTS @ w.T - TARGETS) ** 2) / (2 * len(INPUTS))


def integrated(layers, velocity, end):
    """Layers at a time, by a tight integration of every weight."""
    bounds, shapes = np.cumsum([w.size for w in layers])[:-1], [w.shape for w in layers]

    def rate(_, state):
        now = [part.reshape(shape) for part, shape in zip(np.split(state, bounds), shapes, strict=True)]
        return np.concatenate([each.ravel() for each in velocity(*now)])

    start = np.concatenate([w.ravel() for w in layers])
    state = solve_ivp(rate, (0, end), start, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    return [part.reshape(shape) for part, shape in zip(np.split(state, bounds), shapes, strict=True)]


def test_adaptation_with_orthogonal_rows_is_exact():
    """W0 + B A on white inputs, with W0 frozen, weight by weight."""
    sigma_yx, alpha = RNG.standard_normal((3, 5)), 0.8
    network = lindyn.lora(W0, 2, alpha, seed=1)
    a, b = network["weights"]
    assert np.allclose(a @ a.T, alpha**2 * np.eye(2), atol=1e-15)
    assert not np.any(b)
    found = solved(network=network, task=lindyn.lora_task(sigma_yx, W0), times=[2.0], quantities=["output"])
    assert found["method"] == "exact"
    assert found["lambda"] == pytest.approx(-(alpha**2), rel=1e-14)

    def velocity(a, b):
        error = sigma_yx - W0 - b @ a
        return b.T @ error, error @ a.T

    a, b = integrated((a, b), velocity, 2.0)
    assert np.allclose(found["quantities"]["output"][0], b @ a, rtol=0, atol=1e-12)


@pytest.mark.parametrize("known", ["data", "moments"])
def test_losses_are_those_of_the_sum(known):
    task = lindyn.data(INPUTS, TARGETS, whiten=False)
    if known == "moments":
        n = len(INPUTS)
        task = {"kind": "correlation", "sigma_yx": TARGETS.T @ INPUTS / n, "sigma_xx": INPUTS.T @ INPUTS / n}
        task["sigma_yy_trace"] = float(np.sum(TARGETS**2) / n)
    network = lindyn.lora(W0, 2, 0.8, gaussian=True, seed=2)
    found = solved(network=network, task=lindyn.lora_task(task, W0), times=[0.0, 1.0], quantities=["loss", "output"])
    sums = [loss(W0 + w) for w in found["quantities"]["output"]]
    assert np.allclose(found["quantities"]["loss"], sums, rtol=1e-10, atol=0)


def test_gaussian_rows_and_impossible_ranks():
    a, b = lindyn.lora(np.zeros((3, 400)), 50, 2.0, gaussian=True, seed=2)["weights"]
    assert np.isclose(np.mean(a**2), 4 / 400, rtol=0.05, atol=0)
    assert b.shape == (3, 50)
    with pytest.raises(lindyn.ArgumentError, match=r"got rank 4, .* gaussian=True"):
        lindyn.lora(np.zeros((2, 3)), 4, 1.0)


def test_tasks_that_adaptation_refuses():
    with pytest.raises(lindyn.ArgumentError, match="'data' that whitens its inputs; give data with whiten=False"):
        lindyn.lora_task(lindyn.data(INPUTS, TARGETS), W0)
    with pytest.raises(lindyn.ArgumentError, match="got a task of kind 'semantic'; give data"):
        lindyn.lora_task(lindyn.semantic(), W0)


def test_linear_attention_has_the_moments_of_its_features():
    """Features vec(beta x^T) of random sequences, beta the mean of y_n x_n over the context."""
    dim, context, n = 2, 3, 200_000
    rng = np.random.default_rng(3)
    w, tokens = rng.standard_normal((n, dim)), rng.standard_normal((n, context, dim))
    query = rng.standard_normal((n, dim))
    beta = np.einsum("nd,ncd,nce->ne", w, tokens, tokens) / context
    features = np.einsum("ni,nj->nij", beta, query).reshape(n, -1)
    y = np.sum(w * query, axis=1)
    task = lindyn.linear_attention(dim, context)
    assert np.allclose(y @ features / n, task["sigma_yx"][0], atol=0.05)
    assert np.allclose(features.T @ features / n, task["sigma_xx"], atol=0.12)
    assert np.isclose(np.mean(y**2), task["sigma_yy_trace"], rtol=0.03, atol=0)
    network = lindyn.random([dim**2, 1, 1], gain=0.1, seed=1)
    found = solved(network=network, task=task, times=[0.0, 40.0], quantities=["loss"])
    assert found["method"] == "exact"  # one hidden unit is always balanced
    assert found["quantities"]["loss"][-1] == pytest.approx((dim - dim / (1 + (1 + dim) / context)) / 2, rel=1e-9)


def test_symmetric_factorisation():
    rng = np.random.default_rng(4)
    w, task = 0.3 * rng.standard_normal((4, 2)), rng.standard_normal((4, 4))
    task = task + task.T
    found = solved(network=lindyn.symmetric(w), task=task, times=[0.7], quantities=["output", "weights"])
    assert (found["method"], found["lambda"]) == ("exact", 0.0)
    (end,) = integrated((w,), lambda w: ((task - w @ w.T) @ w,), 0.7)
    assert np.allclose(found["quantities"]["output"][0], end @ end.T, rtol=0, atol=1e-12)
    assert np.allclose(found["quantities"]["weights"][1][0], end, rtol=0, atol=1e-9)


def test_wide_networks_have_the_arguments_of_random_ones():
    network = TypeAdapter(Network).validate_python(lindyn.wide([3, 50, 2], "torch", gain=[1, 2], start="drawn", seed=4))
    drawn = TypeAdapter(Network).validate_python(lindyn.random([3, 50, 2], "torch", gain=[1, 2], seed=4))
    assert (network.kind, network.start) == ("wide", "drawn")
    assert (tuple(network.dims), network.scheme, network.gain, network.seed) == (
        tuple(drawn.dims),
        drawn.scheme,
        drawn.gain,
        drawn.seed,
    )
