"""Learning rates of layers and schedules, against the flow of weights and quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad
from support.full_flow import weight_flow

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.learning_rates import (
    ConstantSchedule,
    CosineSchedule,
    ExponentialSchedule,
    LearningRates,
    PiecewiseSchedule,
)
from lindyn_service.dynamics.riccati import solve


def cosine(t, period, floor):
    return floor + (1 - floor) * (1 + np.cos(np.pi * t / period)) / 2 if t < period else floor


def piecewise(t):
    return (1.0, 0.3, 2.0)[int(t >= 0.5) + int(t >= 2.0)]


SCHEDULES = {
    "constant": (ConstantSchedule(), lambda t: 1.0),
    "cosine": (CosineSchedule(2.0, 0.1), lambda t: cosine(t, 2.0, 0.1)),
    "cosine to zero": (CosineSchedule(2.5, 0.0), lambda t: cosine(t, 2.5, 0.0)),
    "exponential": (ExponentialSchedule(0.7), lambda t: 2 ** (-t / 0.7)),
    "piecewise": (PiecewiseSchedule((0.5, 2.0), (1.0, 0.3, 2.0)), piecewise),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_elapsed_is_the_integral_of_the_factor(name):
    schedule, factor = SCHEDULES[name]
    times = np.array([0.0, 1e-9, 0.3, 0.5, 1.0, 2.0, 2.5, 3.0, 40.0])
    for t, elapsed in zip(times, schedule.elapsed(times), strict=True):
        points = [p for p in (0.5, 2.0, 2.5) if p < t]
        assert np.isclose(
            elapsed, quad(factor, 0, t, points=points or None, epsabs=1e-15, epsrel=1e-13)[0], rtol=1e-13, atol=0
        )


@pytest.mark.parametrize("name", SCHEDULES)
def test_total_is_the_integral_of_the_factor_over_all_times(name):
    schedule, factor = SCHEDULES[name]
    if factor(1e9):
        assert schedule.total == np.inf
    else:
        assert np.isclose(schedule.total, quad(factor, 0, 100, points=(2.5,), limit=500)[0], rtol=1e-9, atol=0)
    assert LearningRates((4.0, 1.0), schedule, time_constant=0.5).plain_total == 4 * schedule.total


def test_a_piecewise_schedule_that_ends_at_zero():
    assert PiecewiseSchedule((0.5, 2.0), (1.0, 0.3, 0.0)).total == pytest.approx(0.95, rel=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors(name):
    schedule, factor = SCHEDULES[name]
    times = np.array([0.0, 1e-9, 0.3, 0.5, 1.0, 2.0, 2.5, 3.0, 40.0])
    assert np.allclose(schedule.factors(times), [factor(t) for t in times], rtol=1e-15, atol=1e-16)


def test_relative_rates_have_the_product_one():
    rates = LearningRates((1e-6, 3.0, 2e6), time_constant=2.0)
    assert np.isclose(np.prod(rates.relative), 1.0, rtol=4e-15, atol=0)
    assert np.isclose(rates.mean**3, 6.0, rtol=4e-15, atol=0)
    assert not rates.are_equal
    equal = LearningRates((0.3, 0.3), time_constant=2.0)
    assert equal.are_equal
    assert equal.relative == (1.0, 1.0)
    assert np.array_equal(equal.plain_times(np.array([3.0])), [3.0 * (0.3 / 2.0)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_times_are_the_inverse(name):
    schedule, factor = SCHEDULES[name]
    times = np.array([0.0, 1e-12, 1e-3, 0.3, 0.5, 1.0, 1.9, 2.0, 2.2, 3.0, 40.0])
    times = times[[factor(t) > 1e-9 for t in times]]
    back = schedule.times(schedule.elapsed(times))
    # an elapsed time is known to its rounding error, in which the time moves the more the smaller the factor is
    slack = np.array([4e-16 * schedule.elapsed(np.array([t]))[0] / factor(t) for t in times])
    assert np.all(np.abs(back - times) <= 4e-16 * times + 4 * slack)


def test_elapsed_times_that_are_never_reached_and_constant_ones():
    assert np.array_equal(ExponentialSchedule(1.0).times(np.array([1.4, 1.5])) == np.inf, [False, True])
    assert np.array_equal(CosineSchedule(2.0, 0.0).times(np.array([1.0, 1.1])), [2.0, np.inf])
    stops = PiecewiseSchedule((1.0, 3.0), (1.0, 0.0, 2.0))
    assert np.array_equal(stops.times(np.array([0.0, 1.0, 2.0])), [0.0, 1.0, 3.5])
    assert np.array_equal(PiecewiseSchedule((1.0,), (1.0, 0.0)).times(np.array([1.0, 1.5])), [1.0, np.inf])
    assert np.array_equal(PiecewiseSchedule((), (0.5,)).times(np.array([0.0, 1.5])), [0.0, 3.0])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_balanced_network(name):
    """Weights that are balanced after division by the roots of the rates have an exact solution."""
    schedule, factor = SCHEDULES[name]
    rates = LearningRates((0.4, 2.5), schedule, time_constant=1.6)
    rng = np.random.default_rng(0)
    plain = balanced_weights((3, 3, 3), 0.8, 0.6, rng)
    weights = rates.weights(plain)
    assert np.isclose(rates.mean, 1.0)
    b = weights[1].T @ weights[1] / 2.5 - weights[0] @ weights[0].T / 0.4
    assert np.allclose(b, 0.8 * np.eye(3), atol=1e-14)
    assert balance(*rates.plain_weights(weights)).relative_residual <= 1e-15
    task, times = rng.standard_normal((3, 3)), np.array([0.0, 0.5, 1.0, 2.0, 2.5, 4.0])
    # the integration takes one piece at a time, so that it meets no corner of the schedule
    truth = [weight_flow(weights, task, np.eye(3), times[:2], rates=(0.25, 1.5625), schedule=factor)]
    for start, stop in ((0.5, 2.0), (2.0, 2.5), (2.5, 4.0)):
        inside = times[(times > start) & (times <= stop)]
        last = tuple(layer[-1] for layer in truth[-1])
        middle = 0.5 * (start + stop)
        held = (lambda t, a=start, m=middle: factor(m)) if name == "piecewise" else (lambda t, a=start: factor(a + t))
        truth.append(weight_flow(last, task, np.eye(3), inside - start, rates=(0.25, 1.5625), schedule=held))
    first, second = (np.concatenate([part[layer] for part in truth]) for layer in range(2))
    solution = solve(*rates.plain_weights(weights), task, 0.8)
    factors = solution.at(rates.plain_times(times))
    function = solution.modes.u @ factors.out @ factors.into.transpose(0, 2, 1) @ solution.modes.v.T
    assert np.max(np.abs(function - second @ first)) <= 2e-12
    assert np.allclose(rates.times(rates.plain_times(times[:3])), times[:3], rtol=1e-13, atol=0)


def test_deep_coloured_networks_with_decay():
    rng = np.random.default_rng(1)
    layers = tuple(rng.standard_normal(shape) / 2 for shape in ((2, 2), (3, 2), (2, 3)))
    task, root = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    inputs, times = root @ root.T / 2, np.array([0.0, 0.4, 1.0])
    rates = LearningRates((0.5, 2.0, 3.0), ExponentialSchedule(1.3))
    truth = weight_flow(layers, task, inputs, times, decay=0.2, rates=rates.layers, schedule=lambda t: 2 ** (-t / 1.3))
    flow = Flow(
        rates.plain_weights(layers),
        task,
        inputs,
        rtol=1e-11,
        atol=1e-13,
        weight_decay=rates.plain_decay(0.2),
    )
    [(_, found)] = list(flow.batches(rates.plain_times(times)))
    for got, right in zip(rates.weights(found.layers), truth, strict=True):
        assert np.max(np.abs(got - right)) <= 1e-10
    residual = task - truth[2] @ truth[1] @ truth[0] @ inputs
    assert np.allclose(found.residual, residual, atol=1e-10)
