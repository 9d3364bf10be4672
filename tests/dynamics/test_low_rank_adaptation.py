"""Low-rank adaptation, linear attention and symmetric factorisations as equivalent linear networks."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.initialization import symmetric_weights
from lindyn_service.dynamics.low_rank_adaptation import adaptation_task, adapters
from lindyn_service.dynamics.modal_loss import objective
from lindyn_service.dynamics.tasks import Moments, from_data, linear_attention

RNG = np.random.default_rng(5)
BASE = RNG.standard_normal((3, 5))
INPUTS, TARGETS = RNG.standard_normal((9, 5)), RNG.standard_normal((9, 3))


def loss(w):
    return np.sum((INPUTS @ w.T - TARGETS) ** 2) / (2 * len(INPUTS))


@pytest.mark.parametrize("known", ["samples", "moments"])
def test_losses_are_those_of_the_sum(known):
    moments = from_data(INPUTS, TARGETS, whiten=False)
    if known == "moments":
        moments = Moments(moments.sigma_yx, moments.sigma_xx, moments.sigma_yy_trace)
    task = adaptation_task(moments, BASE)
    found, change = objective(task), RNG.standard_normal((3, 5))
    away = (found.u.T @ change @ found.v - found.best) @ found.root
    assert np.isclose(0.5 * np.sum(away**2) + found.irreducible, loss(BASE + change), rtol=1e-12)


def test_unknown_scales_stay_unknown():
    assert adaptation_task(Moments(BASE), BASE).sigma_yy_trace is None
    assert not np.any(adaptation_task(Moments(BASE), BASE).sigma_yx)


def test_adapters_with_orthogonal_rows_are_a_closed_form():
    """Integrate W0 + B A on white inputs with frozen W0, all weights."""
    sigma_yx, alpha = RNG.standard_normal((3, 5)), 0.8
    a, b = adapters((5, 2, 3), alpha, np.random.default_rng(1))
    measured = balance(a, b)
    assert np.isclose(measured.lam, -(alpha**2), rtol=1e-14)
    assert measured.residual < 1e-14

    def velocity(_, state):
        a, b = state[:10].reshape(2, 5), state[10:].reshape(3, 2)
        error = sigma_yx - BASE - b @ a
        return np.concatenate([(b.T @ error).ravel(), (error @ a.T).ravel()])

    end = solve_ivp(velocity, (0, 2), np.concatenate([a.ravel(), b.ravel()]), method="DOP853", rtol=1e-13, atol=1e-13)
    expected = end.y[10:, -1].reshape(3, 2) @ end.y[:10, -1].reshape(2, 5)
    solution = closed_form(a, b, adaptation_task(Moments(sigma_yx), BASE).sigma_yx, measured.lam)
    factors = solution.at(np.array([2.0]))
    w = solution.modes.u @ factors.out[0] @ factors.into[0].T @ solution.modes.v.T
    assert np.allclose(w, expected, rtol=0, atol=3e-12)


def test_gaussian_adapters_and_impossible_ranks():
    a, b = adapters((400, 50, 3), 2.0, np.random.default_rng(2), gaussian=True)
    assert np.isclose(np.mean(a**2), 4 / 400, rtol=0.05)
    assert not np.any(b)
    with pytest.raises(ValueError, match="got rank = 4, in = 3"):
        adapters((3, 4, 2), 1.0, np.random.default_rng(0))


def test_linear_attention_has_the_moments_of_its_features():
    """Features vec(beta x^T) of random sequences, beta the mean of y_n x_n over the context."""
    dim, context, n = 2, 3, 200_000
    rng = np.random.default_rng(3)
    w, tokens = rng.standard_normal((n, dim)), rng.standard_normal((n, context, dim))
    query = rng.standard_normal((n, dim))
    beta = np.einsum("nd,ncd,nce->ne", w, tokens, tokens) / context
    features = np.einsum("ni,nj->nij", beta, query).reshape(n, -1)
    y = np.sum(w * query, axis=1)
    moments = linear_attention(dim, context)
    assert np.allclose(y @ features / n, moments.sigma_yx[0], atol=0.05)
    assert np.allclose(features.T @ features / n, moments.sigma_xx, atol=0.12)
    assert np.isclose(np.mean(y**2), moments.sigma_yy_trace, rtol=0.03)


def test_symmetric_factors_stay_symmetric():
    w = RNG.standard_normal((4, 2))
    w1, w2 = symmetric_weights(w)
    assert balance(w1, w2).residual == 0
    sigma_yx = BASE @ BASE.T
    first, second = symmetric_weights(w[:3])
    factors = closed_form(first, second, sigma_yx, 0.0).at(np.array([0.3]))
    modes = closed_form(first, second, sigma_yx, 0.0).modes

    def velocity(_, state):
        now = state.reshape(3, 2)
        return ((sigma_yx - now @ now.T) @ now).ravel()

    end = solve_ivp(velocity, (0, 0.3), w[:3].ravel(), method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1].reshape(3, 2)
    got = modes.u @ factors.out[0] @ factors.into[0].T @ modes.v.T
    assert np.allclose(got, end @ end.T, rtol=0, atol=1e-11)
