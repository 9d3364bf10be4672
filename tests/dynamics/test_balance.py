"""The balance of layers with many hidden units, against the square matrix of all of them."""

import numpy as np
import pytest

from lindyn_service.dynamics.balance import balance


@pytest.mark.parametrize("scale", [1.0, 1e-120])
def test_many_hidden_units(scale):
    rng = np.random.default_rng(1)
    w1, w2 = rng.standard_normal((700, 4)), 0.3 * rng.standard_normal((3, 700))
    b = w2.T @ w2 - w1 @ w1.T
    lam = np.trace(b) / 700
    found = balance(scale * w1, scale * w2)
    assert found.lam == pytest.approx(lam * scale**2, rel=1e-13)
    assert found.residual == pytest.approx(np.linalg.norm(b - lam * np.eye(700)) * scale**2, rel=1e-13)
    assert found.relative_residual == pytest.approx(found.residual / (np.sum(w1**2) + np.sum(w2**2)) / scale**2)


def test_transposed_layers_are_exactly_balanced():
    w1 = np.random.default_rng(2).standard_normal((900, 5))
    found = balance(w1, w1.T.copy())
    assert found.lam == 0
    assert found.relative_residual < 1e-15


def test_no_square_matrix_of_hidden_units_is_formed():
    """It would have 160 gigabytes."""
    w1, w2 = np.ones((100_000, 1)), np.ones((1, 100_000))
    w2[0, :50_000] = -1
    found = balance(w1, w2)
    assert found.lam == 0
    assert found.residual == pytest.approx(np.sqrt(2) * 100_000, rel=1e-12)
