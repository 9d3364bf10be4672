"""Products with inverses of positive definite matrices, against 200 digits, at sizes for each of the algorithms."""

import mpmath as mp
import numpy as np
import pytest

from lindyn_service.dynamics.quadratic_forms import forms, small_forms

SIZES = [1, 2, 3, 7, 12, 13, 32, 33, 70]


def drawn(size, n_left=4, n_right=5, grading=0.0):
    """Matrices M = K^T K + I with exponential scales of rows and columns, and rows with the same scales."""
    rng = np.random.default_rng(size)
    scale = np.exp(-grading * np.arange(size))
    root = rng.standard_normal((3, 2 * size, size)) * scale
    matrices = root.transpose(0, 2, 1) @ root
    np.einsum("tii->ti", matrices)[:] += scale**2
    return [rng.standard_normal((3, n, size)) * scale for n in (n_left, n_right)], matrices


def expected(left, matrix, right):
    with mp.workdps(200):
        inverse = mp.inverse(mp.matrix(matrix.tolist()))
        return np.array((mp.matrix(right.tolist()) * inverse * mp.matrix(left.tolist()).T).tolist(), dtype=float)


def by_blocks(left, matrices, right):
    return forms(np.ascontiguousarray(left.transpose(0, 2, 1)), matrices, right)


def by_elimination(left, matrices, right):
    """Put the matrices into the table of `small_forms`."""
    table = np.concatenate([matrices, left.transpose(0, 2, 1), right.transpose(0, 2, 1)], axis=2)
    return small_forms(np.ascontiguousarray(table.transpose(1, 2, 0)), left.shape[1])


@pytest.mark.parametrize("grading", [0.0, 3.0])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("solve", [by_blocks, by_elimination])
def test_products_with_inverses(solve, size, grading):
    (left, right), matrices = drawn(size, grading=grading if size <= 33 else 0.3 * grading)
    found = solve(left.copy(), matrices.copy(), right.copy())
    for i in (0, 2):
        known = expected(left[i], matrices[i], right[i])
        assert np.allclose(found.values[i], known, rtol=0, atol=1e-14 * size)
        square = np.trace(expected(left[i], matrices[i], left[i]))
        assert np.isclose(found.squares[i], square, rtol=1e-13)


@pytest.mark.parametrize("solve", [by_blocks, by_elimination])
@pytest.mark.parametrize("size", [3, 12, 40])
def test_matrices_with_nearly_dependent_columns_are_noticed(solve, size):
    (left, right), matrices = drawn(size)
    turned = np.eye(size)
    turned[0, size - 1] = 1e4  # the last column nearly is a multiple of the first
    matrices[1] = turned.T @ matrices[1] @ turned
    assert solve(left, matrices, right).accurate.tolist() == [True, False, True]


def test_a_matrix_that_is_not_positive_definite_is_noticed():
    (left, right), matrices = drawn(4)
    matrices[1, 2, 2] = 0.0
    found = by_elimination(left, matrices, right)
    assert found.accurate.tolist() == [True, False, True]
    assert not np.any(by_blocks(left, matrices, right).accurate)
