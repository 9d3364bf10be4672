"""Chebyshev interpolation in the logarithm of time, for functions that are analytic in time."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Inexact
from numpy.polynomial import chebyshev


@dataclass(frozen=True)
class Interval:
    """Time interval, mapped to [-1, 1] linearly in log(unit + t).

    Modes learn at times proportional to their time scales. In the logarithm of time, the complex singularities of fast
    and slow modes are therefore equally far from the real axis.

    Attributes:
        first: time that is mapped to -1.
        last: time that is mapped to 1.
        unit: time scale of the fastest change.
        degree: degree of the interpolating polynomial, which has degree + 1 nodes.
    """

    first: float
    last: float
    unit: float
    degree: int

    @property
    def length(self) -> float:
        """Length of the interval in the logarithm of time."""
        return float(np.log1p((self.last - self.first) / (self.first + self.unit)))

    @property
    def middle(self) -> float:
        """Time that is mapped to 0."""
        return self.first + (self.first + self.unit) * float(np.expm1(self.length / 2))

    @property
    def times(self) -> Float[np.ndarray, " node"]:
        """Times of the nodes; the first and the last are the ends of the interval without rounding."""
        growth = np.expm1(self.length * (nodes(self.degree) + 1) / 2)
        times = self.first + (self.first + self.unit) * growth
        times[-1] = self.last
        return times

    def positions(self, times: Inexact[np.ndarray, "*any"]) -> Inexact[np.ndarray, "*any"]:
        """Positions of real or complex times, which are in [-1, 1] for times of the interval."""
        return np.log1p((times - self.first) / (self.first + self.unit)) * (2 / self.length) - 1

    def weights(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time node"]:
        """Interpolation weights of the values at the nodes, for other times of the interval.

        Source: Berrut and Trefethen (2004), 10.1137/S0036144502417715, equation (5.4).
        """
        known, x = nodes(self.degree), self.positions(times)
        nearest = np.minimum(known.searchsorted(x), self.degree)
        hit = (known[nearest] == x).nonzero()[0]
        weights = x[:, None] - known
        weights[hit, nearest[hit]] = 1.0
        np.divide(_signs(self.degree), weights, out=weights)
        weights /= (weights @ np.ones(self.degree + 1))[:, None]
        weights[hit] = 0.0
        weights[hit, nearest[hit]] = 1.0
        return weights


@cache
def nodes(degree: int) -> Float[np.ndarray, " node"]:
    """Chebyshev points of the second kind, ascending from -1 to 1.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 2.
    """
    return np.sin(np.arange(-degree, degree + 1, 2) * (np.pi / 2 / degree))


def coefficients(degree: int, orders: Float[np.ndarray, " order"]) -> Float[np.ndarray, "order node"]:
    """Matrix from values at the nodes to Chebyshev coefficients of some orders, from 1 to degree - 1.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 3.
    """
    angles = np.pi / degree * np.arange(degree, -1, -1)
    matrix = np.cos(orders[:, None] * angles) * (2 / degree)
    matrix[:, [0, -1]] /= 2
    return matrix


def integrals(interval: Interval, values: Float[np.ndarray, "node entry"]) -> Float[np.ndarray, "node entry"]:
    """Integrals of functions over the time from the beginning of an interval to each node.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 19.
    """
    scaled = (interval.times + interval.unit)[:, None] * values
    return (interval.length / 2) * (_integration(interval.degree) @ scaled)


def means(interval: Interval, values: Float[np.ndarray, "node entry"]) -> Float[np.ndarray, "node entry"]:
    """Mean values of functions over the time from the beginning of an interval to each node.

    Means are accurate also close to the beginning, where integrals vanish.

    Source: as for `integrals`.
    """
    averages = integrals(interval, values)
    averages[1:] /= (interval.times[1:] - interval.first)[:, None]
    averages[0] = values[0]
    return averages


@cache
def _integration(degree: int) -> Float[np.ndarray, "node node"]:
    """Matrix from values of a polynomial at the nodes to those of its integral from -1."""
    known = nodes(degree)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(known, degree))
    return chebyshev.chebvander(known, degree + 1) @ chebyshev.chebint(to_coefficients, lbnd=-1, axis=0)


@cache
def _signs(degree: int) -> Float[np.ndarray, " node"]:
    """Barycentric weights of the nodes, up to a factor."""
    signs = 1.0 - 2.0 * (np.arange(degree + 1) % 2)
    signs[[0, -1]] /= 2
    return signs


@cache
def trend(degree: int, order: int) -> Float[np.ndarray, "node node"]:
    """Matrix from values at the nodes to those of the part of their polynomial up to an order.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 3.
    """
    leading = coefficients(degree, np.arange(order + 1.0))
    leading[0] /= 2
    return chebyshev.chebvander(nodes(degree), order) @ leading


@cache
def last_coefficients(degree: int, count: int) -> Float[np.ndarray, "order node"]:
    """Matrix from values at the nodes to the Chebyshev coefficients of the last orders below the degree.

    Source: as for `coefficients`.
    """
    return coefficients(degree, np.arange(degree - float(count), degree))
