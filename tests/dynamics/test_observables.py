"""Observables against their definitions, on weights of any depth whose rotation of the hidden units is known."""

from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from support.frames import coloured, drawn_layers, of_layers, white

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.modal_loss import white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.riccati import solve
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.white_inputs import WhiteTask

CASES = {
    "white": white((4, 3, 5), samples=False),
    "white, wide hidden": white((3, 6, 2), seed=1),
    "isotropic": white((4, 3, 5), variance=0.25, seed=2),
    "isotropic, moments": white((5, 4, 3), variance=3.0, samples=False, seed=3),
    "span": white((4, 4, 5), variance=0.25, rank=3, seed=4),
    "span, moments": white((5, 3, 4), variance=2.0, rank=2, samples=False, seed=5),
    "two layers": coloured((4, 3, 5), seed=6),
    "two layers, moments": coloured((5, 6, 2), samples=False, seed=7),
    "three layers": coloured((4, 5, 3, 2), seed=8),
    "three layers, moments": coloured((3, 4, 4, 5), samples=False, seed=9),
    "three layers, white": of_layers(
        Moments(np.random.default_rng(12).standard_normal((3, 4)), None, 40.0),
        drawn_layers((4, 2, 5, 3), np.random.default_rng(13), times=2),
        tau=3.0,
    ),
    "four layers": coloured((4, 3, 2, 5, 3), seed=10),
    "four layers, moments": coloured((2, 3, 5, 4, 4), samples=False, seed=11),
}


def product(layers, n):
    return reduce(lambda below, w: w @ below, layers, np.eye(n))


def cosine(a, b):
    return np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))


def gradients(seen, layers):
    """Negative gradients (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T."""
    n_in = layers[0].shape[1]
    error = seen.moments.sigma_yx - product(layers, n_in) @ seen.sigma_xx
    below = [product(layers[:i], n_in) for i in range(len(layers))]
    above = [product(layers[i + 1 :], len(w)) for i, w in enumerate(layers)]
    return [a.T @ error @ b.T for a, b in zip(above, below, strict=True)]


def excess_loss(seen, layers):
    away = product(layers, layers[0].shape[1]) - seen.moments.sigma_yx @ np.linalg.pinv(seen.sigma_xx, rcond=1e-10)
    return 0.5 * np.trace(away @ seen.sigma_xx @ away.T)


def loss(seen, layers):
    w = product(layers, layers[0].shape[1])
    if seen.moments.samples is not None:
        return 0.5 * np.mean(np.sum((w @ seen.x - seen.y) ** 2, axis=0))
    half = 0.5 * np.trace(w @ seen.sigma_xx @ w.T) + 0.5 * seen.moments.sigma_yy_trace
    return half - np.trace(seen.moments.sigma_yx @ w.T)


def alignment(seen, layers):
    """Alignment of modes, which all differ here; NaN where the task or the network has no such mode."""
    w = product(layers, layers[0].shape[1])
    (u, s, vt), (u_t, s_t, vt_t) = np.linalg.svd(seen.moments.sigma_yx), np.linalg.svd(w)
    exists = np.where((s > 1e-10 * s[0]) & (s_t > 1e-10 * s_t[0]), 1.0, np.nan)
    m = len(s_t)
    return {
        "input": np.array([abs(a @ b) for a, b in zip(vt[:m], vt_t[:m], strict=True)]) * exists,
        "output": np.array([abs(a @ b) for a, b in zip(u.T[:m], u_t.T[:m], strict=True)]) * exists,
    }


def ntk(seen, layers):
    """Kernel: the sum over layers of A (x) X^T B^T B X; I (x) X^T W1^T W1 X + W2 W2^T (x) X^T X for two."""
    total = 0.0
    for i, w in enumerate(layers):
        above, features = product(layers[i + 1 :], len(w)), product(layers[:i], len(seen.x)) @ seen.x
        total = total + np.kron(above @ above.T, features.T @ features)
    return total


def task_specificity(seen, layers):
    u, s, vt = np.linalg.svd(seen.moments.sigma_yx, full_matrices=False)
    grams = {"input": (vt.T, layers[0].T @ layers[0]), "output": (u, layers[-1] @ layers[-1].T)}
    return {
        name: max(cosine(gram, basis @ np.diag(s**power) @ basis.T) for power in (1, 2))
        for name, (basis, gram) in grams.items()
    }


def balance(layers):
    b = [upper.T @ upper - lower @ lower.T for lower, upper in pairwise(layers)]
    lam = [np.trace(each) / len(each) for each in b]
    residual = [np.linalg.norm(each - x * np.eye(len(each))) for each, x in zip(b, lam, strict=True)]
    return {"lambda": lam, "residual": residual} if len(b) > 1 else {"lambda": lam[0], "residual": residual[0]}


