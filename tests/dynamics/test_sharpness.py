"""Sharpness against explicit Hessians, and against the closed form of converged balanced networks."""

from dataclasses import replace

import numpy as np
import pytest
from support.descent import random_layers
from support.frames import coloured, of_layers, white
from support.integrated import product

from lindyn_service.dynamics import sharpness as module
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.convergence import converged
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.linear_descent import LinearDescent
from lindyn_service.dynamics.modal_loss import objective, white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights, modal_weights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.reduction import reduction
from lindyn_service.dynamics.sharpness import hessian_bounds, largest_learning_rate, sharpness, sharpness_of_learned
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.white_inputs import white_task

CASES = {
    "two layers": coloured((3, 4, 2), seed=1),
    "two layers, white": white((4, 2, 3), samples=False, seed=2),
    "isotropic on a span": white((4, 3, 3), variance=0.3, rank=2, seed=3),
    "three layers": coloured((3, 2, 4, 3), seed=4),
    "four layers": coloured((2, 3, 2, 3, 2), samples=False, seed=5),
    "one layer": of_layers(Moments(np.ones((2, 3)), np.diag([1.0, 0.5, 2.0])), [(np.eye(2, 3),), (np.zeros((2, 3)),)]),
}


def dense_hessian(layers, sigma_yx, sigma_xx):
    """Hessian, column by column, by complex steps of the gradient."""
    shapes, n_in = [w.shape for w in layers], layers[0].shape[1]
    bounds = np.cumsum([0, *(w.size for w in layers)])
    flat = np.concatenate([w.ravel() for w in layers]).astype(complex)
    columns = []
    for place in range(len(flat)):
        moved = flat.copy()
        moved[place] += 1e-30j
        now = [moved[a:b].reshape(s) for a, b, s in zip(bounds[:-1], bounds[1:], shapes, strict=True)]
        error = product(now, n_in) @ sigma_xx - sigma_yx
        rates = [product(now[i + 1 :], len(now[i])).T @ error @ product(now[:i], n_in).T for i in range(len(now))]
        columns.append(np.concatenate([rate.ravel() for rate in rates]).imag / 1e-30)
    return np.array(columns)


