"""Networks of one layer against matrix exponentials with many digits, and against the loss by definition."""

import mpmath
import numpy as np
import pytest

from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.one_layer import one_layer
from lindyn_service.dynamics.tasks import Moments, from_data

TIMES = np.array([0.0, 0.4, 3.0, 90.0])


def problem(kind):
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((2, 4))
    if kind == "white":
        return weights, Moments(rng.standard_normal((2, 4)), None, 30.0)
    inputs = rng.standard_normal((3 if kind == "span" else 9, 4))
    moments = from_data(inputs, rng.standard_normal((len(inputs), 2)), whiten=False)
    return weights, moments if kind != "moments" else Moments(moments.sigma_yx, moments.sigma_xx)


def exact(weights, moments, time):
    """Compute W' = sigma_yx - W sigma_xx with 60 digits, by the exponential of an augmented matrix."""
    with mpmath.workdps(60):
        n_out, n_in = weights.shape
        sigma_xx = np.eye(n_in) if moments.sigma_xx is None else moments.sigma_xx
        generator = mpmath.zeros(n_in + n_out)
        for i in range(n_in):
            for j in range(n_in):
                generator[i, j] = -mpmath.mpf(sigma_xx[i, j])
            for j in range(n_out):
                generator[n_in + j, i] = mpmath.mpf(moments.sigma_yx[j, i])
        state = mpmath.zeros(n_out, n_in + n_out)
        for i in range(n_out):
            for j in range(n_in):
                state[i, j] = mpmath.mpf(weights[i, j])
            state[i, n_in + i] = 1
        found = state * mpmath.expm(generator * mpmath.mpf(time), method="taylor")
        return np.array([[float(found[i, j]) for j in range(n_in)] for i in range(n_out)])


@pytest.mark.parametrize("kind", ["white", "samples", "moments", "span"])
def test_weights_and_losses(kind):
    weights, moments = problem(kind)
    modal = one_layer(weights, moments).modal_weights(TIMES[:3], 0.7)
    got = {name: OBSERVABLES[name](modal) for name in OBSERVABLES if name not in {"qqt", "balance"}}
    assert all(
        len(array) == 3 for value in got.values() for array in (value.values() if isinstance(value, dict) else [value])
    )
    sigma_xx = np.eye(4) if moments.sigma_xx is None else moments.sigma_xx
    for i, time in enumerate(TIMES[:3]):
        w = exact(weights, moments, time)
        assert np.allclose(got["output"][i], w, rtol=0, atol=1e-13)
        away = moments.sigma_yx - w @ sigma_xx
        assert np.isclose(got["loss_rate"][i], -np.sum(away**2) / 0.7, rtol=1e-11, atol=0)
        if moments.samples is not None:
            residual = moments.samples.inputs @ w.T - moments.samples.targets
            assert np.isclose(got["loss"][i], np.sum(residual**2) / (2 * len(residual)), rtol=1e-12, atol=0)
    assert not np.any(got["ntk_movement"])
    assert np.allclose(got["sharpness"], np.linalg.eigvalsh(sigma_xx)[-1], rtol=1e-12, atol=0)


def test_late_losses_keep_their_digits():
    weights, moments = problem("white")
    solution = one_layer(weights, moments)
    size = 0.5 * np.sum((weights - moments.sigma_yx) ** 2)
    assert np.allclose(solution.excess_loss(TIMES), size * np.exp(-2 * TIMES), rtol=1e-13, atol=0)
    modal = solution.modal_weights(TIMES, 1.0)
    assert np.allclose(OBSERVABLES["excess_loss"](modal), size * np.exp(-2 * TIMES), rtol=1e-13, atol=0)


@pytest.mark.parametrize("kind", ["white", "samples", "span"])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-100])
def test_convergence_time(kind, tolerance):
    solution = one_layer(*problem(kind))
    time = solution.convergence_time(tolerance)
    assert np.isclose(solution.excess_loss(np.array([time]))[0], tolerance, rtol=1e-10, atol=0)
    assert solution.convergence_time(1e9) == 0
