"""Degree of the polynomial that interpolates a solution in a time interval, from the times at which modes diverge."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex

from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.initial_coordinates import Coordinates
from lindyn_service.dynamics.modes import Modes

_DIGITS = 32.0  # logarithm of the ratio of the largest coefficients to negligible ones
_STEP = 4  # degrees are multiples of it, so that few matrices are computed and kept
_ADDED = 12  # to the degrees, since the modes of a network are coupled
_MIN_DEGREE = 28  # also without singularities, exponentials need it


@dataclass(frozen=True)
class Singularities:
    """Complex times at which the modes of a network would diverge if they were not coupled.

    Attributes:
        times: in units of the time constant, without their conjugates.
    """

    times: Complex[np.ndarray, " mode"]

    def degree(self, interval: Interval) -> int:
        """Degree with which polynomials in the logarithm of time are about as accurate as evaluation.

        Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: coefficients decay by the
        sum of the half axes of the ellipse with foci -1 and 1 through the nearest singularity.
        """
        x = interval.positions(self.times)
        root = np.sqrt(x * x - 1)
        axes = np.maximum(np.abs(x + root), np.abs(x - root))
        slowest = float(np.log(np.min(axes, initial=np.inf)))
        needed = _DIGITS / max(slowest, 1e-3) + _ADDED
        return max(_MIN_DEGREE, _STEP * round(needed / _STEP))


def singularities(basis: Modes, start: Coordinates) -> Singularities:
    """Singularities of the modes that the weights reach, with their pivots as growing coordinates.

    Alone, a mode with growing coordinate a and decaying one b has the denominator
    1 + a^2 (e^{2 kappa t} - 1) / (2 kappa) + b^2 (1 - e^{-2 kappa t}) / (2 kappa), which vanishes for one negative and
    for one positive value of e^{2 kappa t}. The pivots are what is left of growing rows after larger modes are learned.

    Source: Braun et al. (2022), arXiv 2206.03738, the inverted matrix of the exact solution.
    """
    lower, own = start.echelon.lower, start.echelon.pivots[start.echelon.pivots < len(basis.s)]
    growing, twice = lower[own, np.arange(len(own))] ** 2, 2 * basis.kappa[own]
    decaying = np.vecdot(lower, lower)[::-1][own]
    half = (twice - growing + decaying) / 2
    with np.errstate(all="ignore"):  # numbers may overflow, and one of the values may be 0
        root = np.hypot(half, np.sqrt(growing * decaying))
        values = np.concatenate([-(root + half), root - half]) / np.tile(growing, 2)
        times = np.log(values.astype(np.complex128)) / np.tile(twice, 2)
    return Singularities(times[np.isfinite(times)])
