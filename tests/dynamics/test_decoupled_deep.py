"""Deep networks whose modes learn alone, against the flow of all layers."""

import numpy as np
import pytest
from support.full_flow import excess_losses, orthogonal, weight_flow

from lindyn_service.dynamics.decoupled_deep import deep_modes

TIMES = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 4.0])


def network(s, d, dims, strengths=None, seed=0):
    rng = np.random.default_rng(seed)
    bases = [orthogonal(n, rng) for n in dims]
    strengths = 10 ** rng.uniform(-1, 0.2, (len(s), len(dims) - 1)) if strengths is None else strengths
    layers = []
    for layer, (left, right) in enumerate(zip(bases[1:], bases[:-1], strict=True)):
        layers.append((left[:, : len(s)] * strengths[:, layer]) @ right[:, : len(s)].T)
    task = (bases[-1][:, : len(s)] * s) @ bases[0][:, : len(s)].T
    return tuple(layers), task, bases[0] @ np.diag(d) @ bases[0].T, bases


CASES = {
    "coloured": ([3.0, 1.0, 0.4], [1.0, 0.6, 2.0], (3, 4, 5, 3), None),
    "white": ([3.0, 1.0, 0.4], [1.0] * 3, (3, 4, 5, 4), None),
    "equal modes": ([3.0, 1.0, 1.0], [1.0] * 4, (4, 4, 5, 3), None),
    "low rank": ([3.0, 1.0, 0.0], [1.0] * 3, (3, 4, 4, 3), None),
    "two layers": ([3.0, 1.0], [1.0, 0.5], (2, 4, 3), None),
    "zeros": ([3.0, 1.0], [1.0, 1.0], (2, 5, 6, 3), np.array([[0.0, 1.0, 0.5], [0.4, 0.3, 0.0]])),
}


@pytest.mark.parametrize("case", CASES)
def test_decoupled_modes(case):
    layers, task, inputs, _ = network(*CASES[case])
    modes = deep_modes(layers, task, inputs)
    assert modes.residual <= modes.bound
    expected = weight_flow(layers, task, inputs, TIMES)
    for got, truth in zip(modes.weights(TIMES), expected, strict=True):
        assert np.max(np.abs(got - truth)) <= 3e-12
    function = expected[0]
    for layer in expected[1:]:
        function = layer @ function
    losses = excess_losses(function, task, inputs)
    assert np.allclose(modes.excess_loss(TIMES), losses, rtol=1e-11, atol=1e-13 * losses[0])
    moved = zip(modes.weights(np.array([1e-6])), layers, strict=True)
    rates = -sum(np.sum(((after - layer) / 1e-6) ** 2) for after, layer in moved)
    assert np.isclose(modes.loss_rate(np.zeros(1))[0], rates, rtol=1e-4, atol=0)


def test_inputs_without_variance_keep_any_rows():
    layers, task, inputs, bases = network([3.0, 1.0], [1.0, 0.6, 0.0, 0.0], (4, 4, 5, 3))
    rng = np.random.default_rng(5)
    layers = (layers[0] + rng.standard_normal((4, 2)) @ bases[0][:, 2:].T, *layers[1:])
    modes = deep_modes(layers, task, inputs)
    assert modes.residual <= modes.bound
    for got, truth in zip(modes.weights(TIMES), weight_flow(layers, task, inputs, TIMES), strict=True):
        assert np.max(np.abs(got - truth)) <= 1e-12


def test_directions_at_rest_do_not_matter():
    """Entries of a layer that no mode involves do not change."""
    layers, task, inputs, bases = network([3.0, 1.0], [1.0, 0.6], (2, 4, 5, 2))
    extra = 3 * np.outer(bases[2][:, 3], bases[1][:, 3])
    layers = (layers[0], layers[1] + extra, layers[2])
    modes = deep_modes(layers, task, inputs)
    assert modes.residual <= modes.bound
    for got, truth in zip(modes.weights(TIMES), weight_flow(layers, task, inputs, TIMES), strict=True):
        assert np.max(np.abs(got - truth)) <= 1e-12


def test_small_modes_beside_large_ones():
    strengths = np.array([[1.0, 2.0, 0.5], [1e-3, 2e-2, 1e-3]])
    layers, task, inputs, _ = network([3.0, 1.0], [1.0, 0.6], (2, 4, 5, 2), strengths)
    modes = deep_modes(layers, task, inputs)
    assert modes.residual <= modes.bound
    assert np.allclose(np.abs(modes.strengths), strengths, rtol=1e-12, atol=0)


def test_weights_of_zero_stay():
    layers = (np.zeros((4, 2)), np.zeros((4, 4)), np.zeros((3, 4)))
    modes = deep_modes(layers, np.eye(3, 2), None)
    assert modes.residual <= modes.bound
    assert not any(np.any(layer) for layer in modes.weights(TIMES))
    assert np.allclose(modes.excess_loss(TIMES), 1.0)


def test_violated_conditions_are_measured():
    layers, task, inputs, bases = network([3.0, 1.0, 0.4], [1.0, 0.6, 2.0], (3, 4, 5, 3))
    rng = np.random.default_rng(1)
    assert deep_modes(tuple(rng.standard_normal(w.shape) for w in layers), task, inputs).residual > 0.1
    tilt = 1e-6 * np.outer(bases[2][:, 0], bases[1][:, 1])
    tilted = deep_modes((layers[0], layers[1] + tilt, layers[2]), task, inputs)
    assert 1e-8 < tilted.residual < 1e-5
