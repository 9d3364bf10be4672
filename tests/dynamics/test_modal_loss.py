"""The loss in the singular bases of the task against the loss of the data."""

import numpy as np
import pytest
from support.frames import coloured, white

from lindyn_service.dynamics.modal_loss import objective, times_root, white_objective
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.tasks import Moments, Samples, from_data
from lindyn_service.dynamics.white_inputs import white_task


def data(n_samples=12, n_in=4, n_out=3, rank=4, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((n_samples, rank)) @ rng.standard_normal((rank, n_in))
    return inputs, rng.standard_normal((n_samples, n_out))


def white_of(moments):
    task = white_task(moments, 1e-9)
    return white_objective(task, modes(task.sigma_yx, 0.0), moments.samples)


def loss_of(found, w):
    """Loss as `Objective` defines it."""
    error = times_root(found.u.T @ w @ found.v - found.best, found.root)
    return 0.5 * np.sum(error**2) + found.irreducible


CASES = {
    "coloured": (objective, from_data(*data(), whiten=False)),
    "wide": (objective, from_data(*data(n_in=6, rank=6, n_out=2), whiten=False)),
    "rank deficient": (objective, from_data(*data(rank=2), whiten=False)),
    "fewer samples than inputs": (objective, from_data(*data(n_samples=3, n_in=5, rank=5), whiten=False)),
    "one sample": (objective, from_data(*data(n_samples=1), whiten=False)),
    "white": (objective, from_data(*data(), whiten=True)),
    "span": (objective, from_data(*data(rank=2), whiten=True)),
    "white, exact": (white_of, from_data(*data(), whiten=True)),
    "isotropic, exact": (white_of, white((4, 3, 5), variance=0.25).moments),
    "span, exact": (white_of, from_data(*data(rank=2), whiten=True)),
    "isotropic span, exact": (white_of, white((5, 3, 4), variance=3.0, rank=2).moments),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    make, moments = request.param
    return make(moments), moments


def test_singular_bases_of_the_task(case):
    found, moments = case
    assert np.allclose(found.u.T @ found.u, np.eye(len(found.u)), atol=1e-14)
    assert np.allclose(found.v.T @ found.v, np.eye(found.v.shape[1]), atol=1e-14)
    diagonal = found.u.T @ moments.sigma_yx @ found.v
    assert np.all(np.diff(found.s) <= 0)
    scale = diagonal[0, 0] / found.s[0]
    expected = np.zeros(diagonal.shape)
    np.fill_diagonal(expected, scale * found.s)
    assert np.allclose(diagonal, expected, atol=1e-14)


def test_loss_of_the_samples(case):
    found, moments = case
    x, y = moments.samples.inputs.T, moments.samples.targets.T
    for seed in range(3):
        w = np.random.default_rng(seed).standard_normal((len(y), len(x)))
        assert np.isclose(loss_of(found, w), 0.5 * np.mean(np.sum((w @ x - y) ** 2, axis=0)), rtol=1e-12, atol=0)


def test_best_function_is_that_of_least_squares(case):
    found, moments = case
    x, y = moments.samples.inputs, moments.samples.targets
    best = np.linalg.lstsq(x, y, rcond=1e-12)[0].T
    assert np.allclose(found.u @ found.best @ found.v.T, best, atol=1e-12)
    assert np.isclose(found.irreducible, 0.5 * np.mean(np.sum((x @ best.T - y) ** 2, axis=1)), rtol=1e-11, atol=1e-14)


def test_samples_in_the_singular_bases(case):
    found, moments = case
    assert np.allclose(found.inputs @ found.v.T, moments.samples.inputs, atol=1e-12)
    assert np.allclose(found.targets @ found.u.T, moments.samples.targets, atol=1e-12)


def test_root_of_the_samples(case):
    found, _ = case
    root = times_root(np.eye(found.v.shape[1]), found.inputs_root)
    assert np.allclose(root @ root.T, found.inputs.T @ found.inputs, atol=1e-11)


def test_moments_alone_stand_for_samples(case):
    """X = sigma_xx^{1/2} and Y = sigma_yx X^+ have the same moments."""
    found, moments = case
    make = white_of if isinstance(found.root, float) else objective
    alone = make(Moments(moments.sigma_yx, moments.sigma_xx, moments.sigma_yy_trace))
    x, y = alone.inputs @ alone.v.T, alone.targets @ alone.u.T
    sigma_xx = np.eye(x.shape[1]) if moments.sigma_xx is None else moments.sigma_xx
    assert np.allclose(x, x.T, atol=1e-12)
    assert np.allclose(x.T @ x, sigma_xx, atol=1e-12)
    assert np.allclose(y.T @ x, moments.sigma_yx, atol=1e-12)
    root = times_root(np.eye(alone.v.shape[1]), alone.inputs_root)
    assert np.allclose(alone.v @ root @ root.T @ alone.v.T, sigma_xx, atol=1e-12)


@pytest.mark.parametrize("make", [objective, white_of])
def test_targets_of_unknown_scale(make):
    assert make(Moments(np.diag([2.0, 1.0]), 0.5 * np.eye(2))).irreducible is None


@pytest.mark.parametrize("make", [objective, white_of])
def test_targets_that_inputs_explain_leave_no_loss(make):
    """The loss is zero and never negative by rounding."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, w = np.sqrt(6) * np.linalg.qr(rng.standard_normal((6, 3)))[0], rng.standard_normal((2, 3))
        found = make(from_data(x, x @ w.T, whiten=False))
        assert 0 <= found.irreducible <= 1e-13


def test_inputs_of_zero_have_no_modes():
    samples = Samples(np.zeros((2, 3)), np.array([[3.0, 0.0], [0.0, 4.0]]))
    found = objective(Moments(np.zeros((2, 3)), np.zeros((3, 3)), 12.5, samples))
    assert not np.any(found.best)
    assert not np.any(found.root)
    assert found.irreducible == 6.25


def test_the_task_is_not_modified():
    moments = coloured((3, 2, 4)).moments
    before = [moments.sigma_yx.copy(), moments.sigma_xx.copy(), moments.samples.inputs.copy()]
    found = objective(moments)
    assert found.inputs is not moments.samples.inputs
    after = [moments.sigma_yx, moments.sigma_xx, moments.samples.inputs]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("root", [2.0, np.array([[2.0, 1.0], [1.0, 3.0]])], ids=["number", "matrix"])
def test_a_number_stands_for_a_multiple_of_the_identity(root):
    stack = np.arange(12.0).reshape(3, 2, 2)
    matrix = root * np.eye(2) if isinstance(root, float) else root
    assert np.array_equal(times_root(stack, root), np.stack([each @ matrix for each in stack]))
