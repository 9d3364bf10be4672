"""Network functions at many times, interpolated from fewer times where that is as accurate as evaluation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.chebyshev import coefficients
from lindyn_service.dynamics.riccati import Solution
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.dynamics.time_intervals import DEGREE, TimeInterval, evaluated, time_intervals

_MIN_WORK = 2500  # number of times times number of pivots; less is evaluated as fast as it is interpolated
_MAX_GROUP_ENTRIES = 2**20  # 8 megabytes
_MAX_INTERVAL_ENTRIES = 6 * 10**6  # 48 megabytes, of which four copies are in memory
_ROUNDING = 4 * EPS  # rounding error of an evaluated entry, relative to the terms that it sums
_MAX_ERROR_RATIO = 8.0  # largest accepted error of interpolation, relative to that of evaluation
_LOSS_TOLERANCE = 1e-13  # relative error of the excess loss that is always accepted
_MIN_ERROR = 1e-140  # squares of smaller errors are subnormal
_LAST_COEFFICIENTS = coefficients(DEGREE, np.arange(DEGREE - 4.0, DEGREE))  # they estimate the truncation error


@dataclass(frozen=True)
class Values:
    """Network functions at the nodes of a time interval, or at its times if it is not interpolated.

    Attributes:
        functions: network functions u^T W v.
        errors: errors u^T (W - sigma_yx) v, accurate relative to each error, times e^{decay (t - first)} with the first
            node, which makes them smoother functions of time.
        decay: rate in this factor, per time constant; 0 without interpolation.
    """

    functions: Float[np.ndarray, "node out rank"]
    errors: Float[np.ndarray, "node out rank"]
    decay: float


def network_functions(solution: Solution, times: Float[np.ndarray, " time"]) -> Iterator[tuple[TimeInterval, Values]]:
    """Evaluate the network function at the given times, or at Chebyshev nodes where these are fewer.

    Interpolated losses and network functions must be as accurate as evaluated ones. The Chebyshev coefficients must
    have decayed to rounding level, and the values in an interval must not differ so much that the rounding errors of
    large ones affect small ones. Intervals that violate this are halved.

    Args:
        solution: exact solution on white inputs.
        times: ascending, in units of the time constant.

    Returns:
        Time intervals in any order, each with the values at its nodes.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the coefficients of an
    analytic function decay geometrically.
    """
    fastest = float(solution.modes.kappa[0])
    entries = len(solution.modes.u) * len(solution.modes.v)
    max_nodes = max(1, _MAX_GROUP_ENTRIES // entries)
    worthwhile = fastest > 0 and len(times) * len(solution.echelon.pivots) >= _MIN_WORK
    worthwhile = worthwhile and entries * (DEGREE + 1) <= _MAX_INTERVAL_ENTRIES
    pending = time_intervals(times, 1 / fastest, max_nodes) if worthwhile else evaluated(0, len(times), max_nodes)
    while pending:
        halved: list[TimeInterval] = []
        for group in _groups(sorted(pending, key=_is_interpolated), max_nodes):
            for time_interval, values in _evaluate(solution, times, group):
                if values is None:
                    halved += time_interval.halves(times, max_nodes)
                else:
                    yield time_interval, values
        pending = halved


def _is_interpolated(time_interval: TimeInterval) -> bool:
    return time_interval.interval is not None


def _groups(pending: Iterable[TimeInterval], max_nodes: int) -> Iterator[list[TimeInterval]]:
    """Group a non-empty list of time intervals; groups have at most `max_nodes` nodes, or a single interval."""
    group: list[TimeInterval] = []
    n_nodes = 0
    for time_interval in pending:
        if group and n_nodes + time_interval.n_nodes > max_nodes:
            yield group
            group, n_nodes = [], 0
        group.append(time_interval)
        n_nodes += time_interval.n_nodes
    yield group


def _evaluate(
    solution: Solution, times: Float[np.ndarray, " time"], group: list[TimeInterval]
) -> Iterator[tuple[TimeInterval, Values | None]]:
    """Values of the intervals of a group, interpolated ones last; None where interpolation is not accurate enough."""
    evaluation_times = np.concatenate([times[i.times] if i.interval is None else i.interval.times for i in group])
    n_interpolated = sum(map(_is_interpolated, group))
    n_evaluated = len(evaluation_times) - n_interpolated * (DEGREE + 1)
    functions = np.empty((len(evaluation_times), len(solution.modes.u), len(solution.modes.v)))
    errors = np.empty_like(functions)
    out_norms, in_norms = np.empty(functions.shape[:2]), np.empty((len(evaluation_times), functions.shape[2]))
    for batch, factors in solution.batches(evaluation_times):
        np.matmul(factors.out, factors.into.transpose(0, 2, 1), out=functions[batch])
        errors[batch] = solution.errors(evaluation_times[batch], functions[batch])
        if n_evaluated < batch.start + len(factors.out):
            out_norms[batch] = _norms(factors.out)
            in_norms[batch] = _norms(factors.into)
    accurate, decays = np.ones(len(group), dtype=bool), np.zeros(len(group))
    if n_interpolated:
        arrays = (evaluation_times, functions, errors, out_norms, in_norms)
        node_times, *nodes = (array[n_evaluated:].reshape(n_interpolated, DEGREE + 1, -1) for array in arrays)
        decays[-n_interpolated:] = straighten(node_times[..., 0], nodes[1])
        accurate[-n_interpolated:] = _Nodes(*nodes).are_as_accurate_as_evaluation()
    first = 0
    for time_interval, is_accurate, decay in zip(group, accurate, decays, strict=True):
        nodes_of_interval = slice(first, first + time_interval.n_nodes)
        values = Values(functions[nodes_of_interval], errors[nodes_of_interval], float(decay))
        yield time_interval, values if is_accurate else None
        first += time_interval.n_nodes


def straighten(
    times: Float[np.ndarray, "interval node"], errors: Float[np.ndarray, "interval node out_rank"]
) -> Float[np.ndarray, " interval"]:
    """Multiply errors, in place, by exponentials that make the last as large as the first, and return the rates.

    Args:
        times: times of the nodes.
        errors: errors at the nodes, which are overwritten.

    Source: Saxe et al. (2014), arXiv 1312.6120: small errors decay exponentially.
    """
    sizes = np.sqrt(_squares(errors[:, [0, -1]]))
    known = (sizes.min(axis=1) > _MIN_ERROR) & (times[:, 0] < times[:, -1])
    ratios = np.divide(sizes[:, 0], sizes[:, -1], out=np.ones(len(sizes)), where=known)
    rates = np.divide(np.log(ratios), times[:, -1] - times[:, 0], out=np.zeros(len(sizes)), where=known)
    errors *= np.exp(rates[:, None] * (times - times[:, :1]))[:, :, None]
    return rates


@dataclass(frozen=True)
class _Nodes:
    """Values at the nodes of intervals as flat vectors, and row norms of both layers, which bound rounding errors."""

    functions: Float[np.ndarray, "interval node out_rank"]
    errors: Float[np.ndarray, "interval node out_rank"]
    out: Float[np.ndarray, "interval node out"]
    into: Float[np.ndarray, "interval node rank"]

    def are_as_accurate_as_evaluation(self) -> Bool[np.ndarray, " interval"]:
        """Whether function and loss are as accurate between the nodes as if they were evaluated."""
        tail = np.abs(_LAST_COEFFICIENTS @ self.functions).max(axis=1)
        out, into = self.out.max(axis=1), self.into.max(axis=1)
        doubt = _ROUNDING * (out[:, :, None] * into[:, None, :]).reshape(tail.shape)
        decayed = tail.max(axis=1) <= _MAX_ERROR_RATIO * doubt.max(axis=1)
        doubt += tail
        rounding = _ROUNDING * np.sqrt(_squares(self.out) * _squares(self.into))
        function = np.sqrt(_squares(doubt))[:, None] <= _MAX_ERROR_RATIO * rounding
        return decayed & np.all(function, axis=1) & errors_keep_the_loss(self.errors)


def errors_keep_the_loss(errors: Float[np.ndarray, "interval node out_rank"]) -> Bool[np.ndarray, " interval"]:
    """Whether the loss is accurate to 1e-13 between the nodes, however small it is compared with the function.

    Args:
        errors: errors at the nodes, as `straighten` leaves them.

    Source: as for `network_functions`.
    """
    size = np.abs(errors)
    doubt = np.abs(_LAST_COEFFICIENTS @ errors).max(axis=1) + _ROUNDING * size.max(axis=1)
    return np.all(2 * (size @ doubt[:, :, None])[..., 0] <= _LOSS_TOLERANCE * _squares(errors), axis=1)


def _norms(rows: Float[np.ndarray, "time row column"]) -> Float[np.ndarray, "time row"]:
    return np.sqrt(np.vecdot(rows, rows))


def _squares(rows: Float[np.ndarray, "*any column"]) -> Float[np.ndarray, "*any"]:
    return np.vecdot(rows, rows)
