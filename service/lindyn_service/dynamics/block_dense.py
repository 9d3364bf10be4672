"""Losses of many networks at many times from fewer, where that is as good as evaluating each."""

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_solution import LARGEST_RATIO, BlockSolution
from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.interpolation import errors_keep_the_loss, straighten
from lindyn_service.dynamics.time_intervals import TimeInterval, evaluated, time_intervals

_LEAST_ENTRIES = 49  # of a network function, below which evaluation is cheap
_WORTHWHILE = 0.8  # of the times, as nodes

_Losses = Float[np.ndarray, "network time"]


def dense_losses(
    solution: BlockSolution, times: Float[np.ndarray, " time"]
) -> tuple[_Losses, Bool[np.ndarray, "network time"]]:
    """Evaluate excess losses on white inputs at the times asked, or at Chebyshev nodes where these are fewer.

    Args:
        solution: the problems.
        times: ascending, in units of the time constant, the same for all.

    Returns:
        As `BlockSolution.excess_losses`.

    Source: as for `dense.dense`.
    """
    found = _parts(solution, times)
    if sum(part.n_nodes for part in found) > _WORTHWHILE * len(times):
        return solution.excess_losses(times[None])
    losses, good = np.empty((len(solution), len(times))), np.ones((len(solution), len(times)), dtype=bool)
    everyone = np.arange(len(solution), dtype=np.intp)
    for part in found:
        which = everyone if part.interval is None else _interpolate(solution, times, part, part.interval, losses)
        if len(which):
            at = np.ix_(which, np.arange(part.times.start, part.times.stop, dtype=np.intp))
            losses[at], good[at] = solution[which].excess_losses(times[None, part.times])
    return losses, good


def _parts(solution: BlockSolution, times: Float[np.ndarray, " time"]) -> list[TimeInterval]:
    """In intervals for the fastest of the networks; one part where evaluation is cheap."""
    one, fastest = solution.start.modes.one, float(np.max(solution.start.modes.kappa))
    if one.n_minor * one.n_major < _LEAST_ENTRIES:
        return evaluated(0, len(times), len(times))
    return time_intervals(times, 1 / fastest, len(times))


def _interpolate(
    solution: BlockSolution, times: Float[np.ndarray, " time"], part: TimeInterval, interval: Interval, losses: _Losses
) -> Int[np.ndarray, " left"]:
    """Fill in the losses at the times of a part; returns for which networks that is no good."""
    one = solution.start.modes.one
    nodes = interval.times
    errors = np.empty((len(solution), len(nodes), one.n_minor * one.n_major))
    good = np.ones(len(solution), dtype=bool)
    for networks, batch, found in solution.batches(nodes[None]):
        rows = found.errors().transpose(2, 3, 0, 1)
        errors[networks, batch] = rows.reshape(*rows.shape[:2], -1)
        good[networks] &= np.all(found.ratio <= LARGEST_RATIO, axis=1)
    rates = straighten(np.broadcast_to(nodes, errors.shape[:2]), errors)
    good &= errors_keep_the_loss(errors)
    for batch, weights in part.weights(times, errors.shape[2]):
        between = weights @ errors
        decay = np.exp(-2 * rates[:, None] * (times[batch] - interval.first))
        losses[:, batch] = 0.5 * np.vecdot(between, between) * decay
    return np.flatnonzero(~good)
