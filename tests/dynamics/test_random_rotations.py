"""Uniform orthonormal columns: orthonormality, and invariance of their distribution."""

import numpy as np
import pytest
from support.chance import assert_even, assert_isotropic, assert_mean

from lindyn_service.dynamics.random_rotations import haar_columns, haar_completion

DRAWS = 1000


def drawn(make, draws=DRAWS):
    return np.stack([make(np.random.default_rng([7, i])) for i in range(draws)])


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 1), (2, 2), (3, 3), (5, 2), (6, 6), (4, 0)])
def test_orthonormal(n, columns):
    q = haar_columns(n, columns, np.random.default_rng(n))
    assert q.shape == (n, columns)
    assert np.allclose(q.T @ q, np.eye(columns), atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_whole_group_is_covered(n):
    """Half of all draws are rotations and half reflections, and entries have both signs equally often."""
    q = drawn(lambda rng: haar_columns(n, n, rng))
    assert_even(np.round(np.linalg.det(q)))
    assert_even(np.sign(q))
    for i in range(n):
        assert_isotropic(q[:, :, i, None] * q[:, None, :, i])


def test_fourth_moments():
    """E q_11^4 = 3 / (n (n + 2)) and E q_11^2 q_22^2 = (n + 1) / ((n - 1) n (n + 2)) on O(n) (Collins 2003)."""
    n = 3
    q = drawn(lambda rng: haar_columns(n, n, rng), 4000) ** 2
    moments = np.stack([q[:, 0, 0] ** 2, q[:, 0, 0] * q[:, 1, 1], q[:, 2, 0] * q[:, 0, 1]], axis=1)
    assert_mean(moments, [3 / (n * (n + 2)), *2 * [(n + 1) / ((n - 1) * n * (n + 2))]])


@pytest.mark.parametrize(("n", "rank", "columns"), [(5, 1, 1), (5, 2, 2), (4, 3, 1), (6, 2, 4), (2, 1, 1)])
def test_completions_are_uniform_in_the_complement(n, rank, columns):
    """In a basis of the complement, completions are uniform in a space of fewer dimensions."""
    whole = np.linalg.qr(np.random.default_rng(3).standard_normal((n, n)))[0]
    basis, complement = whole[:, :rank], whole[:, rank:]
    q = drawn(lambda rng: haar_completion(basis, columns, rng))
    assert np.allclose(basis.T @ q, 0, atol=1e-14)
    assert np.allclose(q.mT @ q, np.eye(columns), atol=1e-14)
    inside = complement.T @ q
    assert_even(np.sign(inside))
    for i in range(columns):
        assert_isotropic(inside[:, :, i, None] * inside[:, None, :, i])


def test_completions_only_depend_on_the_span():
    """Another basis of the same span gives the same completion up to rounding."""
    rng = np.random.default_rng(4)
    basis, turn = np.linalg.qr(rng.standard_normal((6, 3)))[0], np.linalg.qr(rng.standard_normal((3, 3)))[0]
    one, other = (haar_completion(each, 2, np.random.default_rng(5)) for each in (basis, basis @ turn))
    assert np.allclose(one, other, atol=1e-13)
