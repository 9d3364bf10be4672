"""Losses of many networks at many times, interpolated from fewer times where that loses no accuracy."""

from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.block_solution import BlockSolution
from lindyn_service.dynamics.chebyshev import Interval, last_coefficients
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.dynamics.time_intervals import TimeInterval, evaluated, time_intervals

_SHARE = 0.95  # of the networks for which the degree of the polynomials suffices
_MAX_NODE_FRACTION = 0.8  # interpolation from more nodes, relative to the number of times, saves nothing
_BATCH_NETWORKS = 64  # whose losses fit into the cache of a core
_TOLERANCE = 5e-14  # relative error of an interpolated loss
_ROUNDING = 4 * EPS  # of an interpolated value, relative to the largest one at the nodes
_N_LAST = 4  # of the Chebyshev coefficients, which estimate the truncation error

_Losses = Float[np.ndarray, "network time"]
_Accurate = Bool[np.ndarray, "network time"]


def dense_losses(solution: BlockSolution, times: Float[np.ndarray, " time"]) -> tuple[_Losses, _Accurate]:
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
    nodes = [times[part.times] if part.interval is None else part.interval.times for part in intervals]
    values, known = solution.excess_losses(np.concatenate(nodes)[None])
    losses, accurate = np.empty((len(solution), len(times))), np.ones((len(solution), len(times)), dtype=bool)
    first = 0
    for part in intervals:
        own = slice(first, first + part.n_nodes)
        first = own.stop
        if part.interval is None:
            losses[:, part.times], accurate[:, part.times] = values[:, own], known[:, own]
            continue
        is_accurate = np.all(known[:, own], axis=1) & _interpolate(values[:, own], part, part.interval, times, losses)
        left = np.flatnonzero(~is_accurate)
        if len(left):
            at = np.ix_(left, np.arange(part.times.start, part.times.stop, dtype=np.intp))
            losses[at], accurate[at] = solution[left].excess_losses(times[None, part.times])
    return losses, accurate


def _intervals(solution: BlockSolution, times: Float[np.ndarray, " time"]) -> list[TimeInterval]:
    """Time intervals for the fastest network; a single one without interpolation if nothing moves."""
    fastest = float(np.max(solution.start.modes.kappa))
    if fastest == 0:
        return evaluated(0, len(times), len(times))
    degree_of = partial(solution.start.singularities.degree, share=_SHARE)
    return time_intervals(times, 1 / fastest, len(times), degree_of)


def _interpolate(
    values: Float[np.ndarray, "network node"],
    part: TimeInterval,
    interval: Interval,
    times: Float[np.ndarray, " time"],
    losses: _Losses,
) -> Bool[np.ndarray, " network"]:
    """Write the losses in a time interval in place, and return the networks for which they are accurate."""
    # losses times exponentials that make the last as large as the first are smoother functions of time
    is_positive = (values[:, 0] > 0) & (values[:, -1] > 0)
    ratios = np.divide(values[:, 0], values[:, -1], out=np.ones(len(values)), where=is_positive)
    rates = np.log(ratios) / (interval.last - interval.first)
    smooth = values * np.exp(rates[:, None] * (interval.times - interval.first))
    for batch, weights in part.weights(times, _BATCH_NETWORKS):
        elapsed, to_times = times[batch] - interval.first, np.ascontiguousarray(weights.T)
        for first in range(0, len(values), _BATCH_NETWORKS):
            own = slice(first, first + _BATCH_NETWORKS)
            decay = np.exp(-rates[own, None] * elapsed)
            np.multiply(smooth[own] @ to_times, decay, out=losses[own, batch])
    doubt = np.abs(smooth @ last_coefficients(interval.degree, _N_LAST).T).max(axis=1) + _ROUNDING * smooth.max(axis=1)
    return doubt <= _TOLERANCE * smooth.min(axis=1)
