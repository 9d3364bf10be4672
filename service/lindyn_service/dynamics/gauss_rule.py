"""Gauss collocation: integrals of the polynomial through values at the Gauss points, in double-double precision."""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre

from lindyn_service.dynamics.double_double import DoubleDouble

_DIGITS = 50
_NEWTON_STEPS = 3  # each doubles the number of correct digits, from 15


@dataclass(frozen=True)
class GaussRule:
    """Linear maps of the values of a polynomial at the Gauss points of [0, 1], in ascending order.

    Attributes:
        integrals: (node + 1, node), integrals from 0 to each node, and to 1 in the last row.
        coefficients: (node, node), map to Legendre coefficients.
    """

    integrals: DoubleDouble
    coefficients: DoubleDouble

    def values(self, points: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point node"]:
        """Matrix to the values of the polynomial at points of [0, 1], in float64."""
        return legendre.legvander(2 * points - 1, len(self.coefficients.high) - 1) @ self.coefficients.high

    def integrals_to(self, points: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point node"]:
        """Matrix to the integrals of the polynomial from 0 to points of [0, 1], in float64."""
        nodes = len(self.coefficients.high)
        polynomials = legendre.legvander(2 * points - 1, nodes)
        higher = (polynomials[:, 2:] - polynomials[:, :-2]) / (4 * np.arange(1, nodes) + 2)
        return np.hstack([points[:, None], higher]) @ self.coefficients.high


@cache
def gauss_rule(nodes: int) -> GaussRule:
    """Compute the Gauss points by Newton's method, and expand the Lagrange polynomials in Legendre polynomials.

    The arithmetic is decimal, with 50 digits.

    Source: Hairer, Norsett and Wanner (1993), 10.1007/978-3-540-78862-1, section II.7.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        points = [_root(Decimal(float(start)), nodes) for start in legendre.leggauss(nodes)[0]]
        polynomials = np.array([_polynomials(x, nodes) for x in [*points, Decimal(1)]])
        higher = (polynomials[:, 2:] - polynomials[:, :-2]) / (4 * np.arange(1, nodes) + 2)
        antiderivatives = np.hstack([(polynomials[:, 1:2] + 1) / 2, higher])
        weights = np.array([_weight(x, nodes) for x in points])
        coefficients = (2 * np.arange(nodes)[:, None] + 1) * polynomials[:-1, :-1].T * weights / 2
        integrals = antiderivatives @ coefficients
        return GaussRule(_rounded(integrals.tolist()), _rounded(coefficients.tolist()))


def _polynomials(x: Decimal, degree: int) -> list[Decimal]:
    """Values of the Legendre polynomials up to a degree."""
    values = [Decimal(1), x]
    for k in range(1, degree):
        values.append(((2 * k + 1) * x * values[k] - k * values[k - 1]) / (k + 1))
    return values


def _slope(x: Decimal, degree: int) -> Decimal:
    """Derivative of a Legendre polynomial at a point within (-1, 1)."""
    below, last = _polynomials(x, degree)[-2:]
    return degree * (x * last - below) / (x * x - 1)


def _root(start: Decimal, degree: int) -> Decimal:
    x = start
    for _ in range(_NEWTON_STEPS):
        x -= _polynomials(x, degree)[-1] / _slope(x, degree)
    return x


def _weight(x: Decimal, degree: int) -> Decimal:
    """Weight of a Gauss point in integrals over [-1, 1]."""
    return 2 / ((1 - x * x) * _slope(x, degree) ** 2)


def _rounded(numbers: list[list[Decimal]]) -> DoubleDouble:
    high = np.array(numbers, dtype=float)
    low = np.array(
        [[x - Decimal(float(h)) for x, h in zip(*rows, strict=True)] for rows in zip(numbers, high, strict=True)]
    )
    return DoubleDouble(high, low.astype(float))
