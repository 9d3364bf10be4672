"""Estimates of the errors of an answer, from the same problem with its numbers disturbed by a few rounding errors."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from lindyn_service.dynamics.tasks import EPS

RUNS = 2
"""Number of disturbed problems: for one alone, differences may be small by chance."""

_DISTURBANCE = 8 * EPS  # relative, of each number that is given
_SAFETY = 4.0  # of a bound over the largest difference that is seen
_ROUNDING = 64 * EPS  # of what is computed from numbers without any conditioning
_MOST_TIMES = 8


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


def bounds(quantities: Mapping[str, Any], others: Sequence[Mapping[str, Any]], times: np.ndarray) -> dict[str, float]:
    """Bound the relative error of each quantity, largest over the times and at most 1.

    Args:
        quantities: the answer, time first.
        others: the same of disturbed problems, at some times.
        times: indices of these.
    """
    return {
        name: min(1.0, _ROUNDING + _SAFETY * max(_distance(values, other[name], times) for other in others))
        for name, values in quantities.items()
        if name in others[0]
    }


def _distance(values: Any, other: Any, times: np.ndarray) -> float:  # noqa: ANN401 (a tree of arrays)
    """Largest relative difference over the times and the parts of a quantity; undefined numbers are left out."""
    if isinstance(values, Mapping):
        parts = cast("Mapping[str, Any]", values)
        return max(_distance(part, other[name], times) for name, part in parts.items())
    if isinstance(values, list):
        layers = cast("list[np.ndarray]", values)
        return max(_distance(layer, layer_of_other, times) for layer, layer_of_other in zip(layers, other, strict=True))
    first = np.nan_to_num(values[times].reshape(len(times), -1))
    second = np.where(np.isnan(values[times]), np.nan, other).reshape(len(times), -1)
    second = np.nan_to_num(second)
    size = np.maximum(_norms(first), _norms(second))
    gap = _norms(first - second)
    return float(np.max(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)))


def _norms(rows: np.ndarray) -> np.ndarray:
    """Lengths of rows whose squares may overflow or vanish."""
    return np.hypot.reduce(rows, axis=1)
