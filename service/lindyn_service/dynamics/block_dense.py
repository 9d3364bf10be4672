"""Losses of many networks at many times, interpolated from fewer times where that loses no accuracy."""

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_solution import LARGEST_RATIO, BlockSolution
from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.interpolation import errors_keep_the_loss, straighten
from lindyn_service.dynamics.time_intervals import TimeInterval, evaluated, time_intervals

_MIN_ENTRIES = 49  # network functions with fewer entries are evaluated at every time, which is cheap
_MAX_NODE_FRACTION = 0.8  # interpolation from more nodes, relative to the number of times, saves nothing

_Losses = Float[np.ndarray, "network time"]


def dense_losses(
    solution: BlockSolution, times: Float[np.ndarray, " time"]
) -> tuple[_Losses, Bool[np.ndarray, "network time"]]:
    """Excess losses on white inputs, evaluated at the given times or interpolated from fewer Chebyshev nodes.

    Args:
        solution: exact solutions of the networks.
        times: ascending, in units of the time constant, the same for all networks.

    Returns:
        The losses and where they are accurate, as from `BlockSolution.excess_losses`.

    Source: as for `interpolation.network_functions`.
    """
    intervals = _intervals(solution, times)
    if sum(time_interval.n_nodes for time_interval in intervals) > _MAX_NODE_FRACTION * len(times):
        return solution.excess_losses(times[None])
    losses, accurate = np.empty((len(solution), len(times))), np.ones((len(solution), len(times)), dtype=bool)
    all_networks = np.arange(len(solution), dtype=np.intp)
    for time_interval in intervals:
        nodes = time_interval.interval
        which = all_networks if nodes is None else _interpolate(solution, times, time_interval, nodes, losses)
        if len(which):
            at = np.ix_(which, np.arange(time_interval.times.start, time_interval.times.stop, dtype=np.intp))
            losses[at], accurate[at] = solution[which].excess_losses(times[None, time_interval.times])
    return losses, accurate


def _intervals(solution: BlockSolution, times: Float[np.ndarray, " time"]) -> list[TimeInterval]:
    """Time intervals for the fastest network; a single one without interpolation where evaluation is cheap."""
    one, fastest = solution.start.modes.one, float(np.max(solution.start.modes.kappa))
    if one.n_minor * one.n_major < _MIN_ENTRIES:
        return evaluated(0, len(times), len(times))
    return time_intervals(times, 1 / fastest, len(times))


def _interpolate(
    solution: BlockSolution,
    times: Float[np.ndarray, " time"],
    time_interval: TimeInterval,
    interval: Interval,
    losses: _Losses,
) -> Int[np.ndarray, " left"]:
    """Write the losses in a time interval in place, and return the networks whose losses are not accurate."""
    one = solution.start.modes.one
    nodes = interval.times
    errors = np.empty((len(solution), len(nodes), one.n_minor * one.n_major))
    accurate = np.ones(len(solution), dtype=bool)
    for networks, batch, learned in solution.batches(nodes[None]):
        rows = learned.errors().transpose(2, 3, 0, 1)
        errors[networks, batch] = rows.reshape(*rows.shape[:2], -1)
        accurate[networks] &= np.all(learned.ratio <= LARGEST_RATIO, axis=1)
    rates = straighten(np.broadcast_to(nodes, errors.shape[:2]), errors)
    accurate &= errors_keep_the_loss(errors)
    for batch, weights in time_interval.weights(times, errors.shape[2]):
        between = weights @ errors
        decay = np.exp(-2 * rates[:, None] * (times[batch] - interval.first))
        losses[:, batch] = 0.5 * np.vecdot(between, between) * decay
    return np.flatnonzero(~accurate)
