"""Degree of the polynomial that interpolates a solution in a time interval, from the times at which modes diverge."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from lindyn_service.dynamics.chebyshev import Interval

_DIGITS = 32.0  # logarithm of the ratio of the largest coefficients to negligible ones
_STEP = 4  # degrees are multiples of it, so that few matrices are computed and kept
_ADDED = 12  # to the degrees, since the modes of a network are coupled
_OF_EXPONENTIALS = 12, 10  # degree that exponentials need: in short intervals, and for each unit of the length


@dataclass(frozen=True)
class Singularities:
    """Complex times at which the modes of networks would diverge if they were not coupled.

    Attributes:
        times: in units of the time constant, without their conjugates; NaN for modes that do not diverge.
    """

    times: Complex[np.ndarray, "network mode"]

    def degree(self, interval: Interval, share: float = 1.0) -> int:
        """Degree with which polynomials in the logarithm of time are about as accurate as evaluation.

        Args:
            interval: time interval, whose own degree does not count.
            share: of the networks that need no larger degree.

        Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: coefficients decay by the
        sum of the half axes of the ellipse with foci -1 and 1 through the nearest singularity.
        """
        with np.errstate(all="ignore"):  # modes that do not diverge, or far from the interval
            x = interval.positions(self.times)
            root = np.sqrt(x * x - 1)
            axes = np.fmax(np.abs(x + root), np.abs(x - root))
        smallest = np.fmin.reduce(axes, axis=1, initial=np.inf)
        decay = float(np.quantile(np.log(smallest), 1 - share, method="lower")) if share < 1 else np.log(smallest.min())
        needed = _DIGITS / max(decay, 1e-3) + _ADDED
        of_exponentials = _OF_EXPONENTIALS[0] + _OF_EXPONENTIALS[1] * interval.length
        return _STEP * round(max(needed, of_exponentials) / _STEP)


def singularities(
    kappa: Float[np.ndarray, "network mode"],
    growing: Float[np.ndarray, "network mode"],
    decaying: Float[np.ndarray, "network mode"],
) -> Singularities:
    """Singularities of modes with these rates and coordinates.

    Alone, a mode with growing coordinate a and decaying one b has the denominator
    1 + a^2 (e^{2 kappa t} - 1) / (2 kappa) + b^2 (1 - e^{-2 kappa t}) / (2 kappa), which vanishes for one negative and
    for one positive value of e^{2 kappa t}.

    Args:
        kappa: rates, per time constant.
        growing: squared growing coordinates; for coupled modes the squared pivots, which are what is left of growing
            rows after larger modes are learned.
        decaying: squared norms of the decaying rows.

    Source: Braun et al. (2022), arXiv 2206.03738, the inverted matrix of the exact solution.
    """
    half = kappa + (decaying - growing) / 2
    with np.errstate(all="ignore"):  # numbers may overflow, and one of the values may be 0
        root = np.hypot(half, np.sqrt(growing * decaying))
        values = np.concatenate([-(root + half), root - half], axis=1) / np.tile(growing, 2)
        times = np.log(values.astype(np.complex128)) / np.tile(2 * kappa, 2)
    times[~np.isfinite(times)] = np.nan
    return Singularities(times)
