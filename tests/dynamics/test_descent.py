"""Descent of any network against derivatives by complex steps and what each activation conserves."""

import numpy as np
import pytest
from support.descent import assert_layers_close, complex_step_gradient, loss_of, random_data, random_layers

from lindyn_service.dynamics.back_propagation import NetworkGradient, network_loss
from lindyn_service.dynamics.descent import DivergedError, descend
from lindyn_service.dynamics.linear_descent import LinearDescent

DIMS = [(4, 3), (4, 3, 5), (3, 5, 4, 2), (2, 3, 4, 3, 2)]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("dims", DIMS)
def test_gradient_and_loss(dims, activation):
    rng = np.random.default_rng(1)
    layers = random_layers(dims, rng)
    inputs, targets = random_data(dims, rng)
    expected = complex_step_gradient(lambda w: loss_of(w, inputs, targets, activation), layers)
    assert_layers_close(NetworkGradient(inputs, targets, activation)(layers), expected, 1e-13)
    loss = network_loss(layers, inputs, targets, activation)
    assert loss.shape == ()
    assert np.isclose(loss, loss_of(layers, inputs, targets, activation), rtol=1e-13, atol=0)


def test_rectifiers_at_or_below_zero_have_no_gradient():
    inputs, targets = np.ones((1, 1)), np.ones((1, 1))
    layers = (np.array([[0.0], [-1.0], [1.0]]), np.ones((1, 3)))
    first, second = NetworkGradient(inputs, targets, "relu")((layers[0], 2 * layers[1]))
    assert np.array_equal(first, [[0.0], [0.0], [2.0]])
    assert np.array_equal(second, [[0.0, 0.0, 1.0]])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_steps_are_explicit(activation):
    """Recorded weights against steps of complex-step gradients."""
    rng = np.random.default_rng(3)
    dims = (2, 3, 2)
    layers, (inputs, targets) = random_layers(dims, rng), random_data(dims, rng, 4)
    found = descend(layers, NetworkGradient(inputs, targets, activation), 0.3, [0, 2, 3])
    path = [list(layers)]
    for _ in range(3):
        slopes = complex_step_gradient(lambda w: loss_of(w, inputs, targets, activation), path[-1])
        path.append([w - 0.3 * g for w, g in zip(path[-1], slopes, strict=True)])
    for row, number in enumerate([0, 2, 3]):
        assert_layers_close([each[row] for each in found], path[number], 1e-13)


def test_arguments_are_not_modified():
    rng = np.random.default_rng(4)
    dims = (3, 4, 2)
    layers, (inputs, targets) = random_layers(dims, rng), random_data(dims, rng)
    sigma_yx, sigma_xx = targets.T @ inputs, inputs.T @ inputs
    arrays = (*layers, inputs, targets, sigma_yx, sigma_xx)
    before = [each.copy() for each in arrays]
    for network in (layers, (layers[1] @ layers[0],)):
        descend(network, NetworkGradient(inputs, targets, "tanh"), 0.01, [1, 5])
        LinearDescent(network, sigma_yx, sigma_xx, 0.01).record([1, 105])
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def drift_of_balance(activation, per_unit, rng):
    """Change of the diagonal of B = w2^T w2 - w1 w1^T until time 2, for many seeds."""
    dims, seeds = (3, 6, 2), (30,)
    layers = random_layers(dims, rng, seeds, 1.0)
    inputs, targets = random_data(dims, rng, 8, seeds)
    w1, w2 = descend(layers, NetworkGradient(inputs, targets, activation), 1 / per_unit, [0, 2 * per_unit])
    diagonal = np.sum(w2**2, axis=-2) - np.sum(w1**2, axis=-1)
    return np.abs(diagonal[1] - diagonal[0]).max(axis=-1)


@pytest.mark.parametrize(("activation", "expected"), [("relu", 0.5), ("tanh", 1.0)])
def test_rectifiers_conserve_the_balance_of_each_unit(activation, expected):
    """The drift over the flow is zero for a homogeneous activation, so that of descent halves with the step."""
    coarse, fine = (drift_of_balance(activation, n, np.random.default_rng(6)) for n in (200, 400))
    assert np.isclose(np.median(fine / coarse), expected, rtol=0.02, atol=0)
    assert np.isclose(np.mean(fine) / np.mean(coarse), expected, rtol=0.02, atol=0)
    if activation == "relu":
        assert np.max(fine) < 0.05
    else:
        assert np.min(fine) > 0.05


@pytest.mark.parametrize("batch", [(6,), (2, 3)])
@pytest.mark.parametrize("kind", ["relu", "tanh"])
def test_batches_are_the_same_as_one_by_one(kind, batch):
    rng = np.random.default_rng(7)
    dims, recorded = (3, 5, 4, 2), [0, 1, 60, 150]
    layers = random_layers(dims, rng, batch)
    inputs, targets = random_data(dims, rng, 8, batch)

    def gradient(place):
        return NetworkGradient(inputs[place], targets[place], kind)

    together = descend(layers, gradient(...), 0.02, recorded)
    assert [w.shape for w in together] == [(4, *w.shape) for w in layers]
    for place in np.ndindex(*batch):
        alone = descend(tuple(w[place] for w in layers), gradient(place), 0.02, recorded)
        assert_layers_close([w[:, *place] for w in together], alone, 1e-12)
        losses = network_loss(together, inputs, targets, kind)
        assert losses.shape == (4, *batch)
        expected = [loss_of([w[i] for w in alone], inputs[place], targets[place], kind) for i in range(4)]
        assert np.allclose(losses[:, *place], expected, rtol=1e-11, atol=0)


def test_data_are_shared_by_a_batch():
    rng = np.random.default_rng(8)
    dims = (3, 4, 2)
    layers, (inputs, targets) = random_layers(dims, rng, (5,)), random_data(dims, rng)
    repeated = (np.stack([a] * 5) for a in (inputs, targets))
    expected = NetworkGradient(*repeated, "tanh")(layers)
    assert_layers_close(NetworkGradient(inputs, targets, "tanh")(layers), expected, 1e-14)


def test_one_diverging_network_of_a_batch_is_reported_without_warnings():
    """Growth of deep networks is doubly exponential: infinities and their differences occur between two checks."""
    rng = np.random.default_rng(10)
    dims = (3, 4, 4, 2)
    layers = random_layers(dims, rng, (2,))
    inputs, targets = random_data(dims, rng, 8, (2,))
    layers[2][1] *= 1e4
    with pytest.raises(DivergedError):
        descend(layers, NetworkGradient(inputs, targets, "tanh"), 3.0, [0, 1000])
    with pytest.raises(DivergedError):
        LinearDescent(layers, targets.mT @ inputs / 8, inputs.mT @ inputs / 8, 3.0).record([0, 1000])


def test_nan_is_divergence():
    with pytest.raises(DivergedError) as caught:
        descend((np.ones((1, 1)),), NetworkGradient(np.ones((1, 1)), np.full((1, 1), np.nan), "relu"), 0.1, [40])
    assert caught.value.step_number == 1


def test_loss_that_overflows_is_not_finite():
    """Cases are squares above 1e308, a sum above it, and a difference of two infinities."""
    inputs, targets = np.ones((3, 2)), np.ones((3, 1))
    large, mixed = np.full((2, 2), 1e90), np.array([[1e90, -1e90]])
    assert np.isinf(network_loss((large, large[:1]), inputs, targets, "relu"))
    assert np.isinf(network_loss((large, large, large, large[:1]), inputs, targets, "relu"))
    assert np.isnan(network_loss((large, large, large, large, mixed), inputs, targets, "relu"))
