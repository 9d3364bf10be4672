"""Statistics of a quantity over replicates of a network."""

from collections.abc import Sequence

import numpy as np

from lindyn.wire.array import FloatArray

_BATCH_NUMBERS = 2**18  # numbers sorted at a time, which fit into the cache of a core


def statistics(values: FloatArray, levels: Sequence[float]) -> dict[str, FloatArray]:
    """Return mean, standard deviation, quantiles and standard error of the mean, over the first axis.

    NaN represents an undefined value, and is left out; a statistic of too few values is NaN.

    Args:
        values: values of the replicates, (replicate, ...).
        levels: levels of the quantiles, between 0 and 1.

    Returns:
        `mean`, `std` with the divisor n - 1, `quantiles` (level, ...) by linear interpolation between order statistics,
        with that of level p at position (n - 1) p, and `standard_error`, std / sqrt(n).

    Source: Hyndman and Fan (1996), 10.1080/00031305.1996.10473566, type 7, for the quantiles.
    """
    shape = values.shape[1:]
    columns = values.reshape(len(values), -1)
    n_columns = columns.shape[1]
    moments = {name: np.empty(n_columns) for name in ("mean", "std")}
    quantiles, standard_error = np.empty((len(levels), n_columns)), np.empty(n_columns)
    size = max(1, _BATCH_NUMBERS // len(values))
    for first in range(0, n_columns, size):
        batch = slice(first, min(first + size, n_columns))
        ordered = np.sort(columns[:, batch].T, axis=1)  # NaN last
        counts = np.count_nonzero(~np.isnan(ordered), axis=1)
        moments["mean"][batch], moments["std"][batch] = _moments(ordered, counts)
        standard_error[batch] = moments["std"][batch] / np.sqrt(np.maximum(counts, 1))
        for quantile, level in zip(quantiles, levels, strict=True):
            quantile[batch] = _quantile(ordered, counts, level)
    return {
        "mean": moments["mean"].reshape(shape),
        "std": moments["std"].reshape(shape),
        "quantiles": quantiles.reshape(len(levels), *shape),
        "standard_error": standard_error.reshape(shape),
    }


def _moments(ordered: FloatArray, counts: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each row, computed relative to its smallest value.

    Equal values thus have a standard deviation of exactly 0.
    """
    smallest = ordered[:, :1]
    shifted = ordered - smallest
    n = np.maximum(counts, 1)[:, None]
    undefined = counts < ordered.shape[1]
    if np.any(undefined):
        shifted[undefined] = np.nan_to_num(shifted[undefined])
    mean = np.sum(shifted / n, axis=1, keepdims=True)
    deviations = shifted - mean
    if np.any(undefined):
        deviations[np.isnan(ordered)] = 0.0
    largest = np.max(np.abs(deviations), axis=1, keepdims=True)
    relative = np.divide(deviations, largest, out=np.zeros_like(deviations), where=largest > 0)  # squares may overflow
    variance = np.sum(relative * relative, axis=1) / np.maximum(counts - 1, 1)
    return (smallest + mean)[:, 0], np.where(counts > 1, largest[:, 0] * np.sqrt(variance), np.nan)


def _quantile(ordered: FloatArray, counts: np.ndarray, level: float) -> FloatArray:
    """Interpolate between the order statistics of each row; NaN for a row without values."""
    position = np.maximum(counts - 1, 0) * level
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, above]
    return low + (position - below) * (high - low)
