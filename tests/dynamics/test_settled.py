"""Flows whose layers have converged: decay of the residual by a constant operator, against many digits."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from support.integrated import integrated, product

from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.settled import settled


def layers_of(dims, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((upper, lower)) / np.sqrt(lower) for lower, upper in pairwise(dims))


def covariance(kind, n_in):
    rng = np.random.default_rng(2)
    factor = rng.standard_normal((n_in, n_in))
    return {"white": None, "coloured": np.eye(n_in) + 0.1 * factor @ factor.T}[kind]


def decayed(layers, residual, sigma_xx, time):
    """e^{-M t} R with 60 digits, by the operator as it is defined."""
    inputs = np.eye(residual.shape[1]) if sigma_xx is None else sigma_xx
    with mpmath.workdps(60):
        exact = [mpmath.matrix(w.tolist()) for w in layers]
        operator = mpmath.zeros(residual.size)
        for place in range(len(layers)):
            above, below = mpmath.eye(len(residual)), mpmath.eye(residual.shape[1])
            for w in exact[place + 1 :]:
                above = w * above if w.cols == above.rows else w
            for w in exact[:place]:
                below = w * below
            if place == len(layers) - 1:
                above = mpmath.eye(len(residual))
            out, into = above * above.T, below.T * below * mpmath.matrix(inputs.tolist())
            for i in range(out.rows):
                for j in range(out.cols):
                    for k in range(into.rows):
                        for m in range(into.cols):
                            operator[i * into.cols + m, j * into.rows + k] += out[i, j] * into[k, m]
        start = mpmath.matrix(residual.ravel().tolist())
        found = mpmath.expm(-operator * mpmath.mpf(time), method="taylor") * start
        return np.array([float(each) for each in found])


@pytest.mark.parametrize("inputs", ["white", "coloured"])
@pytest.mark.parametrize("dims", [(3, 4, 2), (3, 3), (2, 4, 3, 2)], ids=str)
def test_decay_of_the_residual(dims, inputs):
    layers, sigma_xx = layers_of(dims), covariance(inputs, dims[0])
    residual = np.random.default_rng(3).standard_normal((dims[-1], dims[0]))
    found = settled(layers, residual, sigma_xx, 1e-40)
    assert found is not None
    parts, logarithms = found.at(np.array([0.0, 2.0, 9.0]))
    for time, part, logarithm in zip((0.0, 2.0, 9.0), parts, logarithms, strict=True):
        expected = decayed(layers, residual, sigma_xx, time)
        assert np.allclose(part * np.exp(logarithm), expected, rtol=0, atol=1e-13 * np.max(np.abs(expected)))


def test_layers_that_still_change_or_large_operators_are_not_settled():
    layers, residual = layers_of((3, 4, 2)), np.ones((2, 3))
    assert settled(layers, residual, None, 1e-10) is None
    assert settled(layers, residual, np.diag([1.0, 1.0, 1e-6]), 1e-40) is None
    assert settled(layers_of((30, 40, 20)), np.ones((20, 30)), None, 1e-40) is None
    bottleneck = layers_of((3, 1, 3))  # one direction of the residual never decays
    assert settled(bottleneck, np.ones((3, 3)), None, 1e-40) is None


@pytest.mark.parametrize("inputs", ["white", "coloured"])
def test_flows_across_the_time_at_which_layers_settle(inputs):
    """Layers and residual before, at and long after: no jump, and the evaluations do not grow with time any more."""
    layers, sigma_xx = layers_of((3, 9, 2)), covariance(inputs, 3)
    sigma_yx = np.random.default_rng(4).standard_normal((2, 3))
    times = np.linspace(0.0, 60.0, 241)
    flow = Flow(layers, sigma_yx, sigma_xx, rtol=1e-13, atol=1e-13)
    [(_, found)] = flow.batches(times)
    sizes = np.log(np.linalg.norm(found.residual, axis=(1, 2)))
    assert np.all(np.diff(sizes) < 0)
    assert np.max(np.abs(np.diff(sizes[20:], 3))) < 0.02  # smooth
    path = integrated(layers, sigma_yx, sigma_xx, times[:80:8])
    for i, (w1, w2) in enumerate(path):
        assert np.allclose(found.layers[0][8 * i], w1, rtol=0, atol=1e-11)
        assert np.allclose(found.layers[1][8 * i], w2, rtol=0, atol=1e-11)
    ends = [layer[-1] for layer in found.layers]
    expected = decayed(ends, found.residual[160], sigma_xx, 20.0)
    assert np.allclose(found.residual[240].ravel(), expected, rtol=0, atol=1e-11 * np.max(np.abs(expected)))
    seen = product(ends, 3) @ (np.eye(3) if sigma_xx is None else sigma_xx)
    assert np.allclose(seen, sigma_yx, rtol=0, atol=1e-12)
    used = flow.evaluations
    [*_] = flow.batches(np.array([6000.0]))
    assert flow.evaluations <= used
