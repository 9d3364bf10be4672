"""Quantities of the limit of wide random layers, for comparison with networks of finite width."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.modal_loss import white_objective
from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.random_weights import Scheme
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.wide_limit import equivalent_balanced, wide_layers
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import Quantities
from lindyn_service.methods.block_observe import OF_CHANGE
from lindyn_service.methods.blocks import white_equivalent
from lindyn_service.methods.exact_observables import weights_of_factors

OF_LIMIT = frozenset(OBSERVABLES) - OF_CHANGE
"""Quantities of the limit; changes of the kernel are left out, since they are differences that lose digits if small."""


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
        scheme: initialisation scheme, the dependence of the variances of the weights on the widths.
        gains: gains of both layers.
        moments: moments of the task.
        times: ascending, non-negative.
        time_constant: tau, in the unit of times.
        names: names of quantities from `OF_LIMIT`.

    Returns:
        Quantities by name, time first; None for inputs that are not isotropic.

    Source: docs/theory.md, section 7.
    """
    white = white_equivalent(moments)
    if white is None:
        return None
    wide = wide_layers(dims, scheme, gains)
    w1, w2, lam = equivalent_balanced(np.zeros(white.sigma_yx.shape), wide.lambda_eff)
    solution = closed_form(w1, w2, white.sigma_yx, lam)
    objective = white_objective(white, solution.modes, moments.samples)
    scaled = times / (time_constant / white.variance)
    collected = Accumulator(names, len(times))
    for part, factors in solution.batches(scaled):
        modal = weights_of_factors(objective, wide.represented(factors), wide.hidden, time_constant)
        errors = solution.errors(scaled[part], modal.strengths)
        collected.observe(part, replace(modal, error=errors))
    return collected.quantities()
