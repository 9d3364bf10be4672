"""Balanced draws against the definition of balance and the conditions for its existence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chance import assert_even, assert_isotropic
from support.problems import balances, sizes

from lindyn_service.dynamics.balance import balance, broken_inequality
from lindyn_service.dynamics.initialization import Directions, balanced_weights


@given(sizes(9), balances, st.floats(-6, 1), st.integers(0, 2**32))
def test_balanced_or_impossible(dims, lam, exponent, seed):
    n_in, n_hidden, n_out = dims
    rng = np.random.default_rng(seed)
    # B = lam I has rank n_hidden, and w2^T w2 (w1 w1^T) at most n_out (n_in)
    possible = not ((lam > 0 and n_hidden > n_out) or (lam < 0 and n_hidden > n_in))
    if not possible:
        with pytest.raises(ValueError, match="needs hidden <="):
            balanced_weights(dims, lam, 10**exponent, rng)
        return
    w1, w2 = balanced_weights(dims, lam, 10**exponent, rng)
    assert (w1.shape, w2.shape) == ((n_hidden, n_in), (n_out, n_hidden))
    size = np.sum(w1**2) + np.sum(w2**2)
    assert np.linalg.norm(w2.T @ w2 - w1 @ w1.T - lam * np.eye(n_hidden)) <= 1e-14 * size
    assert balance(w1, w2).relative_residual <= 1e-14


def test_counterexamples_to_theorem_3_4_1():
    """ERRATA: the widths alone do not fix the sign of lambda."""
    for dims, lam in (((3, 3, 5), -2.0), ((5, 2, 4), 2.0)):
        w1, w2 = balanced_weights(dims, lam, 1.0, np.random.default_rng(0))
        assert np.allclose(w2.T @ w2 - w1 @ w1.T, lam * np.eye(dims[1]), atol=1e-14)


def test_product_keeps_the_scale_of_the_draw():
    """Singular values of w2 w1 are those of a product of Gaussian matrices: E ||w2 w1||^2 = scale^4 in hidden out."""
    rng = np.random.default_rng(5)
    squares = [np.sum((w2 @ w1) ** 2) for w1, w2 in (balanced_weights((4, 3, 5), 1.0, 0.5, rng) for _ in range(2000))]
    assert np.isclose(np.mean(squares), 0.5**4 * 4 * 3 * 5, rtol=0.1, atol=0)


WIDTHS = [
    ((1, 2, 5), 1.0),
    ((2, 3, 5), 0.3),
    ((1, 3, 4), 20.0),
    ((5, 2, 1), -1.0),
    ((5, 3, 2), -0.3),
    ((4, 3, 1), -20.0),
    ((1, 3, 3), 1.0),
    ((3, 3, 1), -1.0),
    ((4, 2, 3), 1.0),
    ((4, 2, 3), -1.0),
    ((2, 4, 3), 0.0),
    ((3, 3, 3), 1.0),
    ((1, 1, 3), 2.0),
    ((3, 1, 1), -2.0),
    ((1, 1, 1), 1.0),
]


@pytest.mark.parametrize(("dims", "lam"), WIDTHS)
def test_the_distribution_is_rotation_invariant(dims, lam):
    """The distribution is invariant under rotations of inputs, hidden units and outputs."""
    drawn = (balanced_weights(dims, lam, 0.7, np.random.default_rng([11, i])) for i in range(1000))
    w1, w2 = (np.stack(layers) for layers in zip(*drawn, strict=True))
    for layer in (w1.mT, w2, w1, w2.mT):
        assert_isotropic(layer @ layer.mT)
        left, strengths, _ = np.linalg.svd(layer, full_matrices=False)
        used = left * (strengths > 1e-9 * strengths[:, :1])[:, None, :]
        assert_isotropic(used @ used.mT)
    assert_even(np.sign(w1))
    assert_even(np.sign(w2))


@pytest.mark.parametrize(("dims", "lam"), [((1, 2, 5), 1.0), ((5, 2, 1), -1.0)])
def test_directions_beyond_the_rank_are_uniform_beside_the_others(dims, lam):
    """In the complement of the only direction of the network function, they are isotropic."""
    seen = []
    for i in range(1000):
        w1, w2 = balanced_weights(dims, lam, 0.7, np.random.default_rng([12, i]))
        larger, function = (w2, w2 @ w1) if lam > 0 else (w1.T, (w2 @ w1).T)
        along = function / np.linalg.norm(function)
        beyond = larger - along @ (along.T @ larger)
        # reflection of the direction of the function to the first axis
        axis = along - np.eye(len(along))[:, :1]
        turned = (beyond - 2 * axis @ (axis.T @ beyond) / (axis.T @ axis))[1:]
        seen.append(turned @ turned.T)
    assert_isotropic(seen)


def test_aligned_weights_share_the_singular_vectors():
    rng = np.random.default_rng(6)
    u, _, vt = np.linalg.svd(rng.standard_normal((4, 3)))
    w1, w2 = balanced_weights((3, 3, 4), 2.0, 1.0, rng, Directions(u, vt.T))
    strengths = u.T @ w2 @ w1 @ vt.T
    off_diagonal = strengths - np.pad(np.diag(np.diagonal(strengths)), ((0, 1), (0, 0)))
    assert np.allclose(off_diagonal, 0, atol=1e-14)


def test_measured_balance():
    w1, w2 = np.array([[1.0, 2.0]]), np.array([[3.0]])
    found = balance(w1, w2)
    assert (found.lam, found.residual) == (4.0, 0.0)
    unequal = balance(np.diag([1.0, 2.0]), np.zeros((1, 2)))
    assert unequal.lam == -2.5
    assert np.isclose(unequal.residual, np.hypot(1.5, 1.5))
    assert np.isclose(unequal.relative_residual, np.hypot(1.5, 1.5) / 5)
    assert balance(np.zeros((2, 2)), np.zeros((2, 2))).relative_residual == 0.0


def test_inequality_is_named():
    assert broken_inequality(1.0, 5, 4, 3) == "lambda > 0 needs hidden <= out, got lambda = 1, hidden = 4, out = 3"
    assert broken_inequality(-1.0, 3, 4, 5) == "lambda < 0 needs hidden <= in, got lambda = -1, hidden = 4, in = 3"
    assert broken_inequality(0.0, 1, 9, 1) is None
