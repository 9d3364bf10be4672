"""Rich and lazy regimes, by the change of the neural tangent kernel from time 0 to the last time."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lindyn_service.dynamics.kernel import movement_and_distance
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import excess_loss, excess_of

LAZY_MOVEMENT = 0.1
"""Largest movement in a lazy run, at which losses with a fixed kernel deviated by at most 3 % of the initial loss."""

RICH_MOVEMENT, RICH_DISTANCE = 1.0, 0.1
"""Least movement or distance in a rich run, at which losses with a fixed kernel deviated by 5 to 90 %."""

_ROUNDING = 1e-26  # relative to the excess loss of the zero function; smaller initial losses are rounding errors
_LEARNED = 0.5  # fraction of the initial excess loss that a run must fall below to have a regime
MAX_NUMBERS = 2**20
"""Largest sum of the squared widths of inputs and outputs for which the kernel is computed."""


@dataclass(frozen=True)
class Regime:
    """Regime of a run.

    Attributes:
        verdict: lazy, rich, or between the two.
        ntk_movement: relative movement of the kernel from time 0 to the last time.
        kernel_distance: one minus the cosine between the kernels at these times.
    """

    verdict: Literal["rich", "lazy", "between"]
    ntk_movement: float
    kernel_distance: float


def is_small(n_in: int, n_out: int) -> bool:
    """Whether the regime of a network of these widths is determined.

    Source: docs/quantities.md, "Regime".
    """
    return n_in**2 + n_out**2 <= MAX_NUMBERS


def regime(modal_weights: ModalWeights) -> Regime | None:
    """Determine the regime of a run at its last time.

    A run has no regime if less than half of the excess loss has been learned, if the initial excess loss is a rounding
    error, if the initial kernel is zero, or if the widths are so large that the kernel would cost more than the answer.

    Args:
        modal_weights: weights at the last time, with those at time 0.

    Returns:
        The regime; None if the run has none.

    Source: Chizat et al. (2019), arXiv 1812.07956, lazy training as little relative change of the kernel; the
    thresholds are those of docs/quantities.md.
    """
    if not is_small(len(modal_weights.objective.v.T), len(modal_weights.objective.u.T)):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        before, after = (float(excess_loss(each)[0]) for each in (modal_weights.start, modal_weights))
        least = _ROUNDING * float(excess_of(modal_weights.objective.best[None], modal_weights.objective)[0])
        if not after <= _LEARNED * before or before <= least:
            return None
        movement, distance = (float(each[0]) for each in movement_and_distance(modal_weights))
    is_zero_at_start = movement == 0 and distance == 1
    if is_zero_at_start or not np.isfinite(movement) or not np.isfinite(distance):
        return None
    return Regime(verdict(movement, distance), movement, distance)


def verdict(movement: float, distance: float) -> Literal["rich", "lazy", "between"]:
    """Compare movement and distance of the kernel with the thresholds.

    Source: docs/quantities.md, "Regime".
    """
    if movement <= LAZY_MOVEMENT:
        return "lazy"
    return "rich" if movement >= RICH_MOVEMENT or distance >= RICH_DISTANCE else "between"
