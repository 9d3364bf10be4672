"""Arithmetic in 32 digits against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lindyn_service.dynamics.double_double import DoubleDouble, exact, two_sum

BOUND = Fraction(1, 2**102)

numbers = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-20)


def fractions(values):
    return np.vectorize(Fraction, otypes=[object])(values.high) + np.vectorize(Fraction, otypes=[object])(values.low)


def drawn(rng, shape, spread=0):
    """Numbers with 32 random digits, of magnitudes that differ by a factor of up to 2^spread."""
    high = rng.standard_normal(shape) * 2.0 ** rng.integers(-spread, spread + 1, shape)
    return DoubleDouble(*two_sum(high, high * rng.uniform(-1, 1, shape) * 2.0**-54))


def norms(values, axis):
    """Euclidean norms, up to a rounding error of float64."""
    return np.linalg.norm(values.high, axis=axis, keepdims=True)


@given(numbers, numbers)
def test_the_error_of_a_sum_is_exact(first, second):
    total, error = two_sum(np.array([first]), np.array([second]))
    assert Fraction(float(total[0])) + Fraction(float(error[0])) == Fraction(first) + Fraction(second)
    assert total[0] == first + second


@given(numbers, numbers, numbers, numbers)
def test_sums_and_products_of_numbers(a, b, c, d):
    first, second = (DoubleDouble(*two_sum(np.array([x]), np.array([y * 2.0**-60]))) for x, y in ((a, b), (c, d)))
    x, y = fractions(first)[0], fractions(second)[0]
    for got, right in ((first + second, x + y), (first - second, x - y), (first * second, x * y)):
        assert abs(fractions(got)[0] - right) <= BOUND * abs(right)
        assert abs(got.low[0]) <= np.spacing(abs(got.high[0])) / 2


@pytest.mark.parametrize("inner", [1, 3, 24, 64])
@pytest.mark.parametrize("spread", [0, 40])
def test_products_of_matrices_are_accurate_for_each_row_and_column(inner, spread):
    rng = np.random.default_rng(inner)
    first, second = drawn(rng, (4, inner), spread), drawn(rng, (inner, 3), spread)
    wrong = fractions(first @ second) - fractions(first) @ fractions(second)
    bound = norms(first, -1) * norms(second, -2)
    assert np.all(np.abs(wrong) <= BOUND * np.vectorize(Fraction, otypes=[object])(bound))


def test_long_products_of_matrices():
    rng = np.random.default_rng(0)
    first, second = drawn(rng, (2, 1024)), drawn(rng, (1024, 2))
    wrong = fractions(first @ second) - fractions(first) @ fractions(second)
    bound = norms(first, -1) * norms(second, -2)
    assert np.all(np.abs(wrong) <= Fraction(1, 2**94) * np.vectorize(Fraction, otypes=[object])(bound))


def test_products_are_accurate_if_all_leading_digits_cancel():
    first = exact(np.array([[1.0, -1.0]]))
    second = DoubleDouble(np.array([[3.0], [3.0]]), np.array([[1e-17], [2e-17]]))
    assert fractions(first @ second)[0, 0] == Fraction(1e-17) - Fraction(2e-17)


def test_the_largest_sums_of_products_are_exact():
    """All slices of both factors have their largest values: the sums of their products need at most 53 bits."""
    ones = DoubleDouble(np.full((1, 1000), 2.0 - 2.0**-52), np.full((1, 1000), -(2.0**-54)))
    wrong = fractions(ones @ ones.mT) - fractions(ones) @ fractions(ones.mT)
    assert abs(wrong[0, 0]) <= Fraction(1, 2**94) * 4000


def test_zeros_and_stacks_of_matrices():
    rng = np.random.default_rng(1)
    first, second = drawn(rng, (5, 2, 3)), drawn(rng, (3, 4))
    product = first @ second
    for i in range(5):
        alone = first.map(lambda part, i=i: part[i]) @ second
        assert np.array_equal(product.high[i], alone.high)
        assert np.array_equal(product.low[i], alone.low)
    zeros = exact(np.zeros((2, 3))) @ second
    assert not np.any(zeros.high)
    assert not np.any(zeros.low)


def test_transposed_matrices():
    rng = np.random.default_rng(2)
    values = drawn(rng, (2, 3, 4))
    assert np.array_equal(fractions(values.mT), fractions(values).transpose(0, 2, 1))
    product, mirrored = values @ values.mT, (values @ values.mT).mT
    assert np.array_equal(fractions(product), fractions(mirrored))