def definitions(seen, layers):
    """Definitions of docs/theory.md, section 4."""
    w = product(layers, layers[0].shape[1])
    u, _, vt = np.linalg.svd(seen.moments.sigma_yx)
    kernel, start = ntk(seen, layers), ntk(seen, seen.path[0])
    x, y = seen.x, seen.y
    q = np.vstack([layers[0].T, layers[-1]]) if len(layers) == 2 else None
    strengths = np.linalg.svd(w, compute_uv=False)
    shares = (strengths / np.sum(strengths))[strengths > 1e-14 * strengths[0]]
    return {
        "loss": loss(seen, layers),
        "excess_loss": excess_loss(seen, layers),
        "loss_rate": -sum(np.sum(g**2) for g in gradients(seen, layers)) / seen.tau,
        "output": w,
        "input_representation": layers[0].T @ layers[0],
        "output_representation": layers[-1] @ layers[-1].T,
        "qqt": None if q is None else q @ q.T,
        "singular_values": np.linalg.svd(w, compute_uv=False),
        "mode_strengths": np.diagonal(u.T @ w @ vt.T),
        "alignment": alignment(seen, layers),
        "ntk": kernel,
        "ntk_distance": 1 - cosine(kernel, start),
        "ntk_norm": np.linalg.norm(kernel),
        "ntk_movement": np.linalg.norm(kernel - start) / np.linalg.norm(start),
        "rsm_input": x.T @ layers[0].T @ layers[0] @ x,
        "rsm_output": y.T @ np.linalg.pinv(layers[-1] @ layers[-1].T, rcond=1e-10) @ y,
        "task_specificity": task_specificity(seen, layers),
        "balance": balance(layers),
        "weight_norms": [np.linalg.norm(each) for each in layers],
        "effective_rank": np.exp(-np.sum(shares * np.log(shares))),
        "sharpness": np.linalg.eigvalsh(hessian(seen, layers))[-1],
    }


def hessian(seen, layers):
    """Hessian, column by column, by complex steps of the gradient."""
    columns = []
    for i, w in enumerate(layers):
        for place in np.ndindex(w.shape):
            moved = [each.astype(complex) for each in layers]
            moved[i][place] += 1e-30j
            columns.append(np.concatenate([-g.imag.ravel() / 1e-30 for g in gradients(seen, moved)]))
    return np.array(columns)


def close(got, expected):
    if np.shape(got) != np.shape(expected) or not np.array_equal(np.isnan(got), np.isnan(expected)):
        return False
    return np.sqrt(np.nansum((got - expected) ** 2)) <= 1e-12 * (1 + np.sqrt(np.nansum(expected**2)))


def has(case, name):
    return name != "qqt" or len(CASES[case].path[0]) == 2


@pytest.mark.parametrize(("case", "name"), [(case, name) for case in CASES for name in OBSERVABLES if has(case, name)])
def test_definition(case, name):
    seen = CASES[case]
    got = OBSERVABLES[name](seen.frame)
    for i, layers in enumerate(seen.path):
        expected = definitions(seen, layers)[name]
        if isinstance(expected, dict):
            assert set(got) == set(expected)
            assert all(close(got[part][i], np.asarray(value)) for part, value in expected.items())
        else:
            assert close(got[i], np.asarray(expected))


def test_every_quantity_is_defined_here():
    seen = CASES["isotropic"]
    assert set(definitions(seen, seen.path[0])) == set(OBSERVABLES)


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_weights_without_initial_ones_are_their_own_start(seen):
    frame = seen.frame.start
    assert frame.start is frame
    assert np.allclose(OBSERVABLES["ntk_distance"](frame), 0, atol=1e-15)
    assert np.allclose(OBSERVABLES["loss"](frame), loss(seen, seen.path[0]), rtol=1e-12, atol=0)


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_loss_rate_by_differences_of_the_loss(seen):
    """The loss is quadratic in each weight, so that central differences are exact at any step."""
    got = OBSERVABLES["loss_rate"](seen.frame)
    for i, layers in enumerate(seen.path):
        squares = 0.0
        for number, w in enumerate(layers):
            for place in np.ndindex(w.shape):
                step = np.zeros(w.shape)
                step[place] = 0.5
                up, down = (loss(seen, (*layers[:number], w + h, *layers[number + 1 :])) for h in (step, -step))
                squares += (up - down) ** 2
        assert np.isclose(got[i], -squares / seen.tau, rtol=1e-11, atol=0)


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_loss_rate_by_the_velocity_of_the_network_function(seen):
    """Thesis (4.36), corrected: dL/dt = Tr[dW/dt (W sigma_xx - sigma_yx)^T]."""
    got = OBSERVABLES["loss_rate"](seen.frame)
    for i, layers in enumerate(seen.path):
        n_in = len(seen.x)
        moves = gradients(seen, layers)
        velocity = sum(
            product(layers[j + 1 :], len(move)) @ move @ product(layers[:j], n_in) for j, move in enumerate(moves)
        )
        away = product(layers, n_in) @ seen.sigma_xx - seen.moments.sigma_yx
        assert np.isclose(got[i], np.trace(velocity @ away.T) / seen.tau, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("lam", "variance", "tau"), [(0.0, 1.0, 1.0), (2.0, 0.25, 0.5), (-3.0, 4.0, 2.0)])
