"""Moments of tasks against their definitions."""

import numpy as np
import pytest
from support.chance import assert_even, assert_isotropic

from lindyn_service.dynamics import tasks
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.white_inputs import Coloured, WhiteTask, white_task

TOLERANCE = 1e-9


def data(n_samples=40, n_in=5, n_out=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_samples, n_in)), rng.standard_normal((n_samples, n_out))


def test_moments_of_data():
    x, y = data()
    moments = tasks.from_data(x, y, whiten=False)
    assert np.allclose(moments.sigma_yx, sum(np.outer(b, a) for a, b in zip(x, y, strict=True)) / 40)
    assert np.allclose(moments.sigma_xx, sum(np.outer(a, a) for a in x) / 40)
    assert np.isclose(moments.sigma_yy_trace, np.mean(np.sum(y**2, axis=1)))


def test_whitening_is_the_symmetric_square_root():
    x, y = data()
    values, vectors = np.linalg.eigh(x.T @ x / 40)
    white = x @ (vectors / np.sqrt(values)) @ vectors.T
    moments = tasks.from_data(x, y, whiten=True)
    assert moments.sigma_xx is None
    assert np.allclose(moments.sigma_yx, y.T @ white / 40, atol=1e-13)


def test_whitening_of_inputs_that_span_a_part():
    x, y = data()
    x[:, 4] = x[:, 0] + x[:, 1]
    moments = tasks.from_data(x, y, whiten=True)
    projector = moments.sigma_xx
    assert np.isclose(np.trace(projector), 4)
    assert np.allclose(projector @ projector, projector)
    assert np.allclose(projector @ x.T, x.T)
    white = white_task(moments, TOLERANCE)
    assert white.basis.shape == (5, 4)
    assert np.isclose(white.variance, 1)
    # least squares leaves the same loss
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    assert np.isclose(white.irreducible_loss, 0.5 * np.sum((x @ best - y) ** 2) / 40)


def test_semantic_hierarchy():
    """Singular values are 2 sqrt 2 (twice), 2 (twice), sqrt 2 (four times): EXPERIMENTS, figure 4.1."""
    moments = tasks.semantic(3)
    items = 8 * moments.sigma_yx.T
    assert np.array_equal(items[:, 0], np.ones(8))
    assert np.array_equal(items[:, 1], [1, 1, 1, 1, -1, -1, -1, -1])
    assert np.array_equal(items[:, 3], [0, 0, 0, 0, 1, 1, -1, -1])
    assert np.array_equal(items[:, 7], [0, 0, 0, 0, 0, 0, 1, -1])
    expected = [np.sqrt(8)] * 2 + [2.0] * 2 + [np.sqrt(2)] * 4
    assert np.allclose(np.linalg.svd(items, compute_uv=False), expected)
    assert np.allclose(moments.sigma_xx, np.eye(8) / 8)
    assert np.isclose(moments.sigma_yy_trace, np.sum(items**2) / 8)


def test_regression_is_white():
    rng = np.random.default_rng(3)
    moments = tasks.regression(4, 2, 30, rng)
    assert moments.sigma_xx is None
    # E tr(sigma_yy) = n_out
    traces = [tasks.regression(4, 2, 30, rng).sigma_yy_trace for _ in range(300)]
    assert np.isclose(np.mean(traces), 2, rtol=0.05, atol=0)


def test_spectrum():
    moments = tasks.spectrum(5, 4, np.array([3.0, 1.0]), np.random.default_rng(1))
    assert np.allclose(np.linalg.svd(moments.sigma_yx, compute_uv=False), [3, 1, 0, 0], atol=1e-15)


@pytest.mark.parametrize(
    ("n_in", "n_out", "values"),
    [(1, 1, [2.0]), (3, 3, [3.0, 2.0, 1.0]), (4, 4, [3.0, 2.0, 1.0, 0.5]), (2, 5, [3.0, 1.0]), (5, 1, [1.0])],
)
def test_spectrum_of_uniform_singular_vectors(n_in, n_out, values):
    drawn = [tasks.spectrum(n_in, n_out, np.array(values), np.random.default_rng([5, i])).sigma_yx for i in range(1000)]
    sigma_yx = np.stack(drawn)
    assert_even(np.sign(sigma_yx))
    if n_in == n_out:
        assert_even(np.sign(np.linalg.det(sigma_yx)))
    u, s, vt = np.linalg.svd(sigma_yx)
    assert np.allclose(s, values)
    for i in range(len(values)):
        assert_isotropic(u[:, :, i, None] * u[:, None, :, i])
        assert_isotropic(vt[:, i, :, None] * vt[:, i, None, :])


