"""Inverse roots of many matrices, at sizes for each of the algorithms."""

import numpy as np
import pytest

from lindyn_service.dynamics.inverse_roots import gram, inverse_root_by_qr, inverse_roots, times_upper

SIZES = [1, 2, 3, 7, 32, 33, 64, 65, 90]


@pytest.mark.parametrize("size", SIZES)
def test_gram_matrices(size):
    root = np.random.default_rng(size).standard_normal((3, 2 * size, size))
    expected = np.einsum("tri,trj->tij", root, root)
    assert np.allclose(np.triu(gram(root)), np.triu(expected), rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("size", SIZES)
def test_inverse_roots(size):
    rng = np.random.default_rng(size)
    root, diagonal = rng.standard_normal((4, 2 * size, size)), rng.uniform(0.5, 2, (4, size))
    expected_gram = np.einsum("tri,trj->tij", root, root) + np.einsum("ti,ij->tij", diagonal**2, np.eye(size))
    inverse, ratio = inverse_roots(gram(root), diagonal)
    assert np.array_equal(inverse, np.triu(inverse))
    assert np.allclose(inverse.transpose(0, 2, 1) @ expected_gram @ inverse, np.eye(size), rtol=0, atol=1e-11)
    expected = [np.max(np.sqrt(np.diagonal(m)) / np.diagonal(np.linalg.cholesky(m))) for m in expected_gram]
    assert np.allclose(ratio, expected, rtol=1e-10, atol=0)
    by_qr = [inverse_root_by_qr(one, scale) for one, scale in zip(root, diagonal, strict=True)]
    assert np.allclose(by_qr, inverse, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("size", "at"), [(2, 1), (32, 1), (33, 1), (70, 1), (70, 40), (70, 69)])
def test_a_matrix_that_is_not_positive_definite_does_not_affect_others(size, at):
    good, bad = np.eye(size), np.eye(size)
    bad[at, at - 1] = bad[at - 1, at] = 2.0
    inverse, ratio = inverse_roots(np.stack([good, bad, good]), np.ones((3, size)) * 0.5)
    assert ratio[1] == np.inf
    assert np.allclose(inverse[[0, 2]], np.eye(size) / np.sqrt(1.25), rtol=1e-15, atol=0)
    assert np.allclose(ratio[[0, 2]], 1.0, rtol=1e-15, atol=0)


@pytest.mark.parametrize("size", [16, 70])
def test_carefully_inverted_roots_are_the_same(size):
    root, diagonal = np.random.default_rng(size).standard_normal((3, 2 * size, size)), np.ones((3, size))
    quick, careful = (inverse_roots(gram(root), diagonal, careful=careful) for careful in (False, True))
    assert np.allclose(quick[0], careful[0], rtol=0, atol=1e-13)
    assert np.allclose(quick[1], careful[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("size", SIZES)
def test_products_with_triangles(size):
    rng = np.random.default_rng(size)
    rows, upper = rng.standard_normal((3, size + 2, size)), np.triu(rng.standard_normal((3, size, size)))
    expected = np.einsum("tri,tij->trj", rows, upper)
    assert np.allclose(times_upper(rows.copy(), upper), expected, rtol=0, atol=1e-12 * size)
