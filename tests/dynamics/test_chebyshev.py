"""Interpolation in the logarithm of time, on functions with known values."""

import numpy as np
import pytest

from lindyn_service.dynamics.chebyshev import Interval, coefficients, nodes


def test_nodes_hold_the_ends_and_ascend():
    interval = Interval(0.5, 1000.0, 0.1, 48)
    assert interval.times[0] == 0.5
    assert interval.times[-1] == 1000.0
    assert np.all(np.diff(interval.times) > 0)
    assert np.allclose(nodes(48), -nodes(48)[::-1], rtol=0, atol=1e-16)


def test_a_doubled_degree_has_the_nodes_of_the_single_one():
    single, double = (Interval(0.0, 30.0, 0.5, degree).times for degree in (24, 48))
    assert np.allclose(double[::2], single, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("last", [10.0, 1000.0])
def test_a_sigmoid_between_the_nodes(last):
    interval = Interval(0.0, last, 1.0, 192)
    times = np.linspace(0, last, 777)

    def sigmoid(t: np.ndarray) -> np.ndarray:
        return 1 / (1 + 3 * np.exp(-2 * t))

    assert np.allclose(interval.weights(times) @ sigmoid(interval.times), sigmoid(times), rtol=0, atol=1e-14)


def test_at_the_nodes_the_values_are_exact():
    interval = Interval(0.0, 7.0, 1.0, 24)
    values = np.random.default_rng(0).standard_normal(25)
    assert np.array_equal(interval.weights(np.array([0.0, 7.0])) @ values, values[[0, -1]])


def test_coefficients_of_a_chebyshev_polynomial():
    orders, angles = np.arange(1.0, 24.0), np.arccos(nodes(24))
    values = 3 * np.cos(5 * angles) - np.cos(20 * angles)
    expected = 3.0 * (orders == 5) - 1.0 * (orders == 20)
    assert np.allclose(coefficients(24, orders) @ values, expected, rtol=0, atol=1e-14)


def test_the_middle_lies_between_equal_lengths():
    interval = Interval(0.5, 1000.0, 0.1, 24)
    halves = [Interval(0.5, interval.middle, 0.1, 24), Interval(interval.middle, 1000.0, 0.1, 24)]
    assert np.allclose([half.length for half in halves], interval.length / 2, rtol=1e-14, atol=0)


@pytest.mark.parametrize("length", [1e-3, 1e-9])
def test_short_intervals_at_late_times_keep_their_digits(length):
    interval = Interval(700.0, 700.0 * (1 + length), 0.1, 32)
    times = np.linspace(interval.first, interval.last, 101)
    change = interval.weights(times) @ (interval.times - 700.0)
    assert np.allclose(change, times - 700.0, rtol=0, atol=1e-12)
