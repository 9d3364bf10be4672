"""Minima of the sum of squared residuals within bounds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.objective import Objective

MAX_EVALUATIONS = 100
_TOLERANCE = 1e-10  # relative decrease of the sum of squares, or change of the position, at which a descent ends


class NoCurveError(Exception):
    """The start of a descent has no curve."""


@dataclass(frozen=True)
class Minimum:
    """The end of a descent.

    Attributes:
        position: its coordinates, (parameter,).
        squares: sum of the squared residuals.
        evaluations: number of positions at which residuals were computed.
        converged: whether the descent ended at a minimum, not at its limit of evaluations.
    """

    position: FloatArray
    squares: float
    evaluations: int
    converged: bool


def minimum_from(
    objective: Objective,
    start: FloatArray,
    free: npt.NDArray[np.intp] | None = None,
    *,
    max_evaluations: int = MAX_EVALUATIONS,
    tolerance: float = _TOLERANCE,
) -> Minimum:
    """Descend to a minimum within the box, by steps in a trust region.

    Args:
        objective: the residuals.
        start: a position within the box.
        free: indices of the parameters that move; by default all.
        max_evaluations: limit of the number of positions at which residuals are computed.
        tolerance: relative decrease of the sum of squares, or change of the position, at which the descent ends.

    Raises:
        NoCurveError: the start has no curve.

    Source: Branch, Coleman and Li (1999), 10.1137/S1064827595289108.
    """
    which = np.arange(len(objective.box)) if free is None else free
    linear = _Linear(objective, start, which)
    first = linear.residuals(start[which])
    if not np.all(np.isfinite(first)):
        raise NoCurveError
    if not len(which):
        return Minimum(start, float(first @ first), 1, converged=True)
    found = least_squares(
        linear.residuals,
        start[which],
        jac=linear.jacobian,
        bounds=(objective.box.lower[which], objective.box.upper[which]),
        x_scale="jac",
        ftol=tolerance,
        xtol=tolerance,
        gtol=None,
        max_nfev=max_evaluations,
    )
    placed = linear.placed(found.x)
    return Minimum(placed, 2 * float(found.cost), int(found.nfev), bool(found.status > 0))


class _Linear:
    """Residuals and their derivatives at the latest place, which are computed together."""

    def __init__(self, objective: Objective, start: FloatArray, free: npt.NDArray[np.intp]) -> None:
        self._objective, self._start, self._free = objective, start, free
        self._place: FloatArray | None = None
        self._values: tuple[FloatArray, FloatArray]

    def placed(self, coordinates: FloatArray) -> FloatArray:
        """Return the position with these coordinates of the free parameters."""
        position = self._start.copy()
        position[self._free] = coordinates
        return position

    def residuals(self, coordinates: FloatArray) -> FloatArray:
        """Return the residuals."""
        return self._at(coordinates)[0]

    def jacobian(self, coordinates: FloatArray) -> FloatArray:
        """Return their derivatives."""
        return self._at(coordinates)[1]

    def _at(self, coordinates: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self._place is None or not np.array_equal(self._place, coordinates):
            self._values = self._objective.linearised(self.placed(coordinates), self._free)
            self._place = coordinates.copy()
        return self._values
