"""Descent of linear networks against derivatives by complex steps, the flow, closed forms, and many decimal digits."""

from decimal import localcontext

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.descent import (
    assert_layers_close,
    coloured,
    complex_step_gradient,
    decimal_descent,
    decimals,
    loss_of,
    random_data,
    random_layers,
)
from support.oracle import integrate

from lindyn_service.dynamics.descent import DivergedError, walk
from lindyn_service.dynamics.linear_descent import LinearDescent, first_below
from lindyn_service.dynamics.modal_loss import objective, times_root
from lindyn_service.dynamics.tasks import Moments

DIMS = [(4, 3), (4, 3, 5), (3, 5, 4, 2), (2, 3, 4, 3, 2)]


@pytest.mark.parametrize("white", [True, False])
@pytest.mark.parametrize("dims", DIMS)
def test_one_step_is_the_gradient(dims, white):
    rng = np.random.default_rng(0)
    layers = random_layers(dims, rng)
    inputs, targets = random_data(dims, rng, 9)
    if white:
        inputs = np.sqrt(9) * np.linalg.qr(inputs)[0]
    sigma_xx = None if white else inputs.T @ inputs / 9
    expected = complex_step_gradient(lambda w: loss_of(w, inputs, targets, "linear"), layers)
    trained = LinearDescent(layers, targets.T @ inputs / 9, sigma_xx, 1.0).record([1])
    assert_layers_close([w - moved[0] for w, moved in zip(layers, trained.layers, strict=True)], expected, 1e-13)


def test_one_layer_in_closed_form():
    """W_k = S + (W_0 - S)(1 - step)^k for white inputs; with sigma_xx the decay is by (I - step sigma_xx)."""
    rng = np.random.default_rng(2)
    w, s, sigma_xx = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), coloured(4, rng)
    recorded = [0, 0, 1, 7, 7, 250]
    (white,) = LinearDescent((w,), s, None, 0.01).record(recorded).layers
    assert np.allclose(white, [s + (w - s) * 0.99**k for k in recorded], rtol=0, atol=1e-13)
    (found,) = LinearDescent((w,), s @ sigma_xx, sigma_xx, 0.01).record(recorded).layers
    decay = [np.linalg.matrix_power(np.eye(4) - 0.01 * sigma_xx, k) for k in recorded]
    assert np.allclose(found, [s + (w - s) @ each for each in decay], rtol=0, atol=1e-13)


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
        found = LinearDescent(layers, sigma_yx, sigma_xx, 1 / per_unit).record(recorded).layers
        errors.append([np.abs(w[i] - f).max() for i, ws in enumerate(flow) for w, f in zip(found, ws, strict=True)])
    slopes = np.polyfit(np.log(1 / steps_per_unit), np.log(errors), 1)[0]
    assert np.all((slopes > 0.95) & (slopes < 1.05))
    assert max(errors[-1]) < 0.01


def first_step_out_of_bounds(w, s, step):
    """One layer with white inputs: W_k = S + (W_0 - S)(1 - step)^k."""
    number = 0
    while np.abs(s + (w - s) * (1.0 - step) ** number).max() <= 1e100:
        number += 1
    return number


@pytest.mark.parametrize("recorded", [[0, 5, 1500], [1500], list(range(1501)), [130, 131, 1500, 1500]])
@pytest.mark.parametrize("step", [2.3, 4.0, 12.0, 1e90])
def test_divergence_is_detected_at_its_first_step(step, recorded):
    rng = np.random.default_rng(9)
    w, s = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    expected = first_step_out_of_bounds(w, s, step)
    with pytest.raises(DivergedError, match=f"after step {expected}: use a smaller learning rate") as caught:
        LinearDescent((w,), s, None, step).record(recorded)
    assert caught.value.step_number == expected
    assert isinstance(caught.value, ValueError)


def test_growth_within_bounds_is_no_divergence():
    w, s = np.ones((1, 1)), np.zeros((1, 1))
    last = first_step_out_of_bounds(w, s, 3.0) - 1
    (found,) = LinearDescent((w,), s, None, 3.0).record([last]).layers
    assert np.isclose(abs(found.item()), 2.0**last)
    with pytest.raises(DivergedError):
        LinearDescent((w,), s, None, 3.0).record([last + 1])


def size(matrix):
    return sum((x * x for x in matrix.ravel()), start=matrix.ravel()[0] * 0).sqrt()


