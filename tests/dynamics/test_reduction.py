"""Networks of reduced dimensions against unreduced ones: flow, descent and all quantities."""

from dataclasses import replace

import numpy as np
import pytest
from support.descent import random_layers
from support.integrated import integrated

from lindyn_service.dynamics.back_propagation import NetworkGradient
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.descent import descend
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.gram_changes import gram_changes
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.kernel import ntk_distance, ntk_movement
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.modal_loss import objective, white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights, modal_weights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.reduction import kept_widths, reduction
from lindyn_service.dynamics.tasks import Moments, from_data
from lindyn_service.dynamics.white_inputs import white_task


def problem(dims, inputs, seed=0):
    """Draw weights and moments; inputs are None for white moments, or the name of a distribution."""
    rng = np.random.default_rng(seed)
    weights = random_layers(dims, rng, scale=0.4)
    n_in, n_out = dims[0], dims[-1]
    if inputs == "white":
        return weights, Moments(rng.standard_normal((n_out, n_in)), None, 3.0 * n_in * n_out)
    if inputs == "isotropic":
        return weights, Moments(rng.standard_normal((n_out, n_in)), 0.3 * np.eye(n_in))
    if inputs == "spiked":
        spikes = np.linalg.qr(rng.standard_normal((n_in, 2)))[0]
        sigma_xx = 0.5 * np.eye(n_in) + (spikes * [1.0, -0.3]) @ spikes.T
        return weights, Moments(rng.standard_normal((n_out, n_in)) @ sigma_xx, sigma_xx)
    n_samples = 3 if inputs == "few samples" else n_in + 5
    data = rng.standard_normal((n_samples, n_in)), rng.standard_normal((n_samples, n_out))
    return weights, from_data(*data, whiten=inputs == "whitened")


CASES = {
    "many outputs": ((3, 4, 20), "white", [None, None, 7]),
    "many outputs, coloured": ((3, 4, 20), "samples", [None, None, 7]),
    "many inputs": ((20, 3, 4), "white", [7, None, None]),
    "many inputs, whitened": ((20, 3, 4), "whitened", [7, None, None]),
    "many inputs, isotropic": ((20, 3, 4), "isotropic", [7, None, None]),
    "many inputs, spiked": ((20, 3, 4), "spiked", [9, None, None]),
    "many inputs, few samples": ((20, 3, 4), "few samples", [6, None, None]),
    "many hidden": ((3, 20, 4), "samples", [None, 7, None]),
    "all": ((30, 2, 20), "few samples", [5, None, 5]),
    "deep": ((3, 40, 5, 30, 2), "samples", [None, 8, None, 7, None]),
    "deep, all": ((30, 4, 3, 20), "few samples", [7, None, None, 6]),
    "one output": ((25, 1, 1), "isotropic", [2, None, None]),
}


def sizes(reduced):
    return [None if basis is None else basis.shape[1] for basis in reduced.bases]


@pytest.mark.parametrize(("dims", "inputs", "kept"), CASES.values(), ids=CASES)
def test_flow_of_the_unreduced_network(dims, inputs, kept):
    weights, moments = problem(dims, inputs)
    small = reduction(weights, moments)
    assert small.is_smaller
    times = np.array([0.0, 0.3, 1.5])
    flow = Flow(small.weights, small.moments.sigma_yx, small.moments.sigma_xx, rtol=1e-13, atol=1e-13)
    [(_, found)] = flow.batches(times)
    expected = integrated(weights, moments.sigma_yx, moments.sigma_xx, times)
    for layers, expected_layers in zip(small.expanded(found.layers), zip(*expected, strict=True), strict=True):
        assert np.allclose(layers, expected_layers, rtol=0, atol=1e-11)
    assert layers[0].shape == weights[-1].shape


@pytest.mark.parametrize(("dims", "inputs", "kept"), CASES.values(), ids=CASES)
def test_reduced_widths_from_sizes_alone(dims, inputs, kept):
    n_in, n_out = dims[0], dims[-1]
    of_targets, of_inputs = {
        "few samples": (3, 3),
        "samples": (n_in, n_out + n_in),
        "spiked": (n_in, n_out + 2),
    }.get(inputs, (n_in, n_out))
    expected = tuple(width if left is None else left for width, left in zip(dims, kept, strict=True))
    assert kept_widths(dims, of_targets, of_inputs) == expected


