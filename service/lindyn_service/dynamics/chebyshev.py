"""Chebyshev interpolation of what is analytic in time, over intervals of the logarithm of time."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev


@dataclass(frozen=True)
class Interval:
    """Times between two, on the scale log(unit + t), mapped to -1..1.

    Modes learn at times proportional to their time scales: on this scale their singularities in the complex plane keep
    away from the real axis alike, from the fastest to the slowest.

    Attributes:
        first: time at -1.
        last: time at 1.
        unit: of the fastest change.
        degree: of the polynomial; it has one node more.
    """

    first: float
    last: float
    unit: float
    degree: int

    @property
    def length(self) -> float:
        """On the scale of the logarithm."""
        return float(np.log1p((self.last - self.first) / (self.first + self.unit)))

    @property
    def middle(self) -> float:
        """Time at 0."""
        return self.first + (self.first + self.unit) * float(np.expm1(self.length / 2))

    @property
    def times(self) -> Float[np.ndarray, " node"]:
        """Times of the nodes; the ends are exact."""
        growth = np.expm1(self.length * (nodes(self.degree) + 1) / 2)
        times = self.first + (self.first + self.unit) * growth
        times[-1] = self.last
        return times

    def weights(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time node"]:
        """Of the values at the nodes in those at other times of the interval.

        Source: Berrut and Trefethen (2004), 10.1137/S0036144502417715, equation (5.4).
        """
        known = nodes(self.degree)
        x = np.log1p((times - self.first) / (self.first + self.unit)) * (2 / self.length) - 1
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
    """Of the values at the nodes in Chebyshev coefficients of some orders below the degree, but for 0.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 3.
    """
    angles = np.pi / degree * np.arange(degree, -1, -1)
    matrix = np.cos(orders[:, None] * angles) * (2 / degree)
    matrix[:, [0, -1]] /= 2
    return matrix


def means(interval: Interval, values: Float[np.ndarray, "node entry"]) -> Float[np.ndarray, "node entry"]:
    """Mean values from the first time of an interval to each node, of functions that are known at the nodes.

    JobResources have their digits also close to the first time, where integrals vanish.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 19.
    """
    times = interval.times
    by_scale = (times + interval.unit)[:, None] * values
    found = (interval.length / 2) * (_integration(interval.degree) @ by_scale)
    found[1:] /= (times[1:] - interval.first)[:, None]
    found[0] = values[0]
    return found


@cache
def _integration(degree: int) -> Float[np.ndarray, "node node"]:
    """Values at the nodes of polynomials to those of their integrals from -1."""
    known = nodes(degree)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(known, degree))
    return chebyshev.chebvander(known, degree + 1) @ chebyshev.chebint(to_coefficients, lbnd=-1, axis=0)


@cache
def _signs(degree: int) -> Float[np.ndarray, " node"]:
    """Barycentric weights of the nodes, up to a factor."""
    signs = 1.0 - 2.0 * (np.arange(degree + 1) % 2)
    signs[[0, -1]] /= 2
    return signs
