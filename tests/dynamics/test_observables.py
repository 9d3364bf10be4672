"""Observables against their definitions, on weights whose rotation is known."""

import numpy as np
import pytest

from lindyn_service.dynamics.exact import Factors
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.observables import OBSERVABLES, Frame

N_IN, N_HIDDEN, N_OUT, VARIANCE, IRREDUCIBLE = 4, 3, 5, 0.25, 0.7


@pytest.fixture
def weights():
    rng = np.random.default_rng(8)
    return [(rng.standard_normal((N_HIDDEN, N_IN)), rng.standard_normal((N_OUT, N_HIDDEN))) for _ in range(2)]


@pytest.fixture
def sigma_yx():
    return np.random.default_rng(9).standard_normal((N_OUT, N_IN))


@pytest.fixture
def frame(weights, sigma_yx):
    """The weights in the singular bases, with another rotation of the hidden units at each time."""
    found = modes(sigma_yx, 1.0)
    rng = np.random.default_rng(10)
    rotations = [np.linalg.qr(rng.standard_normal((N_HIDDEN, N_HIDDEN)))[0] for _ in weights]
    into = np.stack([found.v.T @ w1.T @ r for (w1, _), r in zip(weights, rotations, strict=True)])
    out = np.stack([found.u.T @ w2 @ r for (_, w2), r in zip(weights, rotations, strict=True)])
    return Frame(Factors(into, out), found.v, found.u, found.s, VARIANCE, IRREDUCIBLE, N_HIDDEN)


def definitions(w1, w2, sigma_yx):
    q = np.vstack([w1.T, w2])
    u, _, vt = np.linalg.svd(sigma_yx)
    b = w2.T @ w2 - w1 @ w1.T
    lam = np.trace(b) / N_HIDDEN
    # 1/2 tr[(W - S) c (W - S)^T] with sigma_xx = c I
    excess = 0.5 * VARIANCE * np.trace((w2 @ w1 - sigma_yx) @ (w2 @ w1 - sigma_yx).T)
    return {
        "loss": excess + IRREDUCIBLE,
        "excess_loss": excess,
        "output": w2 @ w1,
        "input_representation": w1.T @ w1,
        "output_representation": w2 @ w2.T,
        "qqt": q @ q.T,
        "singular_values": np.linalg.svd(w2 @ w1, compute_uv=False),
        "mode_strengths": np.diagonal(u.T @ w2 @ w1 @ vt.T),
        "balance": {"lambda": lam, "residual": np.linalg.norm(b - lam * np.eye(N_HIDDEN))},
    }


@pytest.mark.parametrize("name", OBSERVABLES)
def test_definition(name, frame, weights, sigma_yx):
    got = OBSERVABLES[name](frame)
    for i, (w1, w2) in enumerate(weights):
        expected = definitions(w1, w2, sigma_yx)[name]
        if isinstance(expected, dict):
            for part, value in expected.items():
                assert np.allclose(got[part][i], value, rtol=1e-12)
        else:
            assert np.allclose(got[i], expected, rtol=1e-12, atol=1e-12)


def test_every_quantity_is_defined_here(weights, sigma_yx):
    assert set(definitions(*weights[0], sigma_yx)) == set(OBSERVABLES)


def test_balance_counts_hidden_units_without_weights():
    """Weights of rank 1 with two hidden units: B = diag(b, 0) up to a rotation."""
    factors = Factors(np.array([[[1.0]]]), np.array([[[2.0]]]))
    frame = Frame(factors, np.eye(1), np.eye(1), np.ones(1), 1.0, 0.0, 2)
    found = OBSERVABLES["balance"](frame)
    assert np.isclose(found["lambda"][0], 1.5)
    assert np.isclose(found["residual"][0], np.linalg.norm(np.diag([1.5, -1.5])))


def test_modes_outside_the_span_of_the_inputs_are_zero():
    """Inputs that span 1 of 2 dimensions: two modes, one of which no weights reach."""
    span = np.array([[0.6], [0.8]])
    factors = Factors(np.array([[[1.0]]]), np.array([[[2.0], [0.0]]]))
    frame = Frame(factors, span, np.eye(2), np.ones(1), 1.0, 0.0, 1)
    for name in ("singular_values", "mode_strengths"):
        assert np.allclose(OBSERVABLES[name](frame), [[2.0, 0.0]])
    assert np.allclose(OBSERVABLES["output"](frame), 2 * np.array([[[0.6, 0.8], [0.0, 0.0]]]))
