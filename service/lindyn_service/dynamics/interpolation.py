"""Network functions and losses at many times, interpolated from fewer times where that is as accurate as evaluation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import last_coefficients, trend
from lindyn_service.dynamics.function_values import NetworkFunction
from lindyn_service.dynamics.riccati import Solution
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.dynamics.time_batches import time_batches
from lindyn_service.dynamics.time_intervals import MAX_DEGREE, TimeInterval, evaluated, time_intervals

_BATCH_ENTRIES = 2**17  # one megabyte per array
_MIN_TIMES = 100  # fewer are evaluated as fast as they are interpolated
_MIN_WORK = 2000  # times times (pivots + 2): networks with less of it are evaluated as fast, too
_MAX_GROUP_ENTRIES = 2**20  # 8 megabytes
_MAX_INTERVAL_ENTRIES = 9 * 10**6  # 72 megabytes, of which three copies are in memory
_ROUNDING = 4 * EPS  # rounding error of an evaluated function, relative to the product of the norms of both layers
_MAX_ERROR_RATIO = 8.0  # largest accepted error of interpolation, relative to that of evaluation
_LOSS_TOLERANCE = 1e-13  # relative error of the excess loss that is always accepted
_MAX_DOUBT = 1e6  # which twice as many nodes square, relative to 1
_MIN_LOSS = 1e-280  # smaller losses are squares of errors that have lost digits
_MAX_REFUSED = 0.5  # values at nodes that were of no use, relative to the number of times
_TREND_DEGREE = 6
_N_LAST = 4  # of the Chebyshev coefficients, which estimate the truncation error


@dataclass(frozen=True)
class Values:
    """Values at the nodes of a time interval, or at its times if it is not interpolated.

    Attributes:
        times: the nodes.
        functions: network functions u^T W v.
        smooth_losses: excess losses times e^{decay t}.
        decay: rate in this factor, per time constant.
        sizes: products of the norms of both layers, to which rounding errors of the functions are relative.
    """

    times: Float[np.ndarray, " node"]
    functions: Float[np.ndarray, "node out rank"]
    smooth_losses: Float[np.ndarray, " node"]
    decay: float
    sizes: Float[np.ndarray, " node"]

    @property
    def losses(self) -> Float[np.ndarray, " node"]:
        """Excess losses."""
        return self.smooth_losses * np.exp(-self.decay * self.times)

    @cached_property
    def _curve(self) -> tuple[float, Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
        """Rate r, polynomial P of low degree, and smooth part S of the losses S e^{P - r (t - first)}."""
        losses, degree = self.smooth_losses, len(self.times) - 1
        if not np.all((losses > _MIN_LOSS) & np.isfinite(losses)):
            return 0.0, np.zeros_like(losses), losses
        logs, elapsed = np.log(losses), self.times - self.times[0]
        rate = float((logs[0] - logs[-1]) / elapsed[-1])
        exponent = trend(degree, _TREND_DEGREE) @ (logs - logs[0] + rate * elapsed)
        return rate, exponent, losses * np.exp(rate * elapsed - exponent)

    def losses_between(
        self, times: Float[np.ndarray, " time"], weights: Float[np.ndarray, "time node"]
    ) -> Float[np.ndarray, " time"]:
        """Losses at other times, with the interpolation weights of the values at the nodes for these times."""
        rate, exponent, smooth = self._curve
        decayed = self.decay * times + rate * (times - self.times[0])
        return (weights @ smooth) * np.exp(weights @ exponent - decayed)

    @cached_property
    def doubt(self) -> float:
        """Estimated error between the nodes in units of the accepted one, of the function or of the loss."""
        last = last_coefficients(len(self.times) - 1, _N_LAST)
        tails, smooth = last @ self.functions.reshape(len(self.times), -1), self._curve[2]
        of_function = np.sqrt(np.vecdot(tails, tails).max()) + _ROUNDING * self.sizes.max()
        of_loss = np.abs(last @ smooth).max() + _ROUNDING * np.abs(smooth).max()
        found = np.array([of_function, of_loss])
        accepted = np.array([_MAX_ERROR_RATIO * _ROUNDING * self.sizes.min(), _LOSS_TOLERANCE * smooth.min()])
        ratios = np.divide(found, accepted, out=np.where(found > 0, np.inf, 0.0), where=accepted > 0)
        return float(np.max(ratios))  # NaN if values are not finite

    def between(self, others: "Values") -> "Values":
        """Values at all nodes, from these at every second node and those at the nodes between them."""
        n = 2 * len(self.times) - 1
        values = Values(np.empty(n), np.empty((n, *self.functions.shape[1:])), np.empty(n), self.decay, np.empty(n))
        for part, which in ((self, slice(0, None, 2)), (others, slice(1, None, 2))):
            values.times[which], values.functions[which] = part.times, part.functions
            values.smooth_losses[which], values.sizes[which] = part.smooth_losses, part.sizes
        return values


_Pending = tuple[TimeInterval, Values | None]
"""Interval, and values at every second of its nodes if they are known."""


def network_functions(
    solution: Solution, times: Float[np.ndarray, " time"], root: float = 1.0
) -> Iterator[tuple[TimeInterval, Values]]:
    """Evaluate network function and loss at the given times, or at Chebyshev nodes where these are fewer.

    Interpolated losses and network functions must be as accurate as evaluated ones. The Chebyshev coefficients must
    have decayed to rounding level, and the values in an interval must not differ so much that the rounding errors of
    large ones affect small ones; losses are divided by an exponential that they follow. Intervals that violate this get
    nodes between their nodes, if the coefficients decay fast enough for these to suffice, or are halved. When half as
    many values as there are times have been evaluated in vain, the remaining times are evaluated.

    Args:
        solution: exact solution on white inputs.
        times: ascending, in units of the time constant.
        root: factor of the errors in the loss, the square root of the variance of the inputs.

    Returns:
        Time intervals in any order, each with the values at its nodes.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the coefficients of an
    analytic function decay geometrically.
    """
    function, fastest = NetworkFunction(solution, root), float(solution.modes.kappa[0])
    entries = len(solution.modes.u) * len(solution.modes.v)
    max_nodes = max(1, _MAX_GROUP_ENTRIES // entries)
    is_long = len(times) >= _MIN_TIMES and len(times) * (len(solution.echelon.pivots) + 2) >= _MIN_WORK
    worthwhile = fastest > 0 and is_long and entries * (2 * MAX_DEGREE + 1) <= _MAX_INTERVAL_ENTRIES
    parts = evaluated(0, len(times), max_nodes)
    if worthwhile:
        parts = time_intervals(times, 1 / fastest, max_nodes, solution.singularities.degree)
    pending: list[_Pending] = [(part, None) for part in parts]
    n_refused = 0
    while pending:
        refined: list[_Pending] = []
        for group in _groups(pending, max_nodes):
            for part, values in _evaluate(function, times, group):
                if part.interval is None or values.doubt <= 1:
                    yield part, values
                elif part.interval.degree <= MAX_DEGREE and values.doubt <= _MAX_DOUBT:
                    refined.append((part.refined(), values))
                else:
                    n_refused += part.n_nodes
                    refined += [(half, None) for half in part.halves(times, max_nodes, solution.singularities.degree)]
        if n_refused > _MAX_REFUSED * len(times):
            own = [part.times for part, _ in refined]
            refined = [(part, None) for each in own for part in evaluated(each.start, each.stop, max_nodes)]
        pending = refined


def _groups(pending: Iterable[_Pending], max_nodes: int) -> Iterator[list[_Pending]]:
    """Group a non-empty list of time intervals; groups have at most `max_nodes` nodes, or a single interval."""
    group: list[_Pending] = []
    n_nodes = 0
    for part, known in pending:
        if group and n_nodes + part.n_nodes > max_nodes:
            yield group
            group, n_nodes = [], 0
        group.append((part, known))
        n_nodes += part.n_nodes
    yield group


def _evaluate(
    function: NetworkFunction, times: Float[np.ndarray, " time"], group: list[_Pending]
) -> Iterator[tuple[TimeInterval, Values]]:
    """Values of the intervals of a group."""
    times_of = [part.evaluation_times(times)[_unknown(known)] for part, known in group]
    at, basis = np.concatenate(times_of), function.solution.modes
    functions = np.empty((len(at), len(basis.u), len(basis.v)))
    losses, sizes = np.empty(len(at)), np.empty(len(at))
    for batch in time_batches(len(at), function.solution.echelon.lower.size, _BATCH_ENTRIES):
        with np.errstate(over="ignore"):  # the caller reports losses that overflow
            found = function.at(at[batch])
        functions[batch], losses[batch], sizes[batch] = found.functions, found.losses, found.sizes
    first = 0
    for (part, known), own_times in zip(group, times_of, strict=True):
        own = slice(first, first + len(own_times))
        first = own.stop
        values = Values(own_times, functions[own], losses[own], function.decay, sizes[own])
        yield part, values if known is None else known.between(values)


def _unknown(known: Values | None) -> slice:
    """Nodes at which values are not known yet."""
    return slice(None) if known is None else slice(1, None, 2)
