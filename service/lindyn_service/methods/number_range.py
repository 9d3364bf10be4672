"""Which numbers of a white-input problem float64 can square."""

import numpy as np

from lindyn_service.dynamics.white_inputs import WhiteTask
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import Refusal

_SMALLEST, _LARGEST = 1e-150, 1e140  # of numbers whose squares, summed, are exact in float64


def beyond_float64(weight: float, white: WhiteTask) -> Refusal | None:
    """Say which numbers of the white-input problem are too small or too large to be squared, if any are.

    Args:
        weight: size of the largest weight.
        white: the problem.
    """
    if 0 < weight < _SMALLEST:
        return Refusal(
            f"the largest weight is {weight:.3g}, whose square vanishes in float64 (limit {_SMALLEST:g})",
            "scale it up",
            NotApplicableError,
        )
    target = float(np.max(np.abs(white.sigma_yx)))
    if not target <= _LARGEST:
        return Refusal(
            f"the best weights, sigma_yx / variance of the inputs, are up to {target:.3g}, whose square overflows in "
            f"float64 (limit {_LARGEST:g})",
            "scale the inputs up or the targets down",
            NotApplicableError,
            "task",
        )
    return None
