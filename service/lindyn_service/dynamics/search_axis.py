"""Map from the unit interval to times, for searches over all scales of time."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class SearchAxis:
    """Map from x in [0, 1] to the times of a search: linear at early times, exponential at late times.

    Attributes:
        duration: last time.
        phase: logarithm of the ratio of the last scale of time to the first one.
    """

    duration: float
    phase: float

    def times(self, x: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """Return the times at x; those at the ends have no rounding errors."""
        grown = np.expm1(self.phase * x) / math.expm1(self.phase) if self.phase > 0 else x
        return self.duration * np.where(x < 1.0, np.minimum(grown, 1.0), 1.0)
