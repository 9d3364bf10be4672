"""Estimates of the errors of an answer, from the same problem with its numbers disturbed at rounding level."""

from collections.abc import Mapping, Sequence

import numpy as np

from lindyn.wire.tree import flatten
from lindyn_service.dynamics.tasks import EPS, Moments, fitted
from lindyn_service.methods.base import Quantities, Quantity

RUNS = 2
"""Number of disturbed problems: with a single one, differences may be small by chance."""

DECIDED = 1e-2
"""Relative size of growing rounding errors below which a run has a regime."""

_DISTURBANCE = 8 * EPS  # relative, of each given number
_SAFETY = 4.0  # ratio of the bound to the largest observed difference
_SAFETY_OF = {"loss_rate": 10.0}  # sums of products that nearly cancel, whose errors vary more from run to run
_ROUNDING = 64 * EPS  # rounding errors of a well-conditioned computation
_ROUNDING_OF = {"ntk_distance": 512 * EPS, "ntk_movement": 512 * EPS, "sharpness": 512 * EPS}  # integrals, iterations
_DECAYING = ("loss", "excess_loss", "loss_rate")
_MAX_TIMES = 8
_VANISHING = 1e-290  # near the smallest normal number, below which relative errors mean nothing


def some_times(n_times: int) -> np.ndarray:
    """Choose indices of times at which disturbed problems are evaluated: at most 8, evenly spaced, with both ends."""
    return np.unique(np.linspace(0, n_times - 1, min(n_times, _MAX_TIMES)).round().astype(np.intp))


def disturbed(arrays: Sequence[np.ndarray], residual: float, run: int) -> list[np.ndarray]:
    """Disturb each number at random by up to eight rounding errors, or by the residual if it is larger.

    Zeros remain zero.

    Args:
        arrays: numbers of the problem.
        residual: relative size of what the method neglects in them.
        run: number of the disturbed problem, which seeds the random numbers.
    """
    rng, size = np.random.default_rng(run), max(_DISTURBANCE, residual)
    return [array * (1 + size * rng.uniform(-1, 1, array.shape)) for array in arrays]


def squares(weights: Sequence[np.ndarray], best: np.ndarray) -> float:
    """Bound the sum of squares of the weights: of the initial ones plus the smallest with the best network function.

    Args:
        weights: initial layers.
        best: best network function, in orthonormal bases of any kind.
    """
    initial = sum(float(np.vdot(w, w)) for w in weights)
    return initial + len(weights) * float(np.sum(np.linalg.svd(best, compute_uv=False) ** (2 / len(weights))))


def bounds(
    quantities: Quantities,
    others: Sequence[Quantities],
    times: np.ndarray,
    size: float,
    floors: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Bound the largest relative error of each quantity over the times, by at most 1.

    The error of `balance` is relative to the squares of the weights, since it is a difference of these.

    Args:
        quantities: quantities of the answer, time first.
        others: quantities of the disturbed problems, at some times.
        times: indices of these times.
        size: sum of squares of the weights, as from `squares`.
        floors: by quantity, the least size that its error is taken relative to; `size` for `balance`.
    """
    floors = {"balance": size, **(floors or {})}
    return {
        name: min(
            1.0,
            _ROUNDING_OF.get(name, _ROUNDING)
            + _SAFETY_OF.get(name, _SAFETY)
            * max(_largest_distance(values, o[name], times, floors.get(name, _VANISHING)) for o in others),
        )
        for name, values in quantities.items()
        if name in others[0]
    }


def of_exponents(quantities: Quantities) -> dict[str, float]:
    """Rounding errors of exponents in a closed form: e^x with a rounded x has a relative error of |x| roundings."""
    return {name: _of_range(values) for name, values in quantities.items() if name in _DECAYING}


def _of_range(values: np.ndarray) -> float:
    logarithms = np.log(np.abs(values[values != 0]))
    return 2 * EPS * float(np.ptp(logarithms)) if len(logarithms) else 0.0


def of_differences(quantities: Quantities, moments: Moments) -> dict[str, float]:
    """Bound the relative errors of changes of the kernel and of losses that are differences of rounded numbers."""
    errors = of_least_loss(quantities, moments)
    if "ntk_distance" in quantities:
        errors["ntk_distance"] = _of_smallest(np.sqrt(2 * quantities["ntk_distance"]))
    if "ntk_movement" in quantities:
        errors["ntk_movement"] = _of_smallest(quantities["ntk_movement"])
    return errors


def of_least_loss(quantities: Quantities, moments: Moments) -> dict[str, float]:
    """Bound the relative error of losses that include a least loss from the trace of sigma_yy."""
    if "loss" not in quantities or moments.sigma_yy_trace is None:
        return {}
    losses = quantities["loss"]
    least = float(np.min(losses[losses > 0], initial=np.inf))
    return {"loss": min(1.0, fitted(moments).loss_error / least)}


def _of_smallest(changes: np.ndarray) -> float:
    """Relative error of the smallest positive change."""
    return min(1.0, _ROUNDING / float(np.min(changes[changes > 0], initial=1.0)))


def _largest_distance(values: Quantity, other: Quantity, times: np.ndarray, floor: float) -> float:
    """Largest distance over the parts of a quantity."""
    parts, of_other = flatten({"part": values}), flatten({"part": other})
    return max(_distance(part, of_other[path], times, floor) for path, part in parts.items())


def _distance(values: np.ndarray, other: np.ndarray, times: np.ndarray, floor: float) -> float:
    """Largest difference over the times, relative to the size or to `floor` if larger, where numbers are defined."""
    first, second = (numbers.reshape(len(times), -1) for numbers in (values[times], other))
    if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second))):
        first, second = map(np.nan_to_num, (first, np.where(np.isnan(first), np.nan, second)))
    size = np.maximum(np.maximum(_norms(first), _norms(second)), floor)
    gap = _norms(first - second)
    return float(np.max(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)))


def _norms(rows: np.ndarray) -> np.ndarray:
    """Euclidean norms of rows, whose squares may overflow or underflow."""
    return np.hypot.reduce(rows, axis=1)
