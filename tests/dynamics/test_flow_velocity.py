"""Velocities and their derivatives against exact fractions and a formula for three layers."""

from fractions import Fraction

import numpy as np
import pytest
from support.frames import drawn_layers

from lindyn_service.dynamics.double_double import DoubleDouble, exact
from lindyn_service.dynamics.flow_velocity import VelocityField

DIMS = [(3, 2), (2, 3, 4), (3, 1, 2, 2), (1, 2, 2, 2, 3)]


def problem(dims, seed=0, coloured=True):
    rng = np.random.default_rng(seed)
    layers = drawn_layers(dims, rng, 1)[0]
    inputs = rng.standard_normal((dims[0], dims[0] + 2))
    field = VelocityField(
        tuple(w.shape for w in layers),
        rng.standard_normal((dims[-1], dims[0])),
        inputs @ inputs.T if coloured else None,
    )
    return field, layers


def fractions(matrix):
    return np.vectorize(Fraction, otypes=[object])(matrix)


def product_of(layers, identity):
    """The product W_L .. W_1, or the identity for no layers."""
    for layer in layers:
        identity = layer @ identity
    return identity


def velocities_by_definition(field, layers):
    """Velocities by the defining formula, in the arithmetic of the arguments."""
    sigma_xx = np.eye(layers[0].shape[1], dtype=int) if field.sigma_xx is None else fractions(field.sigma_xx)
    error = fractions(field.sigma_yx) - product_of(layers, np.eye(layers[0].shape[1], dtype=int)) @ sigma_xx
    found = []
    for i, layer in enumerate(layers):
        above = product_of(layers[i + 1 :], np.eye(len(layer), dtype=int))
        below = product_of(layers[:i], np.eye(layers[0].shape[1], dtype=int))
        found.append(above.T @ error @ below.T)
    return found, error


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("coloured", [True, False])
def test_velocities_in_both_precisions(dims, coloured):
    field, layers = problem(dims, coloured=coloured)
    right, error = velocities_by_definition(field, [fractions(w) for w in layers])
    state = field.joined(layers)
    expected = np.concatenate([v.ravel() for v in right])
    largest = float(max(abs(expected)))
    assert np.max(np.abs(field.velocity(state[None])[0] - expected.astype(float))) <= 1e-13 * largest
    linearisation = field.linearised(exact(state[None]))
    got = fractions(linearisation.velocity.high[0]) + fractions(linearisation.velocity.low[0])
    assert max(abs(got - expected)) <= Fraction(1e-29) * Fraction(largest)
    assert np.allclose(field.residual(exact(state)), error.astype(float), rtol=1e-15, atol=0)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("coloured", [True, False])
def test_derivatives_are_limits_of_exact_differences(dims, coloured):
    field, layers = problem(dims, seed=1, coloured=coloured)
    rng = np.random.default_rng(2)
    directions = [rng.standard_normal(w.shape) for w in layers]
    small = Fraction(1, 2**60)
    moved = [fractions(w) + small * fractions(d) for w, d in zip(layers, directions, strict=True)]
    (after, error_after), (before, error_before) = (
        velocities_by_definition(field, x) for x in (moved, [fractions(w) for w in layers])
    )
    slopes = np.concatenate([((a - b) / small).astype(float).ravel() for a, b in zip(after, before, strict=True)])
    state, direction = field.joined(layers)[None], field.joined(directions)[None]
    velocity, residual = field.linearised(exact(state)).changes(np.stack([direction, -2 * direction]))
    assert np.allclose(velocity[0, 0], slopes, rtol=1e-11, atol=1e-13)
    assert np.allclose(velocity[1, 0], -2 * slopes, rtol=1e-11, atol=1e-13)
    assert np.allclose(residual[0, 0], ((error_after - error_before) / small).astype(float), rtol=1e-11, atol=1e-13)


def test_residuals_that_float64_would_cancel_away():
    """1 - (1 - 2^-40)(1 + 2^-40) = 2^-80, of two layers; the low digits count."""
    field = VelocityField(((1, 1), (1, 1)), np.eye(1), None)
    assert field.residual(exact(np.array([1 - 2.0**-40, 1 + 2.0**-40]))) == 2.0**-80
    state = DoubleDouble(np.array([1.0, 1.0]), np.array([2.0**-70, 0.0]))
    assert field.residual(state) == -(2.0**-70)


def test_states_are_layers_in_one_row():
    field, layers = problem((2, 3, 1))
    state = field.joined(layers)
    assert state.shape == (9,)
    assert all(np.array_equal(a, b) for a, b in zip(field.layers(state), layers, strict=True))
    stacked = field.layers(np.stack([state, 2 * state]))
    assert all(np.array_equal(a, np.stack([b, 2 * b])) for a, b in zip(stacked, layers, strict=True))


def test_the_largest_weight_of_each_layer():
    field, _ = problem((2, 1, 2))
    states = np.array([[1.0, -5.0, 0.0, 2.0], [-3.0, 4.0, -7.0, 0.0]])
    assert np.array_equal(field.largest(states), [5.0, 5.0, 7.0, 7.0])
