"""The moving coordinates of the exact solution, scaled so that no time overflows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.initial_coordinates import Coordinates
from lindyn_service.dynamics.modes import Modes
from lindyn_service.dynamics.phi import phi

_LARGEST_EXPONENT = 300.0  # the square of e^300 is 1e260
_NEGLIGIBLE = -230.0  # e^-230 is 1e-100: nothing beside 1, and no products of it are subnormal, thus slow


@dataclass(frozen=True)
class Scaled:
    """Rows of the weights at some times, their columns scaled by any positive numbers.

    P = O R Y (K^T K + diag(diagonal)^2)^{-1} Y^T R O^T with R = diag(row_weights), K = diag(gram_weights) Y.
    Unscaled, Y is the echelon form L, R = e^{Ft}, gram_weights = sqrt(d) e^{max(f, 0) t} with d = t phi(2 |f| t), and
    the diagonal is 1. Scaling the columns of Y, K and the diagonal by the same positive numbers gives the same P, and
    the same rounding errors of its Cholesky factor (van der Sluis 1969, 10.1007/BF02165096).

    Attributes:
        still: whether the columns are those at time 0.
        y: rows along the eigenvectors, in their order.
        minor: rows of the minor layer at time 0, mode by mode, their columns scaled as those of y.
        growth: of each mode beyond what y contains.
        left: e^{-kappa t}.
        gone: 1 - e^{-2 kappa t}.
        extra: e^{ft} of the other rows, beyond what y contains.
        gram_weights: see above.
        diagonal: see above.
    """

    still: bool
    y: Float[np.ndarray, "any_time row pivot"]
    minor: Float[np.ndarray, "any_time mode pivot"]
    growth: Float[np.ndarray, "any_growth_time mode"]
    left: Float[np.ndarray, "time mode"]
    gone: Float[np.ndarray, "time mode"]
    extra: Float[np.ndarray, "time extra"]
    gram_weights: Float[np.ndarray, "time row"]
    diagonal: Float[np.ndarray, "time pivot"]

    @cached_property
    def gram_root(self) -> Float[np.ndarray, "time row pivot"]:
        """K."""
        return np.multiply(self.y, self.gram_weights[:, :, None], order="C")


def are_still(basis: Modes, start: Coordinates, times: Float[np.ndarray, " time"]) -> Bool[np.ndarray, " time"]:
    """Whether growth is far from overflow at each time.

    Source: the integral over e^{2Fs} in Braun et al. (2022), arXiv 2206.03738, has entries of the square of this size.
    """
    size = np.log1p(np.max(np.abs(start.echelon.lower), initial=0.0))
    return basis.kappa[0] * times + np.log1p(times) + size < _LARGEST_EXPONENT


def unscaled(basis: Modes, start: Coordinates, times: Float[np.ndarray, " time"]) -> Scaled:
    """Leave the coordinates as they are at time 0: only their weights move.

    Args:
        basis: eigenpairs of F.
        start: coordinates of the initial weights.
        times: in units of the time constant, with growth far from overflow.

    Source: Braun et al. (2022), arXiv 2206.03738, the exact solution in the eigenbasis of F.
    """
    f, m, t = basis.eigenvalues, len(basis.s), times[:, None]
    growth = np.exp(f * t)
    return Scaled(
        still=True,
        y=start.echelon.lower[None],
        minor=start.minor[None],
        growth=growth[:, :m],
        left=growth[:, len(f) - m :][:, ::-1],
        gone=-np.expm1(-2 * basis.kappa * t),
        extra=growth[:, m : len(f) - m],
        gram_weights=np.sqrt(t * phi(2 * np.abs(f) * t)) * np.maximum(growth, 1.0),
        diagonal=np.ones((len(t), len(start.echelon.pivots))),
    )


def in_units_of_growth(basis: Modes, start: Coordinates, times: Float[np.ndarray, " time"]) -> Scaled:
    """Scale each column in units of its pivot once that has grown beyond 1: no exponent is positive at any time.

    Args:
        basis: eigenpairs of F.
        start: coordinates of the initial weights.
        times: in units of the time constant.

    Source: Braun et al. (2022), arXiv 2206.03738, for columns scaled as van der Sluis (1969), 10.1007/BF02165096,
    allows.
    """
    f, m, t = basis.eigenvalues, len(basis.s), times[:, None]
    reduced = start.echelon
    size = np.abs(reduced.lower[reduced.pivots, np.arange(len(reduced.pivots))])
    grown = np.maximum(f, 0.0)[reduced.pivots] * t + np.log(size)
    columns = np.exp(np.minimum(grown, 0.0))[:, None, :]
    y = _decay(_behind(basis, reduced.pivots) * t[:, :, None])
    y *= reduced.lower / size
    y *= columns
    # rows that do not grow are behind their pivots by all growth of these
    minor = np.exp(-np.maximum(f, 0.0)[reduced.pivots] * t)[:, None, :] * (start.minor / size) * columns
    return Scaled(
        still=False,
        y=y,
        minor=minor,
        growth=np.ones((1, m)),
        left=np.exp(-basis.kappa * t),
        gone=-np.expm1(-2 * basis.kappa * t),
        extra=np.exp(np.minimum(f[m : len(f) - m], 0.0) * t),
        gram_weights=np.sqrt(t * phi(2 * np.abs(f) * t)),
        diagonal=_decay(-np.maximum(grown, 0.0)),
    )


def _behind(basis: Modes, pivots: Int[np.ndarray, " pivot"]) -> Float[np.ndarray, "row pivot"]:
    """Rates by which rows grow more slowly than pivots; those above a pivot are zero in its column."""
    f, excess = basis.eigenvalues, basis.excess
    grow = np.maximum(f, 0.0)
    both_grow = (f[:, None] > 0) & (f[pivots] > 0)
    behind = np.where(both_grow, excess[:, None] - excess[pivots], grow[:, None] - grow[pivots])
    return np.minimum(behind, 0.0)


def _decay(exponent: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """e^exponent in place, zero where that is negligible."""
    exponent[exponent < _NEGLIGIBLE] = -np.inf
    return np.exp(exponent, out=exponent)
