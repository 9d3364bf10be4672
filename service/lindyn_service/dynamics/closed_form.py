"""Choose the most accurate evaluation of the closed form: by modes if the weights are aligned with the task."""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.aligned import AlignedSolution, aligned
from lindyn_service.dynamics.initial_coordinates import coordinates
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.riccati import Solution

ClosedForm = Solution | AlignedSolution


def closed_form(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    lam: float,
    *,
    rounded: bool = True,
) -> ClosedForm:
    """Solve gradient flow of a two-layer network on white inputs from lambda-balanced weights.

    Args:
        w1: initial first layer, (hidden, in), balanced with w2.
        w2: initial second layer, (out, hidden).
        sigma_yx: input-output correlation, (out, in).
        lam: balance of the weights, w2^T w2 - w1 w1^T = lam I, in squared units of the weights.
        rounded: whether the weights carry rounding errors, as drawn and computed ones do. If so, overlaps at rounding
            level count as zero. Otherwise the weights are exact, and an overlap of one unit in the last place counts.

    Returns:
        The solution; times are in units of the time constant.

    Source: Domine et al. (2025), arXiv 2409.14623, aligned and unaligned networks; docs/theory.md, sections 2 and 3.
    """
    basis = modes(sigma_yx, lam)
    aligned_solution = aligned(basis, w1, w2, rounded=rounded)
    return aligned_solution or Solution(basis, coordinates(basis, w1, w2, rounded=rounded))
