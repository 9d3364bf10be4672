"""Time-dependent factors of the exact solution, scaled so that they do not overflow at any time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.initial_coordinates import Coordinates
from lindyn_service.dynamics.modes import Modes
from lindyn_service.dynamics.phi import phi

_MAX_EXPONENT = 300.0  # the square of e^300 is 1e260
_NEGLIGIBLE = -230.0  # e^-230 = 1e-100 counts as 0, so that products are not subnormal, which would be slow


@dataclass(frozen=True)
class Scaled:
    """Factors of the exact solution at some times, whose columns are scaled by positive numbers.

    P = O R Y (K^T K + diag(diagonal)^2)^{-1} Y^T R O^T with R = diag(row_weights) and K = diag(gram_weights) Y.
    Without scaling, Y is the echelon form L, R = e^{Ft}, gram_weights = sqrt(d) e^{max(f, 0) t} with
    d = t phi(2 |f| t), and the diagonal is 1. Scaling the columns of Y and K and the diagonal by the same positive
    numbers changes neither P nor the rounding errors of its Cholesky factor (van der Sluis 1969, 10.1007/BF02165096).

    Attributes:
        still: whether y does not depend on time.
        y: rows along the eigenvectors, in their order.
        minor: rows of the minor layer at time 0 in the order of the modes, with the column scaling of y.
        growth: growth factors of the modes that y does not contain.
        left: decay factors e^{-kappa t}.
        gone: 1 - e^{-2 kappa t}.
        extra: factors e^{ft} of the other rows that y does not contain.
        gram_weights: weights of the rows in K.
        diagonal: diagonal entries in the formula above.
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
        """Matrix K."""
        return np.multiply(self.y, self.gram_weights[:, :, None], order="C")


def are_still(basis: Modes, start: Coordinates, times: Float[np.ndarray, " time"]) -> Bool[np.ndarray, " time"]:
    """Whether the unscaled factors are far from overflow at each time.

    Source: the integral over e^{2Fs} in Braun et al. (2022), arXiv 2206.03738, has entries of the square of this size.
    """
    size = np.log1p(np.max(np.abs(start.echelon.lower), initial=0.0))
    return basis.kappa[0] * times + np.log1p(times) + size < _MAX_EXPONENT


def unscaled(basis: Modes, start: Coordinates, times: Float[np.ndarray, " time"]) -> Scaled:
    """Factors without scaling, for times at which they do not overflow.

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
    """Factors with columns divided by their pivots once these exceed 1, so that no exponent is positive.

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
    # rows that do not grow have all the growth of their pivots as a negative exponent
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
    """Growth rates of rows minus those of pivots, at most 0; rows above a pivot are zero in its column."""
    f, excess = basis.eigenvalues, basis.excess
    grow = np.maximum(f, 0.0)
    both_grow = (f[:, None] > 0) & (f[pivots] > 0)
    behind = np.where(both_grow, excess[:, None] - excess[pivots], grow[:, None] - grow[pivots])
    return np.minimum(behind, 0.0)


def _decay(exponent: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Exponential in place, with 0 for negligible values."""
    exponent[exponent < _NEGLIGIBLE] = -np.inf
    return np.exp(exponent, out=exponent)
