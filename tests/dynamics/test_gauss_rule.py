"""Gauss collocation against exact integrals of powers."""

import mpmath as mp
import numpy as np
import pytest

from lindyn_service.dynamics.gauss_rule import gauss_rule


def precise(values):
    return [
        [mp.mpf(h) + mp.mpf(low) for h, low in zip(*rows, strict=True)]
        for rows in zip(values.high, values.low, strict=True)
    ]


def points_of(nodes):
    """Gauss points of 0..1 in high precision, ascending."""
    starts = np.polynomial.legendre.leggauss(nodes)[0]
    return [(mp.findroot(lambda x: mp.legendre(nodes, x), mp.mpf(float(x))) + 1) / 2 for x in starts]


@pytest.mark.parametrize("nodes", [1, 2, 7, 24])
def test_powers_are_integrated_in_32_digits(nodes):
    with mp.workdps(50):
        points = points_of(nodes)
        rows = precise(gauss_rule(nodes).integrals)
        for power in range(nodes):
            values = [x**power for x in points]
            for row, end in zip(rows, [*points, mp.mpf(1)], strict=True):
                right = end ** (power + 1) / (power + 1)
                assert abs(mp.fdot(row, values) - right) <= 2e-32


def test_the_end_has_twice_the_degree():
    with mp.workdps(50):
        points = points_of(24)
        last = precise(gauss_rule(24).integrals)[-1]
        for power in (30, 47):
            assert abs(mp.fdot(last, [x**power for x in points]) - mp.mpf(1) / (power + 1)) <= 1e-33
        assert abs(mp.fdot(last, [x**48 for x in points]) - mp.mpf(1) / 49) >= 1e-30


def test_coefficients_are_those_of_legendre_polynomials():
    with mp.workdps(50):
        points = points_of(7)
        for order, row in enumerate(precise(gauss_rule(7).coefficients)):
            for other in range(7):
                values = [mp.legendre(other, 2 * x - 1) for x in points]
                assert abs(mp.fdot(row, values) - (order == other)) <= 1e-30


def test_values_and_integrals_in_between():
    rule = gauss_rule(7)
    points = np.array([float(x) for x in points_of(7)])
    x = np.array([0.0, 0.1, 0.77, 1.0])
    samples = 3 - points + 2 * points**6
    assert np.allclose(rule.values(x) @ samples, 3 - x + 2 * x**6, rtol=1e-14, atol=0)
    assert np.allclose(rule.integrals_to(x) @ samples, 3 * x - x**2 / 2 + 2 * x**7 / 7, rtol=1e-14, atol=1e-16)
