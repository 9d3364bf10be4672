"""Chebyshev interpolation of what is analytic in time, over intervals of the logarithm of time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Interval:
    """Times between two, on the scale x = log(1 + t / unit), mapped to -1..1.

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
    def _ends(self) -> tuple[float, float]:
        return float(np.log1p(self.first / self.unit)), float(np.log1p(self.last / self.unit))

    @cached_property
    def nodes(self) -> Float[np.ndarray, " node"]:
        """Chebyshev points of the second kind, ascending."""
        return np.sin(np.arange(-self.degree, self.degree + 1, 2) * (np.pi / 2 / self.degree))

    @cached_property
    def times(self) -> Float[np.ndarray, " node"]:
        """Times of the nodes; the ends are exact."""
        start, stop = self._ends
        times = self.unit * np.expm1(start + (stop - start) * (self.nodes + 1) / 2)
        times[[0, -1]] = self.first, self.last
        return times

    def weights(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time node"]:
        """Of the values at the nodes in those at other times of the interval.

        Source: Berrut and Trefethen (2004), 10.1137/S0036144502417715, equation (5.4).
        """
        start, stop = self._ends
        x = (2 * np.log1p(times / self.unit) - start - stop) / (stop - start)
        signs = 1.0 - 2.0 * (np.arange(self.degree + 1) % 2)
        signs[[0, -1]] /= 2
        nearest = np.minimum(np.searchsorted(self.nodes, x), self.degree)
        hit = np.flatnonzero(self.nodes[nearest] == x)
        weights = x[:, None] - self.nodes
        weights[hit, nearest[hit]] = 1.0
        np.divide(signs, weights, out=weights)
        weights /= np.sum(weights, axis=1, keepdims=True)
        weights[hit] = 0.0
        weights[hit, nearest[hit]] = 1.0
        return weights

    def coefficients(self, orders: Float[np.ndarray, " order"]) -> Float[np.ndarray, "order node"]:
        """Of the values at the nodes in Chebyshev coefficients of some orders below the degree, but for 0."""
        angles = np.pi / self.degree * np.arange(self.degree, -1, -1)
        matrix = np.cos(orders[:, None] * angles) * (2 / self.degree)
        matrix[:, [0, -1]] /= 2
        return matrix
