"""Network functions and losses at many times, interpolated from fewer times where that is as accurate as evaluation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.chebyshev import coefficients, trend
from lindyn_service.dynamics.function_values import function_values
from lindyn_service.dynamics.riccati import Solution
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.dynamics.time_batches import time_batches
from lindyn_service.dynamics.time_intervals import DEGREE, TimeInterval, evaluated, time_intervals

_MIN_TIMES = 100  # fewer are evaluated as fast as they are interpolated
_MAX_GROUP_ENTRIES = 2**20  # 8 megabytes
_MAX_INTERVAL_ENTRIES = 6 * 10**6  # 48 megabytes, of which four copies are in memory
_ROUNDING = 4 * EPS  # rounding error of an evaluated function, relative to the product of the norms of both layers
_MAX_ERROR_RATIO = 8.0  # largest accepted error of interpolation, relative to that of evaluation
_LOSS_TOLERANCE = 1e-13  # relative error of the excess loss that is always accepted
_MIN_LOSS = 1e-280  # smaller losses are squares of errors that have lost digits
_TREND_DEGREE = 6
_LAST_COEFFICIENTS = coefficients(DEGREE, np.arange(DEGREE - 4.0, DEGREE))  # they estimate the truncation error


@dataclass(frozen=True)
class Values:
    """Values at the nodes of a time interval, or at its times if it is not interpolated.

    Attributes:
        functions: network functions u^T W v.
        losses: excess losses.
        times: times of the values.
    """

    functions: Float[np.ndarray, "node out rank"]
    losses: Float[np.ndarray, " node"]
    times: Float[np.ndarray, " node"]

    @cached_property
    def _curve(self) -> tuple[float, Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
        """Rate r, polynomial P of low degree, and smooth part S of the losses S e^{P - r (t - first)}."""
        if not np.all((self.losses > _MIN_LOSS) & np.isfinite(self.losses)):
            return 0.0, np.zeros_like(self.losses), self.losses
        logs, elapsed = np.log(self.losses), self.times - self.times[0]
        rate = float((logs[0] - logs[-1]) / elapsed[-1])
        exponent = trend(DEGREE, _TREND_DEGREE) @ (logs - logs[0] + rate * elapsed)
        return rate, exponent, self.losses * np.exp(rate * elapsed - exponent)

    def losses_between(
        self, times: Float[np.ndarray, " time"], weights: Float[np.ndarray, "time node"]
    ) -> Float[np.ndarray, " time"]:
        """Losses at other times, with the interpolation weights of the values at the nodes for these times."""
        rate, exponent, smooth = self._curve
        return (weights @ smooth) * np.exp(weights @ exponent - rate * (times - self.times[0]))

    def keep_the_loss(self) -> bool:
        """Whether the loss is accurate to 1e-13 between the nodes."""
        smooth = self._curve[2]
        doubt = np.abs(_LAST_COEFFICIENTS @ smooth).max() + _ROUNDING * smooth.max()
        return bool(doubt <= _LOSS_TOLERANCE * smooth.min())

    def keep_the_function(self, sizes: Float[np.ndarray, " node"]) -> bool:
        """Whether the function is as accurate between the nodes as if it were evaluated.

        Args:
            sizes: products of the norms of both layers at the nodes, to which rounding errors are relative.
        """
        tails = _LAST_COEFFICIENTS @ self.functions.reshape(len(sizes), -1)
        doubt = np.sqrt(np.vecdot(tails, tails).max()) + _ROUNDING * sizes.max()
        return bool(doubt <= _MAX_ERROR_RATIO * _ROUNDING * sizes.min())


def network_functions(
    solution: Solution, times: Float[np.ndarray, " time"], root: float = 1.0
) -> Iterator[tuple[TimeInterval, Values]]:
    """Evaluate network function and loss at the given times, or at Chebyshev nodes where these are fewer.

    Interpolated losses and network functions must be as accurate as evaluated ones. The Chebyshev coefficients must
    have decayed to rounding level, and the values in an interval must not differ so much that the rounding errors of
    large ones affect small ones; losses are divided by an exponential that they follow. Intervals that violate this are
    halved.

    Args:
        solution: exact solution on white inputs.
        times: ascending, in units of the time constant.
        root: factor of the errors in the loss, the square root of the variance of the inputs.

    Returns:
        Time intervals in any order, each with the values at its nodes.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the coefficients of an
    analytic function decay geometrically.
    """
    fastest = float(solution.modes.kappa[0])
    entries = len(solution.modes.u) * len(solution.modes.v)
    max_nodes = max(1, _MAX_GROUP_ENTRIES // entries)
    worthwhile = fastest > 0 and len(times) >= _MIN_TIMES and entries * (DEGREE + 1) <= _MAX_INTERVAL_ENTRIES
    pending = time_intervals(times, 1 / fastest, max_nodes) if worthwhile else evaluated(0, len(times), max_nodes)
    while pending:
        halved: list[TimeInterval] = []
        for group in _groups(pending, max_nodes):
            for time_interval, values in _evaluate(solution, times, group, root):
                if values is None:
                    halved += time_interval.halves(times, max_nodes)
                else:
                    yield time_interval, values
        pending = halved


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
    solution: Solution, times: Float[np.ndarray, " time"], group: list[TimeInterval], root: float
) -> Iterator[tuple[TimeInterval, Values | None]]:
    """Values of the intervals of a group; None where interpolation is not accurate enough."""
    at = np.concatenate([times[i.times] if i.interval is None else i.interval.times for i in group])
    functions = np.empty((len(at), len(solution.modes.u), len(solution.modes.v)))
    losses, sizes = np.empty(len(at)), np.empty(len(at))
    for batch in time_batches(len(at), solution.echelon.lower.size):
        with np.errstate(over="ignore"):  # the caller reports losses that overflow
            found = function_values(solution, at[batch], root)
        functions[batch], losses[batch], sizes[batch] = found.functions, found.losses, found.sizes
    first = 0
    for time_interval in group:
        own = slice(first, first + time_interval.n_nodes)
        first = own.stop
        values = Values(functions[own], losses[own], at[own])
        kept = time_interval.interval is None or (values.keep_the_function(sizes[own]) and values.keep_the_loss())
        yield time_interval, values if kept else None
