"""The flow that descent follows to second order: its velocity by complex steps, and the order of what is left."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.training import descended

from lindyn_service.dynamics.flow import Flow

ETAS = (0.08, 0.04, 0.02, 0.01)
CASES = [([4, 3], 0.0), ([4, 5, 3], 0.0), ([4, 5, 3], 0.2), ([4, 5, 4, 3], 0.0)]


def problem(dims, rng):
    """Layers, a task and coloured inputs of the order of one; deep ones are smaller, whose sharpness is larger."""
    size = 0.6 if len(dims) < 4 else 0.3
    layers = tuple(size * rng.standard_normal((b, a)) for a, b in pairwise(dims))
    inputs = rng.standard_normal((12, dims[0])) * np.linspace(0.6, 1.3, dims[0])
    return layers, size / 0.6 * rng.standard_normal((dims[-1], dims[0])), inputs.T @ inputs / 12


def gradient(layers, sigma_yx, sigma_xx, decay):
    below = [np.eye(layers[0].shape[1])]
    for w in layers:
        below.append(w @ below[-1])
    error, found = below[-1] @ sigma_xx - sigma_yx, []
    for w, before in zip(layers[::-1], below[-2::-1], strict=True):
        found.insert(0, error @ before.T + decay * w)
        error = w.T @ error
    return np.concatenate([g.ravel() for g in found])


def integrated(layers, sigma_yx, sigma_xx, decay, step, time):
    """The flow of L + (step / 4) |grad L|^2, whose gradient is by complex steps of the gradient of L."""
    bounds = np.cumsum([w.size for w in layers])[:-1]

    def split(state):
        return [part.reshape(w.shape) for part, w in zip(np.split(state, bounds), layers, strict=True)]

    def velocity(_time, state):
        first = gradient(split(state), sigma_yx, sigma_xx, decay)
        along = gradient(split(state + 1e-30j * first), sigma_yx, sigma_xx, decay).imag / 1e-30
        return -first - step / 2 * along

    start = np.concatenate([w.ravel() for w in layers])
    found = solve_ivp(velocity, (0, time), start, "DOP853", rtol=1e-12, atol=1e-14)
    return split(found.y[:, -1])


def flow_of(layers, sigma_yx, sigma_xx, decay, step):
    decays = (decay,) * len(layers) if decay else ()
    return Flow(layers, sigma_yx, sigma_xx, rtol=1e-12, atol=1e-13, weight_decay=decays, descent_step=step)


@pytest.mark.parametrize(("dims", "decay"), CASES)
def test_it_is_the_flow_of_the_corrected_loss(dims, decay):
    layers, sigma_yx, sigma_xx = problem(dims, np.random.default_rng(1))
    expected = integrated(layers, sigma_yx, sigma_xx, decay, 0.2, 1.5)
    ((_, found),) = flow_of(layers, sigma_yx, sigma_xx, decay, 0.2).batches(np.array([1.5]))
    for got, right in zip(found.layers, expected, strict=True):
        np.testing.assert_allclose(got[0], right, rtol=0, atol=1e-10)
    function = expected[0]
    for w in expected[1:]:
        function = w @ function
    np.testing.assert_allclose(found.residual[0], sigma_yx - function @ sigma_xx, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("dims", "decay"), CASES)
def test_descent_follows_it_to_second_order(dims, decay, record_property):
    """Over eta = .08 to .01 the slope of the distance is 2, where that of the flow of L is 1."""
    layers, sigma_yx, sigma_xx = problem(dims, np.random.default_rng(2))
    distances, plain = [], []
    for eta in ETAS:
        steps = round(1.6 / eta)
        trained = descended(layers, sigma_yx, sigma_xx, [steps], eta, decay=decay)
        decays = (decay,) * len(layers) if decay else ()
        corrected = flow_of(layers, sigma_yx, sigma_xx, decay, eta)
        uncorrected = Flow(layers, sigma_yx, sigma_xx, rtol=1e-12, atol=1e-13, weight_decay=decays)
        for flow, kept in ((corrected, distances), (uncorrected, plain)):
            ((_, found),) = flow.batches(np.array([1.6]))
            kept.append(np.sqrt(sum(np.sum((a[0] - b[0]) ** 2) for a, b in zip(found.layers, trained, strict=True))))
    slope, before = (np.polyfit(np.log(ETAS), np.log(kept), 1)[0] for kept in (distances, plain))
    record_property("slope", float(slope))
    assert 1.9 <= slope <= 2.1
    assert 0.9 <= before <= 1.1


def test_white_inputs_and_when_a_loss_is_reached():
    layers, sigma_yx, _ = problem([4, 5, 3], np.random.default_rng(3))
    flow = flow_of(layers, sigma_yx, None, 0.0, 0.1)
    loss = lambda network: 0.5 * float(np.sum(network.residual**2))  # noqa: E731
    start = 0.5 * float(np.sum((sigma_yx - layers[1] @ layers[0]) ** 2))
    time, _ = flow.until(loss, start / 10, 50.0)
    first, second = integrated(layers, sigma_yx, np.eye(4), 0.0, 0.1, time)
    assert 0.5 * np.sum((sigma_yx - second @ first) ** 2) == pytest.approx(start / 10, rel=1e-8)
