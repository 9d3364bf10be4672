"""Network functions at many times from those at fewer, where that is as good as evaluating the solution."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.chebyshev import coefficients
from lindyn_service.dynamics.riccati import Solution
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.dynamics.time_intervals import DEGREE, TimeInterval, evaluated, time_intervals

_LEAST_WORK = 2500  # times of pivots, below which evaluation takes no longer than to see about interpolation
_LARGEST_GROUP = 2**20  # entries, 8 megabytes
_LARGEST_INTERVAL = 6 * 10**6  # entries, 48 megabytes, of which four copies are in memory
_ROUNDING = 4 * EPS  # of an entry by evaluation, relative to the size of its terms
_WORSE = 8.0  # than the rounding errors of evaluation
_RELATIVE = 1e-13  # relative error of the excess loss that is always accepted
_SMALLEST = 1e-140  # size of an error whose square is exact in float64
_LAST_ONES = coefficients(DEGREE, np.arange(DEGREE - 4.0, DEGREE))  # they show what is left out


@dataclass(frozen=True)
class Values:
    """At the times of a part, or at its nodes.

    Attributes:
        functions: network function u^T W v.
        errors: its distance u^T (W - sigma_yx) v from the task, of which small ones have all their digits, times
            e^{decay (t - first)} from the first node on, which is a smoother function of time.
        decay: a rate; 0 where nothing is interpolated.
    """

    functions: Float[np.ndarray, "node out rank"]
    errors: Float[np.ndarray, "node out rank"]
    decay: float


def network_functions(solution: Solution, times: Float[np.ndarray, " time"]) -> Iterator[tuple[TimeInterval, Values]]:
    """Evaluate the network function at the times asked, or at Chebyshev nodes where these are fewer.

    Interpolation has to know loss and network function between the nodes as they are known by evaluation: the
    coefficients must have decayed to rounding errors, and no values of an interval may be so much larger than others
    that their rounding errors matter to these. Intervals where it is not so are halved.

    Args:
        solution: of a problem on white inputs.
        times: ascending, in units of the time constant.

    Returns:
        Parts of the times, in any order, each with the values at its nodes.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the coefficients of an
    analytic function decay geometrically.
    """
    fastest = float(solution.modes.kappa[0])
    entries = len(solution.modes.u) * len(solution.modes.v)
    room = max(1, _LARGEST_GROUP // entries)
    worthwhile = fastest > 0 and len(times) * len(solution.echelon.pivots) >= _LEAST_WORK
    worthwhile = worthwhile and entries * (DEGREE + 1) <= _LARGEST_INTERVAL
    waiting = time_intervals(times, 1 / fastest, room) if worthwhile else evaluated(0, len(times), room)
    while waiting:
        left: list[TimeInterval] = []
        for group in _groups(sorted(waiting, key=_is_interpolated), room):
            for part, values in _evaluate(solution, times, group):
                if values is None:
                    left += part.halves(times, room)
                else:
                    yield part, values
        waiting = left


def _is_interpolated(part: TimeInterval) -> bool:
    return part.interval is not None


def _groups(waiting: Iterable[TimeInterval], room: int) -> Iterator[list[TimeInterval]]:
    """What is evaluated at once: as much as there is room for; there is some part."""
    group: list[TimeInterval] = []
    n_nodes = 0
    for part in waiting:
        if group and n_nodes + part.n_nodes > room:
            yield group
            group, n_nodes = [], 0
        group.append(part)
        n_nodes += part.n_nodes
    yield group


def _evaluate(
    solution: Solution, times: Float[np.ndarray, " time"], group: list[TimeInterval]
) -> Iterator[tuple[TimeInterval, Values | None]]:
    """Parts that are interpolated come last; they get None where that is not as good as evaluation."""
    asked = np.concatenate([times[p.times] if p.interval is None else p.interval.times for p in group])
    n_interpolated = sum(map(_is_interpolated, group))
    n_straight = len(asked) - n_interpolated * (DEGREE + 1)
    functions = np.empty((len(asked), len(solution.modes.u), len(solution.modes.v)))
    errors = np.empty_like(functions)
    out_norms, in_norms = np.empty(functions.shape[:2]), np.empty((len(asked), functions.shape[2]))
    for batch, factors in solution.batches(asked):
        np.matmul(factors.out, factors.into.transpose(0, 2, 1), out=functions[batch])
        errors[batch] = solution.errors(asked[batch], functions[batch])
        if n_straight < batch.start + len(factors.out):
            out_norms[batch] = _norms(factors.out)
            in_norms[batch] = _norms(factors.into)
    good, decays = np.ones(len(group), dtype=bool), np.zeros(len(group))
    if n_interpolated:
        arrays = (asked, functions, errors, out_norms, in_norms)
        node_times, *nodes = (array[n_straight:].reshape(n_interpolated, DEGREE + 1, -1) for array in arrays)
        decays[-n_interpolated:] = straighten(node_times[..., 0], nodes[1])
        good[-n_interpolated:] = _Nodes(*nodes).as_good_as_evaluation()
    first = 0
    for part, is_good, decay in zip(group, good, decays, strict=True):
        own = slice(first, first + part.n_nodes)
        yield part, Values(functions[own], errors[own], float(decay)) if is_good else None
        first += part.n_nodes


def straighten(
    times: Float[np.ndarray, "interval node"], errors: Float[np.ndarray, "interval node out_rank"]
) -> Float[np.ndarray, " interval"]:
    """Multiply errors, in place, by the exponential that makes the last as large as the first; returns its rates.

    Args:
        times: of the nodes.
        errors: at the nodes.

    Source: small errors decay with one rate, Saxe et al. (2014), arXiv 1312.6120.
    """
    sizes = np.sqrt(_squares(errors[:, [0, -1]]))
    known = (sizes.min(axis=1) > _SMALLEST) & (times[:, 0] < times[:, -1])
    ratios = np.divide(sizes[:, 0], sizes[:, -1], out=np.ones(len(sizes)), where=known)
    rates = np.divide(np.log(ratios), times[:, -1] - times[:, 0], out=np.zeros(len(sizes)), where=known)
    errors *= np.exp(rates[:, None] * (times - times[:, :1]))[:, :, None]
    return rates


@dataclass(frozen=True)
class _Nodes:
    """Values, flat, at the nodes of intervals; entries of the function are sums of terms of the sizes out x into."""

    functions: Float[np.ndarray, "interval node out_rank"]
    errors: Float[np.ndarray, "interval node out_rank"]
    out: Float[np.ndarray, "interval node out"]
    into: Float[np.ndarray, "interval node rank"]

    def as_good_as_evaluation(self) -> Bool[np.ndarray, " interval"]:
        """Whether neither the function nor the loss loses digits between the nodes."""
        tail = np.abs(_LAST_ONES @ self.functions).max(axis=1)
        out, into = self.out.max(axis=1), self.into.max(axis=1)
        doubt = _ROUNDING * (out[:, :, None] * into[:, None, :]).reshape(tail.shape)
        decayed = tail.max(axis=1) <= _WORSE * doubt.max(axis=1)
        doubt += tail
        rounding = _ROUNDING * np.sqrt(_squares(self.out) * _squares(self.into))
        function = np.sqrt(_squares(doubt))[:, None] <= _WORSE * rounding
        return decayed & np.all(function, axis=1) & errors_keep_the_loss(self.errors)


def errors_keep_the_loss(errors: Float[np.ndarray, "interval node out_rank"]) -> Bool[np.ndarray, " interval"]:
    """Whether the loss keeps its digits between the nodes, which may be small beside those of the function.

    Args:
        errors: straightened.

    Source: as for `dense`.
    """
    size = np.abs(errors)
    doubt = np.abs(_LAST_ONES @ errors).max(axis=1) + _ROUNDING * size.max(axis=1)
    return np.all(2 * (size @ doubt[:, :, None])[..., 0] <= _RELATIVE * _squares(errors), axis=1)


def _norms(rows: Float[np.ndarray, "time row column"]) -> Float[np.ndarray, "time row"]:
    return np.sqrt(np.vecdot(rows, rows))


def _squares(rows: Float[np.ndarray, "*any column"]) -> Float[np.ndarray, "*any"]:
    return np.vecdot(rows, rows)