def assert_errors_keep_their_digits(layers, sigma_yx, sigma_xx, step, recorded, tolerance):
    """Against W sigma_xx - sigma_yx in 400 digits; returns its sizes."""
    trained = LinearDescent(layers, sigma_yx, sigma_xx, step).record(recorded)
    sizes = []
    with localcontext() as context:
        context.prec = 400
        sigma = decimals(np.eye(sigma_yx.shape[1]) if sigma_xx is None else sigma_xx)
        for i, (expected, error) in enumerate(decimal_descent(layers, sigma_yx, sigma_xx, step, recorded, 400)):
            sizes.append(float(size(error)))
            assert float(size(decimals(trained.errors[i]).dot(sigma) - error)) <= tolerance * sizes[-1]
            for w, exact in zip(trained.layers, expected, strict=True):
                assert np.allclose(w[i], exact.astype(float), rtol=0, atol=1e-14 * max(1.0, np.abs(w[i]).max()))
    return sizes


@pytest.mark.parametrize(
    ("dims", "step", "last"),
    [((3, 3, 3), 0.1, 1500), ((3, 4, 2), 0.05, 1200), ((2, 3, 3, 2), 0.08, 700), ((4, 3), 0.1, 1000)],
)
@pytest.mark.parametrize("white", [True, False])
def test_small_errors_keep_their_digits(dims, step, last, white):
    """The difference of weights would stall at 1e-16."""
    rng = np.random.default_rng(11)
    layers = random_layers(dims, rng)
    sigma_xx = None if white else coloured(dims[0], rng)
    sigma_yx = rng.standard_normal((dims[-1], dims[0])) @ (np.eye(dims[0]) if white else sigma_xx)
    sizes = assert_errors_keep_their_digits(layers, sigma_yx, sigma_xx, step, [0, 10, last // 2, last], 1e-12)
    assert not white or sizes[-1] < 1e-19  # small variances are learned slowly


def test_an_error_whose_square_is_1e_300():
    """One of two modes starts from small weights and is learned late."""
    layers = (np.array([[0.5, 0.0], [0.1, 1e-3]]), np.array([[0.5, 0.0], [0.0, 1e-3]]))
    sigma_yx = np.array([[1.2, 0.3], [-0.2, 0.9]])
    recorded = [0, 100, 1000, 1750]
    sizes = assert_errors_keep_their_digits(layers, sigma_yx, None, 0.1, recorded, 1e-12)
    assert 1e-154 < sizes[-1] < 1e-145


def test_many_small_steps_do_not_add_up_their_rounding_errors():
    """One mode: 20,000 steps, of which the last do not change the weights any more."""
    w, s, step, last = np.array([[0.3]]), np.array([[1.3]]), 5e-3, 20_000
    (found,) = LinearDescent((w, w), s, None, step).record([last]).errors
    ((_, expected),) = decimal_descent((w, w), s, None, step, [last], 130)
    assert abs(float(expected.item())) < 1e-110
    assert found.item() == pytest.approx(float(expected.item()), rel=2e-13)


def test_inputs_that_do_not_span_the_space():
    """Two samples in three dimensions, whose moments have no rounding errors: nothing is learned outside of them."""
    inputs, targets = np.array([[1.0, 2.0, -1.0], [0.0, 1.0, 3.0]]), np.array([[1.0, -2.0], [3.0, 1.0]])
    sigma_xx, sigma_yx = inputs.T @ inputs / 2, targets.T @ inputs / 2
    layers = random_layers((3, 3, 2), np.random.default_rng(12))
    sizes = assert_errors_keep_their_digits(layers, sigma_yx, sigma_xx, 0.02, [0, 100, 1000, 3000], 1e-11)
    assert sizes[-1] < 1e-130
    trained = LinearDescent(layers, sigma_yx, sigma_xx, 0.02).record([0, 50])
    outside = np.cross(*inputs)
    assert np.array_equal(trained.layers[0][0], layers[0])
    assert np.allclose(trained.layers[0] @ outside, layers[0] @ outside, rtol=0, atol=1e-15)
    assert np.allclose(trained.errors @ outside, 0, atol=1e-14)


@pytest.mark.parametrize("white", [True, False])
def test_the_excess_loss_is_that_of_the_objective(white):
    rng = np.random.default_rng(13)
    layers, sigma_xx = random_layers((3, 4, 2), rng, (5,)), None if white else coloured(3, rng)
    sigma_yx = rng.standard_normal((2, 3))
    found, moving = objective(Moments(sigma_yx, sigma_xx)), LinearDescent(layers, sigma_yx, sigma_xx, 0.1)
    for _ in walk(moving, [0, 3, 20]):
        w1, w2 = moving.weights()
        away = times_root(found.u.T @ (w2 @ w1) @ found.v - found.best, found.root)
        assert np.allclose(moving.excess(), 0.5 * np.sum(away**2, axis=(1, 2)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("batch", [(6,), (2, 3)])
@pytest.mark.parametrize("white", [True, False])
def test_batches_are_the_same_as_one_by_one(white, batch):
    rng = np.random.default_rng(7)
    recorded = [0, 1, 60, 150]
    layers, (inputs, targets) = random_layers((3, 5, 4, 2), rng, batch), random_data((3, 5, 4, 2), rng, 8, batch)
    sigma_yx, sigma_xx = targets.mT @ inputs / 8, None if white else inputs.mT @ inputs / 8
    together = LinearDescent(layers, sigma_yx, sigma_xx, 0.02).record(recorded)
    assert [w.shape for w in together.layers] == [(4, *w.shape) for w in layers]
    assert together.errors.shape == (4, *batch, 2, 3)
    for place in np.ndindex(*batch):
        own = None if sigma_xx is None else sigma_xx[place]
        alone = LinearDescent(tuple(w[place] for w in layers), sigma_yx[place], own, 0.02).record(recorded)
        assert_layers_close([w[:, *place] for w in together.layers], alone.layers, 1e-12)
        assert_layers_close([together.errors[:, *place]], [alone.errors], 1e-12)


def test_a_task_is_shared_by_a_batch():
    rng = np.random.default_rng(8)
    layers, sigma_yx, sigma_xx = random_layers((3, 4, 2), rng, (5,)), rng.standard_normal((2, 3)), coloured(3, rng)
    shared = LinearDescent(layers, sigma_yx, sigma_xx, 0.1).record([3])
    repeated = LinearDescent(layers, np.stack([sigma_yx] * 5), np.stack([sigma_xx] * 5), 0.1).record([3])
    assert_layers_close((*shared.layers, shared.errors), (*repeated.layers, repeated.errors), 1e-14)


def test_a_continued_run_equals_a_single_run():
    rng = np.random.default_rng(14)
    layers, sigma_yx = random_layers((3, 4, 2), rng), rng.standard_normal((2, 3))
    moving = LinearDescent(layers, sigma_yx, None, 0.1)
    parts = [moving.record(numbers) for numbers in ([0, 7], [107], [150, 333])]
    whole = LinearDescent(layers, sigma_yx, None, 0.1).record([0, 7, 107, 150, 333])
    assert np.array_equal(np.concatenate([part.errors for part in parts]), whole.errors)
    assert np.array_equal(np.concatenate([part.layers[0] for part in parts]), whole.layers[0])


def test_the_first_step_below_a_tolerance():
    """One layer: D_k = D_0 (1 - step)^k; with a step of 1.9 the loss of two modes falls, rises and falls."""
    w, s = np.array([[3.0, 0.0]]), np.array([[1.0, 2.0]])
    losses = [0.5 * 8 * 0.9 ** (2 * k) for k in range(200)]
    for tolerance in (5.0, 1.0, 1e-3, losses[57], 1e-15):
        expected = next((k for k, loss in enumerate(losses) if loss <= tolerance * (1 + 1e-12)), None)
        assert first_below(LinearDescent((w,), s, None, 0.1), tolerance * (1 + 1e-12), 199) == expected
    assert first_below(LinearDescent((w,), s, None, 0.1), losses[57] * 0.999, 57) is None
    with pytest.raises(DivergedError):
        first_below(LinearDescent((w,), s, None, 2.5), 1e-3, 10_000)


def test_the_first_step_below_a_tolerance_where_the_loss_rises_again():
    """The step is so large that the weights oscillate around the best ones."""
    w, s = np.array([[0.3]]), np.array([[1.0]])
    moving = LinearDescent((w, w), s, None, 1.05)
    losses = np.array([float(moving.excess()) for _ in walk(moving, range(100))])
    assert np.count_nonzero(np.diff(losses) > 0) > 10
    for tolerance in np.geomspace(losses.min() * 1.0001, losses[0] * 0.9999, 25):
        expected = int(np.argmax(losses <= tolerance))
        assert first_below(LinearDescent((w, w), s, None, 1.05), float(tolerance), 99) == expected
