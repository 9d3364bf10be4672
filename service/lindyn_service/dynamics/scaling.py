"""The moving coordinates of the exact solution, scaled so that no time overflows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.echelon import Echelon
from lindyn_service.dynamics.modes import Modes

_LARGEST_EXPONENT = 300.0  # the square of e^300 is 1e260
_NEGLIGIBLE = -230.0  # e^-230 is 1e-100: beside learned modes nothing, and no products of it are subnormal, thus slow


@dataclass(frozen=True)
class Scaled:
    """P = O R Y (K^T K + diag(diagonal)^2)^{-1} Y^T R O^T with R = diag(row_weights), K = diag(gram_weights) Y.

    Unscaled, Y is the echelon form L, R = e^{Ft}, gram_weights = sqrt(d) e^{max(f, 0) t} with d = t phi(2 |f| t), and
    the diagonal is 1. Scaling the columns of Y, K and the diagonal by the same positive numbers gives the same P, and
    the same rounding errors of its Cholesky factor (van der Sluis 1969, 10.1007/BF02165096).
    """

    still: bool
    y: Float[np.ndarray, "any_time row pivot"]
    row_weights: Float[np.ndarray, "time row"]
    gram_weights: Float[np.ndarray, "time row"]
    diagonal: Float[np.ndarray, "time pivot"]

    @cached_property
    def gram_root(self) -> Float[np.ndarray, "time row pivot"]:
        """K."""
        return np.multiply(self.y, self.gram_weights[:, :, None], order="C")


def scale(basis: Modes, reduced: Echelon, times: Float[np.ndarray, " time"]) -> Scaled:
    """Choose the cheapest scaling that is safe: none, as long as growth is far from overflow.

    Args:
        basis: eigenpairs of F.
        reduced: echelon form of the initial weights along the eigenvectors.
        times: in units of the time constant.

    Source: the integral over e^{2Fs} in Braun et al. (2022), arXiv 2206.03738, for columns scaled as van der Sluis
    (1969), 10.1007/BF02165096, allows.
    """
    f, last = basis.eigenvalues, float(np.max(times))
    size = np.log1p(np.max(np.abs(reduced.lower), initial=0.0)) + np.log1p(last)
    if f[0] * last + size < _LARGEST_EXPONENT:
        return _unscaled(f, reduced, times[:, None])
    return _in_units_of_growth(f, basis.excess, reduced, times[:, None])


def phi(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """(1 - e^{-x}) / x, with its limit 1 at x = 0.

    Source: the integral of e^{-x r} over r from 0 to 1.
    """
    return np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x != 0)


def _unscaled(f: Float[np.ndarray, " row"], reduced: Echelon, t: Float[np.ndarray, "time 1"]) -> Scaled:
    """The coordinates stay those at time 0, and only their weights move."""
    growth = np.exp(f * t)
    gram_weights = np.sqrt(t * phi(2 * np.abs(f) * t)) * np.maximum(growth, 1.0)
    return Scaled(True, reduced.lower[None], growth, gram_weights, np.ones((len(t), len(reduced.pivots))))


def _in_units_of_growth(
    f: Float[np.ndarray, " row"], excess: Float[np.ndarray, " row"], reduced: Echelon, t: Float[np.ndarray, "time 1"]
) -> Scaled:
    """Each column in units of the growth of its pivot: every exponent is at most zero."""
    row, pivots = np.maximum(f, 0.0), reduced.pivots
    both_grow = (f[:, None] > 0) & (f[pivots] > 0)
    behind = np.where(both_grow, excess[:, None] - excess[pivots], row[:, None] - row[pivots])
    # an exponent would be positive only where `lower` is zero: above a pivot
    y = _decay(np.minimum(behind, 0.0) * t[:, :, None])
    y *= reduced.lower
    row_weights, gram_weights = _decay(np.minimum(f, 0.0) * t), np.sqrt(t * phi(2 * np.abs(f) * t))
    return Scaled(False, y, row_weights, gram_weights, _decay(-row[pivots] * t))


def _decay(exponent: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """e^exponent in place, zero where that is negligible."""
    exponent[exponent < _NEGLIGIBLE] = -np.inf
    return np.exp(exponent, out=exponent)
