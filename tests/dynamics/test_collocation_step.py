"""One step of collocation against a logistic curve in 50 digits, and the conditions under which steps are refused."""

import mpmath as mp
import numpy as np
import pytest

from lindyn_service.dynamics.collocation_step import ROUNDING, StepTooLongError, collocation_step
from lindyn_service.dynamics.double_double import exact
from lindyn_service.dynamics.flow_velocity import VelocityField

UNITS = VelocityField(((1, 1), (1, 1)), np.eye(1), None)
"""One unit a layer: equal weights w have the product a = w^2, of which da/dt = 2 a (1 - a)."""


def step_of(weight, length, error=0.0, field=UNITS):
    return collocation_step(field, exact(np.full(2, weight)), np.full(2, error), exact(np.array([[length]])))


def right(weight, time):
    """Weight on the logistic curve."""
    a, t = mp.mpf(weight) ** 2, mp.mpf(time)
    return mp.sqrt(a / (a + (1 - a) * mp.exp(-2 * t)))


@pytest.mark.parametrize(("weight", "length"), [(1e-3, 1.0), (0.5, 0.75), (0.99, 1.5), (1e-9, 0.125)])
def test_the_end_has_31_digits_and_the_interior_16(weight, length):
    step = step_of(weight, length)
    with mp.workdps(50):
        for high, low in zip(step.end.high, step.end.low, strict=True):
            end = right(weight, length)
            assert abs(mp.mpf(float(high)) + mp.mpf(float(low)) - end) <= ROUNDING * end
    fractions = np.array([0.0, 0.2, 0.7, 1.0])
    with mp.workdps(50):
        states = np.array([float(right(weight, length * x)) for x in fractions])
        residuals = np.array([float(1 - right(weight, length * x) ** 2) for x in fractions])
    assert np.max(np.abs(step.states_at(fractions) - states[:, None])) <= step.states_error + 2e-16 * weight
    assert np.max(np.abs(step.residuals_at(fractions)[:, 0, 0] - residuals)) <= step.residuals_error
    assert step.states_error <= 1e-14 * states[-1]
    assert step.residuals_error <= 1e-14 * residuals[0]
    assert np.all(step.local_error >= ROUNDING * weight)


def test_an_error_grows_as_the_difference_of_two_solutions():
    step = step_of(0.125, 1.0, error=1e-25)
    with mp.workdps(50):
        slope = float(mp.diff(lambda w: right(w, 1), 0.125))
        residual_slope = float(mp.diff(lambda w: right(w, 1) ** 2, 0.125))
    assert np.allclose(step.error, 1e-25 * slope, rtol=1e-8, atol=0)
    assert np.isclose(step.inherited_residual_error, 1e-25 * residual_slope, rtol=2e-2, atol=0)


def test_steps_grow_near_the_fixed_point():
    step = step_of(0.0, 1.0)
    assert step.factor == 4.0
    assert not np.any(step.end.high)
    assert not np.any(step.local_error)


def test_fixed_point_iterations_that_do_not_converge_are_refused():
    with pytest.raises(StepTooLongError) as caught:
        step_of(0.5, 50.0)
    assert caught.value.factor == 0.5


def test_a_polynomial_that_misses_a_sudden_change_is_refused():
    """Five layers leave the saddle suddenly: the fourth power of their weight has a pole near that time."""
    field = VelocityField(((1, 1),) * 5, np.eye(1), None)
    start = exact(np.full(5, 0.3))
    with pytest.raises(StepTooLongError) as caught:
        collocation_step(field, start, np.zeros(5), exact(np.array([[10.0]])))
    assert 0.1 <= caught.value.factor < 1


def test_numbers_beyond_float64_are_refused():
    with pytest.raises(StepTooLongError):
        step_of(1e140, 1.0)


def test_corrections_that_do_not_converge_are_refused():
    """Near the fixed point the prediction is exact, but errors decay by e^-80 over the step, which is stiff."""
    with pytest.raises(StepTooLongError) as caught:
        step_of(1 - 2.0**-50, 20.0)
    assert caught.value.factor == 0.5