def test_loss_rate_integrates_to_the_loss(lam, variance, tau):
    """By Gauss-Legendre quadrature on panels along an exact trajectory."""
    rng = np.random.default_rng(12)
    task = WhiteTask(rng.standard_normal((4, 5)), variance, None, 0.3, 0.0)
    w1, w2 = balanced_weights((5, 3, 4), lam, 0.3, rng)
    solution = solve(w1, w2, task.sigma_yx, lam)
    found = white_objective(task, solution.modes, None)

    def frame(times):
        factors = solution.at(times * variance / tau)
        return ModalWeights(found, (factors.into.transpose(0, 2, 1), factors.out), (3,), tau)

    bounds = np.linspace(0, 3 * tau / variance, 13)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    total = 0.0
    for start, stop in pairwise(bounds):
        half = (stop - start) / 2
        total += half * weights @ OBSERVABLES["loss_rate"](frame(start + half * (1 + nodes)))
        ends = OBSERVABLES["loss"](frame(np.array([0.0, stop])))
        assert abs(total - (ends[1] - ends[0])) <= 1e-10 * ends[0]
    assert total < -0.5 * ends[0]


@pytest.mark.parametrize("name", ["loss", "excess_loss"])
def test_losses_without_the_scale_of_the_targets(name):
    seen = CASES["three layers, moments"]
    blind = of_layers(replace(seen.moments, sigma_yy_trace=None), seen.path)
    expected = [excess_loss(seen, layers) for layers in seen.path]
    assert np.allclose(OBSERVABLES[name](blind.frame), expected, rtol=1e-12, atol=0)


def test_balance_counts_hidden_units_without_weights():
    """Weights of rank 1 with two hidden units: B = diag(b, 0) up to a rotation."""
    one = np.ones((1, 1))
    found = white_objective(WhiteTask(one, 1.0, None, None, 0.0), modes(one, 0.0), None)
    got = OBSERVABLES["balance"](ModalWeights(found, (one[None], 2 * one[None]), (2,), 1.0))
    assert np.isclose(got["lambda"][0], 1.5)
    assert np.isclose(got["residual"][0], np.linalg.norm(np.diag([1.5, -1.5])))


def test_modes_outside_the_span_of_the_inputs():
    """Inputs span one of two dimensions: neither the weights nor the task have the second mode."""
    span = np.array([[0.6, 0.8]])
    sigma_yx = np.array([[1.0], [0.0]])
    task = WhiteTask(sigma_yx, 1.0, span.T, None, 0.0)
    found = white_objective(task, modes(sigma_yx, 0.0), None)
    w2 = found.u.T @ np.array([[2.0], [0.0]])
    frame = ModalWeights(found, ((span @ found.v)[None], w2[None]), (1,), 1.0)
    for name in ("singular_values", "mode_strengths"):
        assert np.allclose(OBSERVABLES[name](frame), [[2.0, 0.0]])
    assert np.allclose(OBSERVABLES["alignment"](frame)["input"], [[1.0, np.nan]], equal_nan=True)
    assert np.allclose(OBSERVABLES["output"](frame), 2 * np.array([[[0.6, 0.8], [0.0, 0.0]]]))


def test_effective_rank_counts_modes():
    """Equal modes count one each, a network without weights has none."""
    path = [(np.eye(3), scale * np.diag(strengths)) for scale, strengths in RANKS]
    got = OBSERVABLES["effective_rank"](of_layers(Moments(np.eye(3)), path).frame)
    assert np.allclose(got, [3, 2, 1, 0], rtol=1e-15, atol=0)


RANKS = [(1.0, [1.0, 1.0, 1.0]), (1e-200, [2.0, 2.0, 0.0]), (3.0, [0.0, 0.0, 5.0]), (0.0, [1.0, 1.0, 1.0])]
