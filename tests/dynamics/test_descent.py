"""Descent against derivatives by complex steps, the gradient flow and what each activation conserves."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.oracle import integrate

from lindyn_service.dynamics.descent import DivergedError, descend, linear_gradient, network_gradient, network_loss


def random_layers(dims, rng, batch=(), scale=0.6):
    return tuple(scale * rng.standard_normal((*batch, out, into)) for into, out in pairwise(dims))


def random_data(dims, rng, n_samples=7, batch=()):
    return rng.standard_normal((*batch, n_samples, dims[0])), rng.standard_normal((*batch, n_samples, dims[-1]))


def coloured(n, rng):
    x = rng.standard_normal((3 * n, n)) * np.linspace(0.5, 1.5, n)
    return x.T @ x / len(x)


def loss_of(layers, inputs, targets, activation):
    """1/(2P) sum ||f(x) - y||^2, sample by sample, analytic in the weights wherever it is smooth."""
    total = 0.0
    for x, y in zip(inputs, targets, strict=True):
        signal = x
        for w in layers[:-1]:
            signal = w @ signal
            if activation == "relu":
                signal = np.where(np.real(signal) > 0, signal, 0)
            elif activation == "tanh":
                signal = np.tanh(signal)
        error = layers[-1] @ signal - y
        total = total + error @ error
    return total / (2 * len(inputs))


def complex_step_gradient(loss, layers):
    """Im f(x + ih) / h: no difference, so no cancellation."""
    found = []
    for layer, w in enumerate(layers):
        slopes = np.empty_like(w)
        for place in np.ndindex(w.shape):
            moved = [each.astype(complex) for each in layers]
            moved[layer][place] += 1e-30j
            slopes[place] = np.imag(loss(moved)) / 1e-30
        found.append(slopes)
    return found


def assert_layers_close(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        assert np.allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


DIMS = [(4, 3), (4, 3, 5), (3, 5, 4, 2), (2, 3, 4, 3, 2)]


@pytest.mark.parametrize("white", [True, False])
@pytest.mark.parametrize("dims", DIMS)
def test_linear_gradient(dims, white):
    rng = np.random.default_rng(0)
    layers = random_layers(dims, rng)
    inputs, targets = random_data(dims, rng, 9)
    if white:
        inputs = np.sqrt(9) * np.linalg.qr(inputs)[0]
    sigma_xx = None if white else inputs.T @ inputs / 9
    expected = complex_step_gradient(lambda w: loss_of(w, inputs, targets, "linear"), layers)
    assert_layers_close(linear_gradient(targets.T @ inputs / 9, sigma_xx)(layers), expected, 1e-13)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("dims", DIMS)
def test_network_gradient_and_loss(dims, activation):
    rng = np.random.default_rng(1)
    layers = random_layers(dims, rng)
    inputs, targets = random_data(dims, rng)
    expected = complex_step_gradient(lambda w: loss_of(w, inputs, targets, activation), layers)
    assert_layers_close(network_gradient(inputs, targets, activation)(layers), expected, 1e-13)
    loss = network_loss(layers, inputs, targets, activation)
    assert loss.shape == ()
    assert np.isclose(loss, loss_of(layers, inputs, targets, activation), rtol=1e-13)


def test_rectifiers_at_zero_and_dead_ones_pass_nothing_down():
    inputs, targets = np.ones((1, 1)), np.ones((1, 1))
    layers = (np.array([[0.0], [-1.0], [1.0]]), np.ones((1, 3)))
    first, second = network_gradient(inputs, targets, "relu")((layers[0], 2 * layers[1]))
    assert np.array_equal(first, [[0.0], [0.0], [2.0]])
    assert np.array_equal(second, [[0.0, 0.0, 1.0]])


def test_one_layer_in_closed_form():
    """W_k = S + (W_0 - S)(1 - step)^k for white inputs; with sigma_xx the decay is by (I - step sigma_xx)."""
    rng = np.random.default_rng(2)
    w, s, sigma_xx = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), coloured(4, rng)
    recorded = [0, 0, 1, 7, 7, 250]
    (white,) = descend((w,), linear_gradient(s, None), 0.01, recorded)
    assert np.allclose(white, [s + (w - s) * 0.99**k for k in recorded], rtol=0, atol=1e-13)
    (found,) = descend((w,), linear_gradient(s @ sigma_xx, sigma_xx), 0.01, recorded)
    decay = [np.linalg.matrix_power(np.eye(4) - 0.01 * sigma_xx, k) for k in recorded]
    assert np.allclose(found, [s + (w - s) @ each for each in decay], rtol=0, atol=1e-13)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_steps_are_explicit(activation):
    """Recorded weights against steps of complex-step gradients."""
    rng = np.random.default_rng(3)
    dims = (2, 3, 2)
    layers, (inputs, targets) = random_layers(dims, rng), random_data(dims, rng, 4)
    found = descend(layers, network_gradient(inputs, targets, activation), 0.3, [0, 2, 3])
    path = [list(layers)]
    for _ in range(3):
        slopes = complex_step_gradient(lambda w: loss_of(w, inputs, targets, activation), path[-1])
        path.append([w - 0.3 * g for w, g in zip(path[-1], slopes, strict=True)])
    for row, number in enumerate([0, 2, 3]):
        assert_layers_close([each[row] for each in found], path[number], 1e-13)


def test_arguments_are_left_alone():
    rng = np.random.default_rng(4)
    dims = (3, 4, 2)
    layers, (inputs, targets) = random_layers(dims, rng), random_data(dims, rng)
    sigma_yx, sigma_xx = targets.T @ inputs, inputs.T @ inputs
    arrays = (*layers, inputs, targets, sigma_yx, sigma_xx)
    before = [each.copy() for each in arrays]
    for gradient in (linear_gradient(sigma_yx, sigma_xx), network_gradient(inputs, targets, "tanh")):
        descend(layers, gradient, 0.01, [1, 5])
        descend((layers[1] @ layers[0],), gradient, 0.01, [3])
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def flow_of_three(layers, sigma_yx, sigma_xx, times):
    """tau dW_l/dt = (W_{L..l+1})^T (S_yx - W S_xx) (W_{l-1..1})^T for three layers, tightly integrated."""
    shapes = [w.shape for w in layers]
    splits = np.cumsum([w.size for w in layers])[:-1]

    def unpacked(y):
        return [part.reshape(shape) for part, shape in zip(np.split(y, splits), shapes, strict=True)]

    def velocity(_t, y):
        w1, w2, w3 = unpacked(y)
        error = sigma_yx - w3 @ w2 @ w1 @ sigma_xx
        speeds = (w2.T @ w3.T @ error, w3.T @ error @ w1.T, error @ w1.T @ w2.T)
        return np.concatenate([each.ravel() for each in speeds])

    start = np.concatenate([w.ravel() for w in layers])
    flow = solve_ivp(velocity, (0, times[-1]), start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-14)
    assert flow.success
    return [unpacked(y) for y in flow.y.T]


@pytest.mark.parametrize("white", [True, False])
@pytest.mark.parametrize("dims", [(4, 3, 5), (3, 4, 4, 2)])
def test_order_one_in_the_learning_rate(dims, white):
    rng = np.random.default_rng(5)
    layers, times = random_layers(dims, rng), np.array([0.5, 1.0, 2.0])
    sigma_yx = rng.standard_normal((dims[-1], dims[0]))
    sigma_xx = None if white else coloured(dims[0], rng)
    s_xx = np.eye(dims[0]) if white else sigma_xx
    if len(layers) == 2:
        flow = integrate(*layers, sigma_yx, times, s_xx)
    else:
        flow = flow_of_three(layers, sigma_yx, s_xx, times)
    steps_per_unit = np.array([100, 200, 400, 800])
    errors = []
    for per_unit in steps_per_unit:
        recorded = (times * per_unit).astype(int).tolist()
        found = descend(layers, linear_gradient(sigma_yx, sigma_xx), 1 / per_unit, recorded)
        errors.append([np.abs(w[i] - f).max() for i, ws in enumerate(flow) for w, f in zip(found, ws, strict=True)])
    slopes = np.polyfit(np.log(1 / steps_per_unit), np.log(errors), 1)[0]
    assert np.all((slopes > 0.95) & (slopes < 1.05))
    assert max(errors[-1]) < 0.01


def drift_of_balance(activation, per_unit, rng):
    """How far the diagonal of B = w2^T w2 - w1 w1^T moves by time 2, for each of many seeds."""
    dims, seeds = (3, 6, 2), (30,)
    layers = random_layers(dims, rng, seeds, 1.0)
    inputs, targets = random_data(dims, rng, 8, seeds)
    w1, w2 = descend(layers, network_gradient(inputs, targets, activation), 1 / per_unit, [0, 2 * per_unit])
    diagonal = np.sum(w2**2, axis=-2) - np.sum(w1**2, axis=-1)
    return np.abs(diagonal[1] - diagonal[0]).max(axis=-1)


@pytest.mark.parametrize(("activation", "expected"), [("relu", 0.5), ("tanh", 1.0)])
def test_rectifiers_conserve_the_balance_of_each_unit(activation, expected):
    """The drift over the flow is zero for a homogeneous activation, so that of descent halves with the step."""
    coarse, fine = (drift_of_balance(activation, n, np.random.default_rng(6)) for n in (200, 400))
    assert np.isclose(np.median(fine / coarse), expected, rtol=0.02)
    assert np.isclose(np.mean(fine) / np.mean(coarse), expected, rtol=0.02)
    if activation == "relu":
        assert np.max(fine) < 0.05
    else:
        assert np.min(fine) > 0.05


@pytest.mark.parametrize("batch", [(6,), (2, 3)])
@pytest.mark.parametrize("kind", ["linear", "white", "relu", "tanh"])
def test_batches_are_the_same_as_one_by_one(kind, batch):
    rng = np.random.default_rng(7)
    dims, recorded = (3, 5, 4, 2), [0, 1, 60, 150]
    layers = random_layers(dims, rng, batch)
    inputs, targets = random_data(dims, rng, 8, batch)

    def gradient(place):
        x, y = inputs[place], targets[place]
        if kind in ("relu", "tanh"):
            return network_gradient(x, y, kind)
        return linear_gradient(y.mT @ x / 8, x.mT @ x / 8 if kind == "linear" else None)

    together = descend(layers, gradient(...), 0.02, recorded)
    assert [w.shape for w in together] == [(4, *w.shape) for w in layers]
    for place in np.ndindex(*batch):
        alone = descend(tuple(w[place] for w in layers), gradient(place), 0.02, recorded)
        assert_layers_close([w[:, *place] for w in together], alone, 1e-12)
        if kind in ("relu", "tanh"):
            losses = network_loss(together, inputs, targets, kind)
            assert losses.shape == (4, *batch)
            expected = [loss_of([w[i] for w in alone], inputs[place], targets[place], kind) for i in range(4)]
            assert np.allclose(losses[:, *place], expected, rtol=1e-11)


def test_data_are_shared_by_a_batch():
    rng = np.random.default_rng(8)
    dims = (3, 4, 2)
    layers, (inputs, targets) = random_layers(dims, rng, (5,)), random_data(dims, rng)
    for shared, repeated in (
        (
            network_gradient(inputs, targets, "tanh"),
            network_gradient(*(np.stack([a] * 5) for a in (inputs, targets)), "tanh"),
        ),
        (linear_gradient(targets.T @ inputs, None), linear_gradient(np.stack([targets.T @ inputs] * 5), None)),
    ):
        assert_layers_close(shared(layers), repeated(layers), 1e-14)


def first_step_out_of_bounds(w, s, step):
    """One layer with white inputs: W_k = S + (W_0 - S)(1 - step)^k."""
    number = 0
    while np.abs(s + (w - s) * (1.0 - step) ** number).max() <= 1e100:
        number += 1
    return number


@pytest.mark.parametrize("recorded", [[0, 5, 1500], [1500], list(range(1501)), [130, 131, 1500, 1500]])
@pytest.mark.parametrize("step", [2.3, 4.0, 12.0, 1e90])
def test_divergence_is_found_at_its_first_step(step, recorded):
    rng = np.random.default_rng(9)
    w, s = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    expected = first_step_out_of_bounds(w, s, step)
    with pytest.raises(DivergedError, match=f"after step {expected}: take smaller steps") as caught:
        descend((w,), linear_gradient(s, None), step, recorded)
    assert caught.value.step_number == expected
    assert isinstance(caught.value, ValueError)


def test_growth_within_bounds_is_no_divergence():
    w, s = np.ones((1, 1)), np.zeros((1, 1))
    last = first_step_out_of_bounds(w, s, 3.0) - 1
    (found,) = descend((w,), linear_gradient(s, None), 3.0, [last])
    assert np.isclose(abs(found.item()), 2.0**last)
    with pytest.raises(DivergedError):
        descend((w,), linear_gradient(s, None), 3.0, [last + 1])


@pytest.mark.parametrize("kind", ["linear", "tanh"])
def test_one_diverging_network_of_a_batch_is_told_without_warnings(kind):
    """Depth makes the growth doubly exponential: infinities and their differences come within one check."""
    rng = np.random.default_rng(10)
    dims = (3, 4, 4, 2)
    layers = random_layers(dims, rng, (2,))
    inputs, targets = random_data(dims, rng, 8, (2,))
    layers[2][1] *= 1e4
    if kind == "linear":
        gradient = linear_gradient(targets.mT @ inputs / 8, inputs.mT @ inputs / 8)
    else:
        gradient = network_gradient(inputs, targets, kind)
    with pytest.raises(DivergedError):
        descend(layers, gradient, 3.0, [0, 1000])


def test_nan_is_divergence():
    with pytest.raises(DivergedError) as caught:
        descend((np.ones((1, 1)),), lambda _: (np.full((1, 1), np.nan),), 0.1, [40])
    assert caught.value.step_number == 1


def test_loss_that_overflows_is_not_finite():
    """Squares beyond 1e308, a sum beyond it, and a difference of two infinities."""
    inputs, targets = np.ones((3, 2)), np.ones((3, 1))
    large, mixed = np.full((2, 2), 1e90), np.array([[1e90, -1e90]])
    assert np.isinf(network_loss((large, large[:1]), inputs, targets, "relu"))
    assert np.isinf(network_loss((large, large, large, large[:1]), inputs, targets, "relu"))
    assert np.isnan(network_loss((large, large, large, large, mixed), inputs, targets, "relu"))
