"""The closed form of the eigenpairs against the matrix F itself."""

import numpy as np
import pytest

from lindyn_service.dynamics.modes import modes


def riccati_matrix(sigma_yx, lam):
    n_out, n_in = sigma_yx.shape
    return np.block([[-lam / 2 * np.eye(n_in), sigma_yx.T], [sigma_yx, lam / 2 * np.eye(n_out)]])


def eigenvectors(found):
    """Build the orthogonal matrix O, column by column, as the docstring of the class defines it."""
    m = len(found.s)
    minor, major = (found.u, found.v) if found.exchanged else (found.v, found.u)
    grow = np.concatenate([minor[:, :m] * found.p, major[:, :m] * found.q])
    decay = np.concatenate([minor[:, :m] * found.q, -major[:, :m] * found.p])
    n_minor, n_major = len(minor), len(major)
    extra_minor = np.concatenate([minor[:, m:], np.zeros((n_major, n_minor - m))])
    extra_major = np.concatenate([np.zeros((n_minor, n_major - m)), major[:, m:]])
    o = np.concatenate([grow, extra_minor, extra_major, decay[:, ::-1]], axis=1)
    return np.roll(o, n_major, axis=0) if found.exchanged else o


@pytest.mark.parametrize("lam", [0.0, 1e-12, 2.0, -2.0, 1e6, -1e6])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (1, 1)])
def test_diagonalises_f(shape, lam):
    sigma_yx = np.random.default_rng(1).standard_normal(shape)
    found = modes(sigma_yx, lam)
    o, f = eigenvectors(found), riccati_matrix(sigma_yx, lam)
    size = np.linalg.norm(f)
    assert np.allclose(o.T @ o, np.eye(len(f)), atol=1e-14)
    assert np.allclose(o.T @ f @ o, np.diag(found.eigenvalues), atol=4e-15 * size)
    assert np.all(np.diff(found.eigenvalues) <= 0)


@pytest.mark.parametrize("lam", [0.0, 3.0, -3.0])
def test_task_without_correlations(lam):
    found = modes(np.zeros((2, 3)), lam)
    o = eigenvectors(found)
    assert np.allclose(o.T @ riccati_matrix(np.zeros((2, 3)), lam) @ o, np.diag(found.eigenvalues), atol=1e-15)


def test_layers_that_cancel_keep_their_digits():
    found = modes(np.array([[2.0]]), 1e-8)
    tiny = 2.0**-40
    grow = found.grow(np.array([[1.0 + tiny]]), np.array([[-1.0]]))[0, 0]
    kappa = np.hypot(2.0, 5e-9)
    # to first order in tiny and lambda: (tiny - lambda / (2 kappa)) / sqrt(2), see F's eigenvector (p, q)
    assert np.isclose(abs(grow), abs(tiny - 1e-8 / (2 * kappa)) / np.sqrt(2), rtol=1e-7, atol=0)
