"""Statistics over replicates against exact arithmetic, numpy and undefined values."""

import warnings
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lindyn_service.methods import replicate_statistics
from lindyn_service.methods.replicate_statistics import statistics

NUMBERS = st.floats(-1e70, 1e70).filter(lambda x: x == 0 or abs(x) > 1e-70)


def root(value: Fraction) -> float:
    """A square root to more digits than float64 has."""
    scale = 10**200
    return float(Fraction(isqrt(int(value * scale * scale)), scale))


@given(st.lists(NUMBERS, min_size=2, max_size=8), st.floats(0, 1))
def test_statistics_are_their_definitions_in_exact_arithmetic(numbers, level):
    found = statistics(np.array(numbers), [level])
    exact = [Fraction(x) for x in numbers]
    n, size = len(numbers), max(map(abs, numbers))
    mean = sum(exact) / n
    std = root(sum((x - mean) ** 2 for x in exact) / (n - 1))
    ordered, position = sorted(exact), Fraction(level) * (n - 1)
    low = int(position)
    quantile = ordered[low] + (position - low) * (ordered[min(low + 1, n - 1)] - ordered[low])
    np.testing.assert_allclose(found["mean"], float(mean), rtol=0, atol=4e-16 * n * size)
    np.testing.assert_allclose(found["std"], std, rtol=1e-13, atol=4e-16 * n * size)
    np.testing.assert_allclose(found["quantiles"], [float(quantile)], rtol=0, atol=4e-15 * size)
    np.testing.assert_allclose(found["standard_error"], found["std"] / np.sqrt(n), rtol=1e-15)


@pytest.mark.parametrize("shape", [(7,), (7, 4), (7, 3, 2, 2)])
@pytest.mark.parametrize("batch", [1, 20, 2**18])
def test_each_number_has_its_own_statistics(shape, batch, monkeypatch):
    monkeypatch.setattr(replicate_statistics, "_BATCH_NUMBERS", batch)
    values, levels = np.random.default_rng(0).standard_normal(shape), [0.5, 0.0, 0.9]
    found = statistics(values, levels)
    np.testing.assert_allclose(found["mean"], np.mean(values, axis=0), atol=1e-15)
    np.testing.assert_allclose(found["std"], np.std(values, axis=0, ddof=1), rtol=1e-14)
    np.testing.assert_allclose(found["quantiles"], np.quantile(values, levels, axis=0), atol=1e-15)


def test_equal_values_have_no_deviation():
    found = statistics(np.full((1000, 2), 0.1), [0.3])
    for name, expected in (("mean", 0.1), ("std", 0.0), ("quantiles", 0.1), ("standard_error", 0.0)):
        assert np.all(found[name] == expected)


def test_values_whose_squares_overflow():
    found = statistics(np.array([1e300, -1e300, 5e299]), [0.5])
    np.testing.assert_allclose(found["std"], np.std([1.0, -1.0, 0.5], ddof=1) * 1e300)


def test_the_standard_deviation_of_one_value_is_nan():
    found = statistics(np.array([[2.0, 3.0]]), [0.1, 0.9])
    assert found["mean"].tolist() == [2.0, 3.0]
    assert found["quantiles"].tolist() == [[2.0, 3.0], [2.0, 3.0]]
    assert np.all(np.isnan(found["std"]))
    assert np.all(np.isnan(found["standard_error"]))


def test_undefined_values_are_left_out():
    values = np.array([[1.0, np.nan, np.nan], [2.0, 5.0, np.nan], [4.0, 7.0, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics(values, [0.5])
    np.testing.assert_allclose(found["mean"], [7 / 3, 6.0, np.nan])
    np.testing.assert_allclose(found["std"], [np.std([1, 2, 4], ddof=1), np.sqrt(2), np.nan])
    np.testing.assert_allclose(found["quantiles"], [[2.0, 6.0, np.nan]])
    np.testing.assert_allclose(found["standard_error"], [np.std([1, 2, 4], ddof=1) / np.sqrt(3), 1.0, np.nan])
