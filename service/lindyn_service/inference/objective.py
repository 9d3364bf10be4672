"""Residuals of a model and their derivatives by finite differences of its curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lindyn_service.inference.box import Box, FloatArray
from lindyn_service.inference.likelihood import Observed

# central differences of second and of fourth order: offsets in steps, and the weights of the curves there
_SECOND, _SECOND_WEIGHTS = np.array([-1.0, 1.0]), np.array([-1 / 2, 1 / 2])
_FOURTH, _FOURTH_WEIGHTS = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1 / 12, -2 / 3, 2 / 3, -1 / 12])
_STEP, _FOURTH_STEP = 1e-4, 1e-3
"""In units of each parameter: errors of the differences are about 1e-8 and 1e-12 of its effect, those of curves with
13 digits 1e-9 and 1e-10."""


@dataclass(frozen=True)
class Part:
    """Observations whose curve depends on some of the parameters only, such as those of one subject.

    Attributes:
        parameters: indices of the parameters, (own parameter,).
        observed: indices of the observations, (own value,).
        curve: returns the curves, (set, own value), of sets of the values of these parameters, (set, own parameter);
            NaN for a set that has no curve.
    """

    parameters: npt.NDArray[np.intp]
    observed: npt.NDArray[np.intp]
    curve: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Objective:
    """The residuals of observations as functions of the position in a box."""

    observed: Observed
    parts: Sequence[Part]
    box: Box

    def curves(self, positions: FloatArray) -> FloatArray:
        """Return the curves at positions (set, parameter) as (set, value); NaN where there is none."""
        values = self.box.values(positions)
        curves = np.empty((len(positions), len(self.observed)))
        for part in self.parts:
            curves[:, part.observed] = part.curve(values[:, part.parameters])
        return curves

    def squares(self, positions: FloatArray) -> FloatArray:
        """Return the sums of the squared residuals at positions, (set,); infinity where there is no curve."""
        sums = np.sum(self.observed.residuals(self.curves(positions)) ** 2, axis=-1)
        return np.where(np.isfinite(sums), sums, np.inf)

    def evaluated(
        self, position: FloatArray, free: npt.NDArray[np.intp] | None = None, *, precise: bool = False
    ) -> tuple[FloatArray, FloatArray]:
        """Return the curve at a position, (value,), and its derivatives by the coordinates, (value, free parameter).

        Near a bound, derivatives are taken at the nearest position whose neighbours are within it. A parameter at
        whose neighbours there is no curve counts as one without effect.

        Args:
            position: a position within the box.
            free: indices of the parameters; by default all.
            precise: use differences of fourth instead of second order.
        """
        which = np.arange(len(self.box)) if free is None else free
        offsets, weights, step = (
            (_FOURTH, _FOURTH_WEIGHTS, _FOURTH_STEP) if precise else (_SECOND, _SECOND_WEIGHTS, _STEP)
        )
        steps = step * np.minimum(self.box.units(position), self.box.upper - self.box.lower)
        reach = steps * offsets[-1]
        centre = np.clip(position, self.box.lower + reach, self.box.upper - reach)
        curve, derivatives = np.empty(len(self.observed)), np.zeros((len(self.observed), len(which)))
        for part in self.parts:
            columns = np.flatnonzero(np.isin(which, part.parameters))
            own = which[columns]
            sets = np.repeat(position[None], 1 + len(own) * len(offsets), axis=0)
            neighbours = sets[1:].reshape(len(own), len(offsets), len(self.box))
            for row, index in enumerate(own):
                neighbours[row, :, index] = centre[index] + offsets * steps[index]
            curves = part.curve(self.box.values(sets)[:, part.parameters])
            curve[part.observed] = curves[0]
            differences = weights @ curves[1:].reshape(len(own), len(offsets), len(part.observed)) / steps[own, None]
            derivatives[np.ix_(part.observed, columns)] = np.where(np.isfinite(differences), differences, 0.0).T
        return curve, derivatives

    def linearised(
        self, position: FloatArray, free: npt.NDArray[np.intp] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the residuals, (value,), and their derivatives by the coordinates, (value, free parameter)."""
        curve, derivatives = self.evaluated(position, free)
        return self.observed.residuals(curve), self.observed.slopes(curve)[:, None] * derivatives