def expected(seen):
    return [np.linalg.eigvalsh(dense_hessian(layers, seen.moments.sigma_yx, seen.sigma_xx))[-1] for layers in seen.path]


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_explicit_hessians(seen):
    found = hessian_bounds(seen.frame)
    assert np.allclose(found.values, expected(seen), rtol=1e-12, atol=0)
    assert np.all(found.errors <= 1e-12 * found.values)
    assert np.allclose(largest_learning_rate(seen.frame), 2 * seen.tau / np.array(expected(seen)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("strengths", [(1.0, 1.0, 1.0, 1.0), (1.0, 1.0 - 1e-9, 0.5, 0.0), (1.0, 1e-6, 1e-12, 0.0)])
def test_equal_and_nearly_equal_eigenvalues(strengths, scale):
    """At the minimum, all pairs of modes of equal strength have the same eigenvalue; near it they are close."""
    rng = np.random.default_rng(9)
    for noise in (0.0, 1e-9, 1e-3):
        w1, w2 = (scale * (np.diag(np.sqrt(strengths)) + noise * rng.standard_normal((4, 4))) for _ in range(2))
        seen = of_layers(Moments(scale**2 * np.diag(strengths)), [(w1, w2)])
        found = hessian_bounds(seen.frame)
        assert np.allclose(found.values, expected(seen), rtol=1e-12, atol=0)
        assert np.all(found.errors <= 1e-12 * found.values)


def test_times_do_not_depend_on_each_other(monkeypatch):
    frame = CASES["three layers"].frame
    together = sharpness(frame)
    monkeypatch.setattr(module, "BATCH_NUMBERS", 1)
    assert np.array_equal(sharpness(frame), together)
    alone = replace(frame, layers=tuple(layer[1:2] for layer in frame.layers))
    assert np.array_equal(sharpness(alone), together[1:2])


def test_few_vectors_bound_the_error(monkeypatch):
    """The iteration with few vectors reports a valid error bound."""
    seen = CASES["two layers"]
    monkeypatch.setattr(module, "_MAX_STEPS", 5)
    found = hessian_bounds(seen.frame)
    off = np.abs(found.values - expected(seen))
    assert np.all(off > 1e-9)
    assert np.all(off <= found.errors)


def test_zero_weights():
    """The Hessian at zero couples both layers of a hidden unit by the task; that of deeper networks vanishes."""
    sigma_yx = np.diag([3.0, 1.0])
    flat = of_layers(Moments(sigma_yx), [(np.zeros((2, 2)), np.zeros((2, 2)))])
    assert np.isclose(sharpness(flat.frame)[0], 3.0, rtol=1e-14, atol=0)
    deep = of_layers(Moments(sigma_yx), [tuple(np.zeros((2, 2)) for _ in range(3))])
    assert sharpness(deep.frame)[0] == 0
    assert np.isinf(largest_learning_rate(deep.frame)[0])


@pytest.mark.parametrize("scale", [1e-25, 1e-35, 1e20, 1e25])
def test_squares_of_the_hessian_may_overflow_or_vanish(scale):
    """Five layers of this scale have a Hessian of its eighth power, whose square float64 cannot represent."""
    rng = np.random.default_rng(10)
    layers = tuple(scale * rng.standard_normal(shape) for shape in ((3, 2), (4, 3), (3, 4), (2, 3), (2, 2)))
    seen = of_layers(Moments(scale**5 * rng.standard_normal((2, 2))), [layers])
    found = hessian_bounds(seen.frame)
    assert np.allclose(found.values, expected(seen), rtol=1e-12, atol=0)
    assert np.all(found.errors <= 1e-12 * found.values)


def test_omitted_hidden_units_without_weights():
    """The curvature of hidden units without weights is the residual, 3 here; that of the other includes its weights."""
    sigma_yx = np.diag([3.0, 2.0, 1.0])
    w1, w2 = np.zeros((3, 3)), np.zeros((3, 3))
    w1[0, 2] = w2[2, 0] = 1.0
    seen = of_layers(Moments(sigma_yx), [(w1, w2)])
    small = of_layers(Moments(sigma_yx), [(w1[:1], w2[:, :1])]).frame
    assert np.isclose(sharpness(replace(small, hidden=(3,)))[0], expected(seen)[0], rtol=1e-13, atol=0)
    assert np.isclose(expected(seen)[0], 4.0)


@pytest.mark.parametrize("inputs", ["white", "coloured"])
def test_reduced_networks_have_the_same_sharpness(inputs):
    rng = np.random.default_rng(6)
    weights, factor = random_layers((3, 9, 7), rng), rng.standard_normal((3, 3))
    sigma_xx = np.eye(3) if inputs == "white" else factor @ factor.T
    moments = Moments(rng.standard_normal((7, 3)), None if inputs == "white" else sigma_xx)
    wide = (0.1 * rng.standard_normal((14, 3)), 0.1 * rng.standard_normal((15, 14)))
    for layers, task in ((weights, moments), (wide, Moments(rng.standard_normal((15, 3)), moments.sigma_xx))):
        small = reduction(layers, task)
        frame = small.lifted(modal_weights(objective(small.moments), tuple(w[None] for w in small.weights), 1.0))
        hessian = dense_hessian(layers, task.sigma_yx, sigma_xx)
        assert np.isclose(sharpness(frame)[0], np.linalg.eigvalsh(hessian)[-1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("lam", [0.0, 1.5, -2.0])
@pytest.mark.parametrize("variance", [1.0, 0.25])
def test_limits_of_balanced_networks(lam, variance):
    rng = np.random.default_rng(7)
    w1, w2 = balanced_weights((3, 3, 3), lam, 0.7, rng)
    w1, w2 = (w1, w2) if np.linalg.det(w2 @ w1) > 0 else (np.diag([1.0, 1, 1]) @ w1, np.diag([-1.0, 1, 1]) @ w2)
    best = np.diag([2.0, 1.0, 0.5])
    moments = Moments(variance * best, variance * np.eye(3))
    white_problem = white_task(moments, 1e-13)
    solution = closed_form(w1, w2, white_problem.sigma_yx, lam)
    end = converged(solution)
    found = white_objective(white_problem, modes(white_problem.sigma_yx, lam), None)
    frame = ModalWeights(found, (end.into.transpose(0, 2, 1), end.out), (3,), 1.0)
    assert np.isclose(sharpness(frame)[0], sharpness_of_learned(lam, 2.0, variance), rtol=1e-13, atol=0)
    assert np.isclose(sharpness_of_learned(lam, 2.0, variance), variance * np.sqrt(lam**2 + 16), rtol=1e-15, atol=0)


def test_descent_converges_below_the_largest_learning_rate_only():
    rng = np.random.default_rng(8)
    weights = random_layers((3, 4, 3), rng)
    moments = Moments(np.diag([2.0, 1.0, 0.7]))
    [(_, end)] = Flow(weights, moments.sigma_yx, None, rtol=1e-12, atol=1e-12).batches(np.array([60.0]))
    frame = modal_weights(objective(moments), end.layers, 1.0)
    bound = largest_learning_rate(frame)[0]
    near = tuple(layer[0] + 1e-7 * rng.standard_normal(layer.shape[1:]) for layer in end.layers)
    losses = []
    for step in (0.99 * bound, 1.01 * bound):
        descent = LinearDescent(near, moments.sigma_yx, None, step)
        before = descent.excess()
        descent.advance(300)
        losses.append(descent.excess() / before)
    assert losses[0] < 1e-2
    assert losses[1] > 1e2
