"""The wide limit against its equation, the flow of an equivalent finite network, and draws of finite width."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import sqrtm
from support.descent import random_layers
from support.integrated import integrated

from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.convergence import excess_loss_at
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.modal_loss import objective, white_objective
from lindyn_service.dynamics.modal_weights import modal_weights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.random_weights import random_weights
from lindyn_service.dynamics.reduction import reduction
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.white_inputs import white_task
from lindyn_service.dynamics.wide_limit import (
    WideLayers,
    equivalent_balanced,
    isotropy,
    predicted_lambda_eff,
    representing,
    wide_layers,
)
from lindyn_service.methods.exact_observables import weights_of_factors

SHAPES = {"more inputs": (6, 4), "more outputs": (3, 5), "as many": (4, 4), "one output": (3, 1)}
VARIANCES = {"equal": (1.5, 1.5), "first": (3.0, 0.2), "second": (0.01, 2.0), "first only": (2.0, 0.0)}
TIMES = np.array([0.0, 0.1, 0.6, 2.0])


def task(n_in, n_out, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_out, n_in)), 0.3 * rng.standard_normal((n_out, n_in))


def roots(w, nu):
    """Matrices (W W^T + nu^2)^{1/2} and (W^T W + nu^2)^{1/2}."""
    return (np.real(sqrtm(part + nu**2 * np.eye(len(part)))) for part in (w @ w.T, w.T @ w))


def frames(w, sigma_yx, a, b, hidden):
    """Modal weights: the closed form of the equivalent network with the representations of the limit."""
    wide, (w1, w2, lam) = WideLayers(a, b, hidden), equivalent_balanced(w, a + b)
    solution = closed_form(w1, w2, sigma_yx, lam)
    found = white_objective(white_task(Moments(sigma_yx), 1e-13), modes(sigma_yx, lam), None)
    start = weights_of_factors(found, wide.represented(solution.at(np.zeros(1))), hidden, 1.0)
    return weights_of_factors(found, wide.represented(solution.at(TIMES)), hidden, 1.0, start)


@pytest.mark.parametrize("start", ["zero", "drawn"])
@pytest.mark.parametrize(("a", "b"), VARIANCES.values(), ids=VARIANCES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_differential_equation(shape, a, b, start):
    """Integrate dW/dt = (W W^T + nu^2)^{1/2} (S - W) + (S - W) (W^T W + nu^2)^{1/2} accurately."""
    sigma_yx, w = task(*shape)
    w, nu = w * (start == "drawn"), (a + b) / 2

    def velocity(_, state):
        now = state.reshape(w.shape)
        out, into = roots(now, nu)
        return (out @ (sigma_yx - now) + (sigma_yx - now) @ into).ravel()

    assert np.isclose(abs(equivalent_balanced(w, a + b)[2]), a + b)
    frame = frames(w, sigma_yx, a, b, 1000)
    path = solve_ivp(velocity, (0, 2), w.ravel(), method="DOP853", rtol=1e-12, atol=1e-12, t_eval=TIMES).y.T
    got = {name: OBSERVABLES[name](frame) for name in ("output", "input_representation", "output_representation")}
    for i, state in enumerate(path):
        now = state.reshape(w.shape)
        out, into = roots(now, nu)
        assert np.allclose(got["output"][i], now, rtol=0, atol=1e-10)
        assert np.allclose(got["input_representation"][i], into + (a - b) / 2 * np.eye(len(into)), rtol=0, atol=1e-10)
        assert np.allclose(got["output_representation"][i], out + (b - a) / 2 * np.eye(len(out)), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("a", "b"), VARIANCES.values(), ids=VARIANCES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_flow_of_the_equivalent_network(shape, a, b):
    """All quantities are those of an integrated network of in + out hidden units with the same representations."""
    sigma_yx, w = task(*shape, seed=1)
    weights = representing(w, a, b)
    assert np.allclose(weights[1] @ weights[0], w, rtol=0, atol=1e-15 * (1 + a + b))
    path = integrated(weights, sigma_yx, None, TIMES)
    frame = frames(w, sigma_yx, a, b, sum(shape))
    found = objective(Moments(sigma_yx))
    stacked = tuple(np.stack(layers) for layers in zip(*path, strict=True))
    expected = modal_weights(found, stacked, 1.0, modal_weights(found, tuple(x[None] for x in weights), 1.0))
    for name in set(OBSERVABLES) - {"rsm_output"}:  # excluded, since it inverts a matrix that may be singular
        value, other = OBSERVABLES[name](frame), OBSERVABLES[name](expected)
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for part, array in parts:
            against = other[part] if part else other
            assert np.allclose(array, against, rtol=1e-9, atol=1e-10, equal_nan=True), (name, part)


def test_networks_without_weights_stay():
    sigma_yx, w = task(3, 2)
    frame = frames(0 * w, sigma_yx, 0.0, 0.0, 9)
    assert not np.any(OBSERVABLES["qqt"](frame))


def test_draws_approach_the_limit_as_the_inverse_square_root_of_the_width():
    """The mean over draws of the largest deviation of the loss falls as the inverse root of the width."""
    sigma_yx = np.random.default_rng(3).standard_normal((4, 6))
    widths, deviations = (256, 1024, 4096), []
    for width in widths:
        size = wide_layers((6, width, 4), "lecun", (1.0, 1.0)).lambda_eff
        times, found = np.linspace(0, 4, 9) / size, []
        for seed in range(8):
            weights = random_weights((6, width, 4), "lecun", (1.0, 1.0), np.random.default_rng(seed))
            small = reduction(weights, Moments(sigma_yx))
            flow = Flow(small.weights, small.moments.sigma_yx, None, rtol=1e-9, atol=1e-9)
            [(_, network)] = flow.batches(times)
            w1, w2, lam = equivalent_balanced(weights[1] @ weights[0], size)
            losses = excess_loss_at(closed_form(w1, w2, sigma_yx, lam), times)
            found.append(np.max(np.abs(0.5 * np.sum(network.residual**2, axis=(1, 2)) - losses)) / losses[0])
        deviations.append(np.mean(found))
    slope = np.polyfit(np.log(widths), np.log(deviations), 1)[0]
    assert -0.65 < slope < -0.35
    assert deviations[0] < 0.08


@pytest.mark.parametrize("scheme", ["lecun", "glorot", "he", "scaled", "normal"])
def test_representations_of_wide_draws(scheme):
    dims, gains = (5, 4000, 3), (1.0, 0.5)
    found = isotropy(*random_weights(dims, scheme, gains, np.random.default_rng(5)))
    assert np.isclose(found.lambda_eff, predicted_lambda_eff(dims, scheme, gains), rtol=0.05, atol=0)
    assert found.residual < 0.1
    assert np.isclose(predicted_lambda_eff((6, 12, 4), "lecun", (1.0, 1.0)), 12 / 6 + 1)
    assert np.isclose(predicted_lambda_eff((6, 12, 4), "he", (1.0, 1.0)), 2 * (12 / 6 + 1))


def test_isotropy_of_given_layers():
    w1, w2 = 2 * np.eye(3), np.array([[1.0, 0, 0], [0, 2.0, 0]])
    found = isotropy(w1, w2)
    assert np.isclose(found.lambda_eff, 4 + 2.5)
    assert np.isclose(found.residual, np.sqrt(2) * 1.5 / np.sqrt(17))
    tiny = isotropy(1e-200 * w1, 1e-200 * w2)
    assert np.isclose(tiny.residual, found.residual)
    assert isotropy(0 * w1, 0 * w2).residual == 0


@pytest.mark.parametrize("inputs", ["white", "coloured"])
def test_gram_matrix_of_both_layers_is_closed(inputs):
    """Compare dP/dt of any weights, by the rates of the layers, with the equations of the theory page."""
    rng = np.random.default_rng(6)
    w1, w2 = random_layers((5, 4, 3), rng)
    sigma_yx, factor = rng.standard_normal((3, 5)), rng.standard_normal((5, 5))
    sigma_xx = np.eye(5) if inputs == "white" else factor @ factor.T
    error = sigma_yx - w2 @ w1 @ sigma_xx
    q, rate = np.vstack([w1.T, w2]), np.vstack([error.T @ w2, error @ w1.T])
    expected = rate @ q.T + q @ rate.T
    p = q @ q.T
    seen = np.zeros((8, 8))
    seen[5:, :5] = sigma_yx - p[5:, :5] @ sigma_xx
    generator = seen + seen.T
    assert np.allclose(generator @ p + p @ generator, expected, atol=1e-13)
    if inputs == "white":
        j, f0 = np.diag([1.0] * 5 + [-1.0] * 3), np.zeros((8, 8))
        f0[5:, :5], f0[:5, 5:] = sigma_yx, sigma_yx.T
        by_frame = f0 @ p + p @ f0 - p @ p + (p @ j @ p @ j + j @ p @ j @ p) / 2
        assert np.allclose(by_frame, expected, atol=1e-13)
