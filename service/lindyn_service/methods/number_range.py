"""Range of numbers whose squares and products float64 can represent."""

import math
from collections.abc import Sequence

import numpy as np

from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.white_inputs import WhiteTask
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import Refusal

_SMALLEST, _LARGEST = 1e-150, 1e140  # sums of squares of such numbers neither underflow nor overflow
_TINY, _HUGE = 1e-140, 1e140  # the same for weights, and for products of all layers


def beyond_float64(weight: float, white: WhiteTask) -> Refusal | None:
    """Refuse a white-input problem with numbers that are too small or too large to be squared.

    Args:
        weight: magnitude of the largest weight.
        white: the task.

    Returns:
        The refusal; None if all numbers are in range.
    """
    if 0 < weight < _SMALLEST:
        return Refusal(
            f"the largest weight is {weight:.3g}, whose square vanishes in float64 (limit {_SMALLEST:g})",
            "scale it up",
            NotApplicableError,
            exceeds_range=True,
        )
    target = float(np.max(np.abs(white.sigma_yx)))
    if not target <= _LARGEST:
        return Refusal(
            f"the best weights, sigma_yx / variance of the inputs, are up to {target:.3g}, whose square overflows in "
            f"float64 (limit {_LARGEST:g})",
            "scale the inputs up or the targets down",
            NotApplicableError,
            "task",
            exceeds_range=True,
        )
    return None


def beyond_products(weights: Sequence[np.ndarray], moments: Moments) -> Refusal | None:
    """Refuse a problem if squares of the weights, of the task or of their products underflow or overflow.

    Args:
        weights: initial layers.
        moments: moments of the task.

    Returns:
        The refusal; None if all numbers are in range.
    """
    largest = [float(np.max(np.abs(w))) for w in weights]
    if 0 < max(largest) < _TINY:
        return Refusal(
            f"the largest weight is {max(largest):.3g}, whose square vanishes in float64 (limit {_TINY:g})",
            "scale it up",
            NotApplicableError,
        )
    variance = 1.0 if moments.sigma_xx is None else float(np.max(np.abs(moments.sigma_xx)))
    target = float(np.max(np.abs(moments.sigma_yx)))
    if variance < _TINY or 0 < target < _TINY:
        return Refusal(
            f"inputs have the variance {variance:.3g} and correlations are up to {target:.3g}, whose squares vanish in "
            f"float64 (limit {_TINY:g})",
            "scale inputs and targets up",
            NotApplicableError,
            "task",
        )
    sizes = [
        *(max(size, 1.0) for size in largest),
        max(variance, 1.0),
        max(target, 1.0),
    ]
    if sum(map(math.log10, sizes)) > math.log10(_HUGE):
        return Refusal(
            "the product of the layers, the inputs' variance and the task overflows float64 when it is squared",
            "scale weights and data down",
            NotApplicableError,
        )
    return None