def test_half_of_all_spectra_leave_a_rich_network_at_a_saddle():
    """At lambda = 0 the sign of det W is conserved; if it is not that of det sigma_yx, a mode is never learned."""
    w1, w2 = balanced_weights((3, 3, 3), 0.0, 0.3, np.random.default_rng(0))
    missed = []
    for i in range(400):
        sigma_yx = tasks.spectrum(3, 3, np.array([3.0, 2.0, 1.0]), np.random.default_rng([6, i])).sigma_yx
        missed.append(len(mode_overlap(closed_form(w1, w2, sigma_yx, 0.0)).missed))
    assert_even(1 - 2 * np.array(missed))


@pytest.mark.parametrize("variance", [0.125, 1.0, 7.0])
def test_isotropic_inputs_are_equivalent_to_white_ones(variance):
    sigma_yx = np.arange(6.0).reshape(2, 3)
    found = white_task(tasks.Moments(sigma_yx, variance * np.eye(3), 1000.0), TOLERANCE)
    assert np.isclose(found.variance, variance)
    assert np.allclose(found.sigma_yx, sigma_yx / variance)
    # the loss of the best weights sigma_yx / variance
    assert np.isclose(found.irreducible_loss, 500 - 0.5 * np.sum(sigma_yx**2) / variance)


def test_coloured_inputs_are_measured():
    found = white_task(tasks.Moments(np.ones((1, 2)), np.diag([1.0, 3.0])), TOLERANCE)
    assert isinstance(found, Coloured)
    assert np.isclose(found.residual, np.sqrt(2) / np.sqrt(10))


@pytest.mark.parametrize("small", [1e-4, 1e-5, 1e-7, 1e-11])
def test_small_inputs_count_as_inputs(small):
    """Their variances are below any tolerance of whiteness, and some below rounding errors of the largest."""
    x, y = data(n_in=3)
    x *= [1.0, small, small]
    found = white_task(tasks.from_data(x, y, whiten=False), TOLERANCE)
    assert isinstance(found, Coloured)
    assert found.residual > 0.5
    assert white_task(tasks.from_data(x, y, whiten=True), TOLERANCE).basis is None


@pytest.mark.parametrize("small", [1e-5, 1e-9, 1e-14])
def test_small_variances_count(small):
    found = white_task(tasks.Moments(np.ones((1, 3)), np.diag([1.0, 1.0, small])), TOLERANCE)
    assert isinstance(found, Coloured)


@pytest.mark.parametrize("n_samples", [4, 40, 4000])
@pytest.mark.parametrize("whiten", [False, True])
def test_rounding_errors_do_not_add_directions(n_samples, whiten):
    """Repeated columns, equal up to rounding, do not add directions."""
    rng = np.random.default_rng(n_samples)
    basis = np.linalg.qr(rng.standard_normal((5, 3)))[0]
    x = np.sqrt(n_samples) * np.linalg.qr(rng.standard_normal((n_samples, 3)))[0] @ basis.T
    moments = tasks.from_data(x, x[:, :2], whiten=whiten)
    for each in (moments, tasks.Moments(moments.sigma_yx, moments.sigma_xx)):
        white = white_task(each, TOLERANCE)
        assert white.basis.shape == (5, 3)
        assert white.residual < 1e-14


def test_inputs_of_zero():
    assert white_task(tasks.Moments(np.zeros((1, 2)), np.zeros((2, 2))), TOLERANCE) == Coloured(1.0)


def test_white_inputs_pass_through():
    found = white_task(tasks.Moments(np.ones((1, 2))), TOLERANCE)
    assert isinstance(found, WhiteTask)
    assert (found.variance, found.basis, found.irreducible_loss) == (1.0, None, None)
