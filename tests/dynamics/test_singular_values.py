"""Singular values of many small matrices against the values that the matrices are made of."""

import numpy as np
import pytest

from lindyn_service.dynamics.singular_values import stacked_singular_values

MANY = 2500


def made_of(values, shape, rng):
    """Matrices U diag(s) V^T with random orthogonal U and V, for values (matrix, mode)."""
    n_rows, n_columns = shape
    u, v = (np.linalg.qr(rng.standard_normal((len(values), n, n)))[0] for n in shape)
    n = min(n_rows, n_columns)
    return (u[:, :, :n] * values[:, None]) @ v[:, :, :n].mT


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 5), (3, 7), (7, 3), (4, 5), (8, 8)])
@pytest.mark.parametrize("kind", ["any", "equal", "graded", "singular"])
def test_matrices_have_the_values_that_they_are_made_of(shape, kind):
    rng = np.random.default_rng(1)
    n = min(shape)
    values = {
        "any": np.sort(rng.uniform(0.1, 3, (MANY, n)), axis=1)[:, ::-1],
        "equal": np.full((MANY, n), 2.0),
        "graded": np.tile(10.0 ** -np.arange(0, 3 * n, 3), (MANY, 1)),
        "singular": np.tile(np.array([1.5] + [0.0] * (n - 1)), (MANY, 1)),
    }[kind]
    found = stacked_singular_values(made_of(values, shape, rng))
    np.testing.assert_allclose(found, values, rtol=0, atol=2e-14)


def test_small_values_of_columns_of_very_different_lengths_have_all_digits():
    rng = np.random.default_rng(2)
    lengths = np.array([1.0, 1e-9, 1e-40])
    u = np.linalg.qr(rng.standard_normal((MANY, 3, 3)))[0]
    np.testing.assert_allclose(stacked_singular_values(u * lengths), np.tile(lengths, (MANY, 1)), rtol=1e-14)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_tiny_and_huge_matrices(size):
    rng = np.random.default_rng(3)
    values = np.tile([3.0, 2.0, 0.5], (MANY, 1))
    found = stacked_singular_values(size * made_of(values, (3, 3), rng))
    np.testing.assert_allclose(found / size, values, rtol=1e-14)


def test_nearly_diagonal_and_diagonal_matrices():
    """To second order in the rest E, the values are s_i + E_ii + ..; of a symmetric E those of a symmetric matrix."""
    rng = np.random.default_rng(4)
    rest = rng.standard_normal((MANY, 4, 4)) * 10.0 ** rng.uniform(-18, -1, (MANY, 1, 1))
    whole = np.diag([4.0, 3.0, 3.0, 1.0]) + rest + rest.mT
    np.testing.assert_allclose(stacked_singular_values(whole), np.linalg.eigvalsh(whole)[:, ::-1], rtol=0, atol=1e-14)
    found = stacked_singular_values(np.tile(np.diag([1.0, -4.0, 0.0, 2.0]), (MANY, 1, 1)))
    np.testing.assert_array_equal(found, np.tile([4.0, 2.0, 1.0, 0.0], (MANY, 1)))


def test_zeros_and_undefined_numbers():
    matrices = np.zeros((MANY, 3, 3))
    matrices[1], matrices[2, 1, 1] = np.eye(3), np.nan
    found = stacked_singular_values(matrices)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_array_equal(found[1], 1)
    assert np.any(np.isnan(found[2]))
    np.testing.assert_array_equal(found[3:], 0)


def test_columns_too_short_for_their_squares():
    """The squares of the second column vanish beside those of the first."""
    matrices = np.zeros((MANY, 2, 2))
    matrices[:, :, 0], matrices[:, :, 1] = 1.0, (3e-170, 1e-170)
    found = stacked_singular_values(matrices)
    np.testing.assert_allclose(found[:, 0], np.sqrt(2), rtol=1e-14)
    np.testing.assert_allclose(found[:, 1], 0, atol=1e-16)
