"""Estimates of the errors of an answer, from the same problem with its numbers disturbed by a few rounding errors."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from lindyn_service.dynamics.tasks import EPS

RUNS = 2

DECIDED = 1e-2
"""Relative size of what rounding decides, below which a run has a regime."""
"""Number of disturbed problems: for one alone, differences may be small by chance."""

_DISTURBANCE = 8 * EPS  # relative, of each number that is given
_SAFETY = 4.0  # of a bound over the largest difference that is seen
_SAFETY_OF = {"loss_rate": 10.0}  # of products that nearly cancel, whose errors differ more from run to run
_ROUNDING = 64 * EPS  # of what is computed from numbers without any conditioning
# of integrals and iterations, where there is more
_ROUNDING_OF = {"ntk_distance": 512 * EPS, "ntk_movement": 512 * EPS, "sharpness": 512 * EPS}
_MOST_TIMES = 8
_VANISHING = 1e-290  # numbers that have no relative errors any more


def some_times(n_times: int) -> np.ndarray:
    """Indices of the times at which a disturbed problem is evaluated: evenly spaced, the first and the last too."""
    return np.unique(np.linspace(0, n_times - 1, min(n_times, _MOST_TIMES)).round().astype(np.intp))


def disturbed(arrays: Sequence[np.ndarray], residual: float, run: int) -> list[np.ndarray]:
    """Disturb each number by up to eight rounding errors, or by a residual that is larger; zeros stay.

    Args:
        arrays: what is given.
        residual: relative size of what is neglected in it.
        run: number of the disturbed problem, which draws other signs.
    """
    rng, size = np.random.default_rng(run), max(_DISTURBANCE, residual)
    return [array * (1 + size * rng.uniform(-1, 1, array.shape)) for array in arrays]


def squares(weights: Sequence[np.ndarray], best: np.ndarray) -> float:
    """Of the initial weights, and of those that learn the best network function in the smallest way."""
    initial = sum(float(np.vdot(w, w)) for w in weights)
    return initial + len(weights) * float(np.sum(np.linalg.svd(best, compute_uv=False) ** (2 / len(weights))))


def bounds(
    quantities: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]],
    times: np.ndarray,
    size: float,
    floors: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Bound the relative error of each quantity, largest over the times and at most 1.

    That of `balance` is relative to the squares of the weights, of which it is a difference.

    Args:
        quantities: the answer, time first.
        others: the same of disturbed problems, at some times.
        times: indices of these.
        size: of the squares of the weights, which `squares` bounds.
        floors: of the numbers that errors are relative to, besides that of `balance`.
    """
    floors = {"balance": size, **(floors or {})}
    return {
        name: min(
            1.0,
            _ROUNDING_OF.get(name, _ROUNDING)
            + _SAFETY_OF.get(name, _SAFETY)
            * max(_distance(values, o[name], times, floors.get(name, _VANISHING)) for o in others),
        )
        for name, values in quantities.items()
        if name in others[0]
    }


def of_differences(quantities: Mapping[str, Any]) -> dict[str, float]:
    """Errors of small distances and movements of the kernel that are read from differences of rounded layers."""
    found: dict[str, float] = {}
    if "ntk_distance" in quantities:
        found["ntk_distance"] = _of_smallest(np.sqrt(2 * quantities["ntk_distance"]))
    if "ntk_movement" in quantities:
        found["ntk_movement"] = _of_smallest(quantities["ntk_movement"])
    return found


def _of_smallest(changes: np.ndarray) -> float:
    return min(1.0, _ROUNDING / float(np.min(changes[changes > 0], initial=1.0)))


def _distance(values: Any, other: Any, times: np.ndarray, floor: float) -> float:  # noqa: ANN401 (a tree of arrays)
    """Largest difference over the times and the parts of a quantity, relative to its size and no less than a floor.

    Undefined numbers are left out.
    """
    if isinstance(values, Mapping):
        parts = cast("Mapping[str, Any]", values)
        return max(_distance(part, other[name], times, floor) for name, part in parts.items())
    if isinstance(values, list):
        layers = cast("list[np.ndarray]", values)
        return max(_distance(layer, of_other, times, floor) for layer, of_other in zip(layers, other, strict=True))
    first = np.nan_to_num(values[times].reshape(len(times), -1))
    second = np.where(np.isnan(values[times]), np.nan, other).reshape(len(times), -1)
    second = np.nan_to_num(second)
    size = np.maximum(np.maximum(_norms(first), _norms(second)), floor)
    gap = _norms(first - second)
    return float(np.max(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)))


def _norms(rows: np.ndarray) -> np.ndarray:
    """Lengths of rows whose squares may overflow or vanish."""
    return np.hypot.reduce(rows, axis=1)
