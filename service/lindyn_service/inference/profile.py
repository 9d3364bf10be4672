"""Profile likelihoods: the best fit for each value of one parameter, and the interval in which it is good enough."""

from dataclasses import dataclass

import numpy as np

from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.minimum import MAX_EVALUATIONS, Minimum, NoCurveError, minimum_from
from lindyn_service.inference.objective import Objective

_TOLERANCE = 1e-5  # of the inner descents
_PRECISION = 1e-2  # of the root of the increase at an end of the interval
_MAX_STEPS = 12  # to one end of an interval
_LARGEST_STEP = 4.0  # factor of the distance from the estimate over that of the trial before
_LEAST_PART = 0.05  # of a bracket, which a trial is away from either end


@dataclass(frozen=True)
class Profile:
    """The profile of one parameter.

    Attributes:
        coordinates: at which the others were fitted, ascending, (point,).
        increases: increase of the deviance over the minimum there, in units of the dispersion, (point,).
        low: best position at the lower end of the interval, (parameter,).
        high: best position at the upper end of the interval, (parameter,).
        is_open_below: whether the bound ends the interval, not the data.
        is_open_above: whether the bound ends the interval, not the data.
    """

    coordinates: FloatArray
    increases: FloatArray
    low: FloatArray
    high: FloatArray
    is_open_below: bool
    is_open_above: bool


def profile(
    objective: Objective, best: Minimum, index: int, covariance: FloatArray, dispersion: float, wanted: float
) -> Profile:
    """Follow the best fit while one parameter moves away from its estimate, until the deviance has increased enough.

    Args:
        objective: the residuals.
        best: the minimum.
        index: of the parameter.
        covariance: of the coordinates, which predicts how the others follow.
        dispersion: variance of the residuals.
        wanted: increase of the deviance at the ends, in units of the dispersion.

    Source: Venzon and Moolgavkar (1988), 10.2307/2347496.
    """
    path = _Path(objective, best, index, covariance, dispersion)
    low, is_open_below = path.end(-1, np.sqrt(wanted))
    high, is_open_above = path.end(1, np.sqrt(wanted))
    order = np.argsort(path.coordinates)
    return Profile(
        np.array(path.coordinates)[order], np.array(path.increases)[order], low, high, is_open_below, is_open_above
    )


class _Path:
    """The best fits for values of one parameter."""

    def __init__(
        self, objective: Objective, best: Minimum, index: int, covariance: FloatArray, dispersion: float
    ) -> None:
        self._objective, self._best, self._index, self._dispersion = objective, best, index, dispersion
        self._others = np.delete(np.arange(len(objective.box)), index)
        variance = covariance[index, index]
        slope = covariance[:, index] / variance if np.isfinite(variance) and variance > 0 else np.zeros(len(covariance))
        self._slope = np.where(np.isfinite(slope), slope, 0.0)
        self._slope[index] = 1.0
        bounds = objective.box.lower[index], objective.box.upper[index]
        width = bounds[1] - bounds[0]
        self._step = float(np.sqrt(variance)) if np.isfinite(variance) and 0 < variance < width**2 else width
        self.coordinates = [float(best.position[index])]
        self.increases = [0.0]

    def end(self, direction: int, wanted: float) -> tuple[FloatArray, bool]:
        """Return the best position at which the root of the increase is as wanted, and whether a bound comes first."""
        box, index = self._objective.box, self._index
        bound = float(box.upper[index] if direction > 0 else box.lower[index])
        estimate = float(self._best.position[index])
        inside, outside = (estimate, 0.0), (bound, np.inf)
        position = last = self._best.position
        trial = estimate + direction * wanted * self._step
        for _ in range(_MAX_STEPS):
            trial = bound if direction * (trial - bound) >= 0 else trial
            root, position = self._root_at(trial, self._followed(trial, position))
            if abs(root - wanted) <= _PRECISION * wanted:
                return position, False
            if root > wanted:
                outside, last = (trial, root), position
            elif trial == bound:
                return position, True
            else:
                inside = (trial, root)
            trial = _next_trial(estimate, inside, outside, wanted)
        return last, False

    def _followed(self, coordinate: float, latest: FloatArray) -> FloatArray:
        """Predict the position at a coordinate, on the line from the estimate through the latest position."""
        best, index = self._best.position, self._index
        moved = latest[index] - best[index]
        slope = self._slope if moved == 0 else (latest - best) / moved
        position = self._objective.box.clip(best + slope * (coordinate - best[index]))
        position[index] = coordinate
        return position

    def _root_at(self, coordinate: float, start: FloatArray) -> tuple[float, FloatArray]:
        """Fit the other parameters; returns the root of the increase of the deviance, and the position."""
        try:
            found = minimum_from(
                self._objective, start, self._others, max_evaluations=MAX_EVALUATIONS, tolerance=_TOLERANCE
            )
        except NoCurveError:
            return float("inf"), start
        increase = max(found.squares - self._best.squares, 0.0) / self._dispersion
        self.coordinates.append(coordinate)
        self.increases.append(increase)
        return float(np.sqrt(increase)), found.position


def _next_trial(estimate: float, inside: tuple[float, float], outside: tuple[float, float], wanted: float) -> float:
    """Return the next coordinate, by the secant of the roots, which grow about linearly.

    Args:
        estimate: coordinate at the minimum.
        inside: coordinate at which the root was too small, and the root.
        outside: coordinate at which the root was too large, and the root; infinity if none is known.
        wanted: root to be found.
    """
    if np.isfinite(outside[1]):
        part = (wanted - inside[1]) / (outside[1] - inside[1])
        return inside[0] + float(np.clip(part, _LEAST_PART, 1 - _LEAST_PART)) * (outside[0] - inside[0])
    if inside[0] == estimate:  # there was no curve at the first trial
        return (estimate + outside[0]) / 2
    factor = wanted / inside[1] if inside[1] > 0 else _LARGEST_STEP
    return estimate + min(1.05 * factor, _LARGEST_STEP) * (inside[0] - estimate)
