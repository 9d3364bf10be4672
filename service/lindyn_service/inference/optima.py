"""Different minima of one objective: which of them fit as well as the best one."""

from collections.abc import Sequence

import numpy as np

from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.minimum import Minimum
from lindyn_service.inference.objective import Objective

_APART = 0.02  # in units of the parameters, between minima that are not the same one
_PLACES = np.linspace(0.0, 1.0, 9)[1:-1]  # on the way from one minimum to another


def different_minima(objective: Objective, minima: Sequence[Minimum]) -> list[Minimum]:
    """Return the minima that differ from each other, the best first."""
    kept: list[Minimum] = []
    for each in sorted(minima, key=lambda found: found.squares):
        units = objective.box.units(each.position)
        if all(np.max(np.abs(each.position - other.position) / units, initial=0.0) > _APART for other in kept):
            kept.append(each)
    return kept


def separate_minima(
    objective: Objective, minima: Sequence[Minimum], dispersion: float, increase: float
) -> list[Minimum]:
    """Return the minima beside the best one that fit as well, with a worse fit on the way to it.

    Minima without such a barrier lie in one valley, which the observations do not resolve.

    Args:
        objective: the residuals.
        minima: different minima, the best first.
        dispersion: variance of the residuals.
        increase: of the deviance, in units of the dispersion, up to which a minimum fits as well; also the least
            height of a barrier.
    """
    if not minima:
        return []
    best, allowed = minima[0], increase * dispersion
    found: list[Minimum] = []
    for other in minima[1:]:
        if other.squares - best.squares > allowed:
            continue
        barrier = float(np.max(objective.squares(_between(best.position, other.position))))
        if barrier - other.squares > allowed:
            found.append(other)
    return found


def _between(first: FloatArray, second: FloatArray) -> FloatArray:
    return first + _PLACES[:, None] * (second - first)