def assert_same(got, expected, name):
    if isinstance(expected, dict):
        for part in expected:
            assert_same(got[part], expected[part], name)
        return
    assert got.shape == expected.shape, name
    assert np.array_equal(np.isnan(got), np.isnan(expected)), name
    size = np.max(np.abs(np.nan_to_num(expected)), initial=1e-3)
    assert np.allclose(got, expected, rtol=0, atol=1e-10 * size, equal_nan=True), name


@pytest.mark.parametrize(("dims", "inputs", "kept"), CASES.values(), ids=CASES)
def test_quantities_of_the_unreduced_network(dims, inputs, kept):
    """Each quantity of the lifted frame is that of the unreduced network."""
    weights, moments = problem(dims, inputs)
    small = reduction(weights, moments)
    assert sizes(small) == kept
    times = np.array([0.2, 0.9])
    flow = Flow(small.weights, small.moments.sigma_yx, small.moments.sigma_xx, rtol=1e-13, atol=1e-13)
    [(_, found)] = flow.batches(times)
    own = objective(small.moments)
    start = modal_weights(own, tuple(w[None] for w in small.weights), 0.7)
    frame = small.lifted(modal_weights(own, found.layers, 0.7, start))
    whole = objective(moments)
    whole_start = modal_weights(whole, tuple(w[None] for w in weights), 0.7)
    expected = modal_weights(whole, small.expanded(found.layers), 0.7, whole_start)
    for name, read in OBSERVABLES.items():
        if len(dims) == 3 or name != "qqt":
            assert_same(read(frame), read(expected), name)


@pytest.mark.parametrize(("dims", "inputs", "kept"), CASES.values(), ids=CASES)
def test_descent_of_the_unreduced_network(dims, inputs, kept):
    weights, moments = problem(dims, inputs)
    small = reduction(weights, moments)
    found = LinearDescent(small.weights, small.moments.sigma_yx, small.moments.sigma_xx, 0.02).record([0, 1, 60])
    expected = LinearDescent(weights, moments.sigma_yx, moments.sigma_xx, 0.02).record([0, 1, 60])
    for layers, whole in zip(small.expanded(found.layers), expected.layers, strict=True):
        assert np.allclose(layers, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_descent_with_an_activation_keeps_its_hidden_units(activation):
    rng = np.random.default_rng(4)
    weights = random_layers((12, 3, 15), rng)
    inputs, targets = rng.standard_normal((4, 12)), rng.standard_normal((4, 15))
    small = reduction(weights, from_data(inputs, targets, whiten=False), linear=False)
    assert sizes(small) == [7, None, 7]
    data = small.moments.samples
    found = descend(small.weights, NetworkGradient(data.inputs, data.targets, activation), 0.05, [0, 40])
    expected = descend(weights, NetworkGradient(inputs, targets, activation), 0.05, [0, 40])
    for layers, whole in zip(small.expanded(found), expected, strict=True):
        assert np.allclose(layers, whole, rtol=0, atol=1e-13)


def test_small_networks_stay_as_they_are():
    weights, moments = problem((3, 4, 5), "samples")
    small = reduction(weights, moments)
    assert not small.is_smaller
    assert all(a is b for a, b in zip(small.weights, weights, strict=True))
    assert all(a is b for a, b in zip(small.expanded(small.weights), weights, strict=True))


@pytest.mark.parametrize("lam", [0.0, 0.8])
def test_closed_form_of_many_outputs(lam):
    """Balanced weights stay balanced; changes of the kernel keep their digits."""
    rng = np.random.default_rng(8)
    weights = balanced_weights((3, 4, 20), lam, 0.5, rng)
    moments = Moments(rng.standard_normal((20, 3)))
    small = reduction(weights, moments)
    times = np.array([0.0, 1e-9, 0.7])

    def frame_of(part, at):
        w1, w2 = part.weights if hasattr(part, "weights") else part
        task = white_task(part.moments if hasattr(part, "moments") else moments, 1e-13)
        solution = closed_form(w1, w2, task.sigma_yx, lam)
        found = white_objective(task, modes(task.sigma_yx, lam), None)
        factors = solution.at(at)
        return ModalWeights(
            found,
            (factors.into.transpose(0, 2, 1), factors.out),
            (4,),
            1.0,
            gram_changes=gram_changes(solution, at),
        )

    frames = [replace(frame_of(part, times), initial=frame_of(part, times[:1])) for part in (small, weights)]
    got, expected = small.lifted(frames[0]), frames[1]
    for name in ("output", "output_representation", "loss", "singular_values", "ntk"):
        assert_same(OBSERVABLES[name](got), OBSERVABLES[name](expected), name)
    for change in (ntk_movement, ntk_distance):
        assert np.allclose(change(got), change(expected), rtol=1e-10, atol=1e-28)
