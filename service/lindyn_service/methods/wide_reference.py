"""Quantities of the limit of wide random layers, for comparison with networks of finite width."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.modal_loss import white_objective
from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.random_weights import Scheme
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.wide_limit import strengths, wide_limit
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import Quantities
from lindyn_service.methods.block_observe import OF_CHANGE
from lindyn_service.methods.blocks import white_equivalent

OF_LIMIT = frozenset(OBSERVABLES) - OF_CHANGE
"""Quantities that the limit has; small changes of the kernel would need more digits than its differences keep."""


def wide_quantities(
    dims: tuple[int, int, int],
    scheme: Scheme,
    gains: Sequence[float],
    moments: Moments,
    times: np.ndarray,
    time_constant: float,
    names: Sequence[str],
) -> Quantities | None:
    """Evaluate the limit of a wide hidden layer, whose network function starts at zero.

    Args:
        dims: widths (in, hidden, out).
        scheme: how the variances of the weights depend on the widths.
        gains: of both layers.
        moments: of the task.
        times: ascending, non-negative.
        time_constant: tau, in the unit of times.
        names: of quantities that the limit has.

    Returns:
        Quantities by name, time first; None for coloured inputs.

    Source: docs/theory.md, section 7.
    """
    white = white_equivalent(moments)
    if white is None:
        return None
    limit = wide_limit(np.zeros(white.sigma_yx.shape), white.sigma_yx, *strengths(dims, scheme, gains), dims[1])
    objective = white_objective(white, limit.solution.modes, moments.samples)
    scaled = times / (time_constant / white.variance)
    collected = Accumulator(names, len(times))
    for part, factors in limit.solution.batches(scaled):
        frame = limit.frame(objective, factors, time_constant)
        errors = limit.solution.errors(scaled[part], frame.strengths)
        collected.observe(part, replace(frame, error=errors))
    return collected.quantities()
