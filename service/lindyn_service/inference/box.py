"""Bounds of parameters, and the coordinates in which they are searched."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_SMALL_PART = 1e-2  # of its range: the unit of change of a parameter that is near 0


@dataclass(frozen=True)
class Box:
    """Bounds of parameters, of which some are searched by their logarithms; a position holds one coordinate of each.

    Attributes:
        low: lower bounds, (parameter,).
        high: upper bounds, (parameter,).
        logarithmic: whether the coordinate is the natural logarithm, (parameter,).
    """

    low: FloatArray
    high: FloatArray
    logarithmic: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.low)

    @property
    def lower(self) -> FloatArray:
        """Lower bounds as a position."""
        return self.position(self.low)

    @property
    def upper(self) -> FloatArray:
        """Upper bounds as a position."""
        return self.position(self.high)

    def position(self, values: FloatArray) -> FloatArray:
        """Return the position of values, (..., parameter)."""
        return np.where(self.logarithmic, np.log(np.where(self.logarithmic, values, 1.0)), values)

    def values(self, positions: FloatArray) -> FloatArray:
        """Return the values at positions, (..., parameter), never beyond the bounds by rounding errors."""
        values = np.where(self.logarithmic, np.exp(np.where(self.logarithmic, positions, 0.0)), positions)
        return np.clip(values, self.low, self.high)

    def clip(self, position: FloatArray) -> FloatArray:
        """Return the nearest position within the bounds."""
        return np.clip(position, self.lower, self.upper)

    def units(self, position: FloatArray) -> FloatArray:
        """Return a typical change of each coordinate: the size of a value, or a part of its range near 0."""
        linear = np.maximum(np.abs(position), _SMALL_PART * (self.high - self.low))
        return np.where(self.logarithmic, 1.0, linear)

    def slopes(self, position: FloatArray) -> FloatArray:
        """Return the derivatives of the values with respect to their coordinates."""
        return np.where(self.logarithmic, self.values(position), 1.0)

    def starts(self, number: int, first: FloatArray) -> FloatArray:
        """Return positions to descend from, (start, parameter): the given one, and a Latin hypercube.

        Each parameter takes as many different values as there are starts, evenly over its range. The same arguments
        always give the same positions.
        """
        rest = number - 1
        ranks = np.argsort(np.random.default_rng(number).random((rest, len(self))), axis=0)
        spread = self.lower + (ranks + 0.5) / max(rest, 1) * (self.upper - self.lower)
        return np.concatenate([first[None], spread])
