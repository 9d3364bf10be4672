"""Rich or lazy: how far the neural tangent kernel of a run has moved by its last time."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lindyn_service.dynamics.kernel import movement_and_distance
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import excess_loss, excess_of

LAZY_MOVEMENT = 0.1
"""Movement up to which a run is lazy: the loss of the fixed kernel was at most 3 % of the initial one away."""

RICH_MOVEMENT, RICH_DISTANCE = 1.0, 0.1
"""Movement or distance from which a run is rich: the loss of the fixed kernel was 5 to 90 % away."""

_ROUNDING = 1e-26  # part of the excess loss of the zero function, up to which an initial one is of rounding errors
_LEARNED = 0.5  # part of the initial excess loss, of which a run that has learned something has no more left
MAX_NUMBERS = 2**20
"""Squared widths of inputs and outputs together, beyond which the kernel is not looked at."""


@dataclass(frozen=True)
class Regime:
    """How a run has learned.

    Attributes:
        verdict: lazy, rich, or between the two.
        ntk_movement: of the kernel from time 0 to the last time, relative.
        kernel_distance: one minus the cosine between both kernels.
    """

    verdict: Literal["rich", "lazy", "between"]
    ntk_movement: float
    kernel_distance: float


def is_small(n_in: int, n_out: int) -> bool:
    """Whether the kernel of a network of these widths is looked at.

    Source: docs/quantities.md, "Regime".
    """
    return n_in**2 + n_out**2 <= MAX_NUMBERS


def regime(modal_weights: ModalWeights) -> Regime | None:
    """Tell the regime of a run from its last time; None where it cannot be told.

    That is where less than half of the excess loss has been learned, where there is none but rounding errors at time 0,
    where the kernel is zero then, and for networks whose kernel is not looked at since it would cost more than the
    answer.

    Args:
        modal_weights: weights at the last time, with those at time 0.

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
