"""Estimates of the cost of the closed form: of solving it, of each time, and of the search for a time."""

from collections.abc import Sequence
from math import log1p

from lindyn_service.methods.cost import (
    MICROSECOND,
    Cost,
    full_decomposition,
    numbers_of,
    observed,
    product,
)
from lindyn_service.methods.exact_observables import INTERPOLATED

_SOLUTIONS = 3  # the solution, and two of disturbed problems to estimate its errors
_ESTIMATE_TIMES = 8  # at most; times at which the disturbed problems are evaluated
_NODES = 40  # in an interval of interpolation
_DECAY, _DECAYING_MODE = 30_000 * MICROSECOND, 2_500 * MICROSECOND  # once for all modes, and for each of them
_SEARCH = 30  # evaluations to find the time at which a loss has a given value
_OF_ERRORS = frozenset({"loss", "excess_loss", "loss_rate"})
_OF_CHANGE = frozenset({"ntk_distance", "ntk_movement"})


def solved(dims: Sequence[int]) -> float:
    """Operations of solving once: singular vectors of the task, and coordinates of the weights along them."""
    n_in, n_hidden, n_out = dims
    pivots = min(n_in + n_out, n_hidden)
    return 400 * MICROSECOND + full_decomposition(n_out, n_in) + 12 * (n_in + n_out) * pivots * n_hidden


def evaluated(dims: Sequence[int]) -> float:
    """Operations of the layers at one time of a batch."""
    n_in, n_hidden, n_out = dims
    pivots, rows = min(n_in + n_out, n_hidden), n_in + n_out
    inverse = product(pivots, rows, pivots)
    return 0.3 * MICROSECOND + inverse + product(n_in, pivots, pivots) + product(n_out, pivots, pivots)


def of_error(dims: Sequence[int]) -> float:
    """Operations of the layers and of the late deviation from the task, at one time of a batch."""
    return evaluated(dims) + 400 * (dims[0] + dims[-1]) ** 2


def evaluated_alone(dims: Sequence[int]) -> float:
    """Operations of the layers at a time that is evaluated outside a batch."""
    pivots = min(dims[0] + dims[-1], dims[1])
    return (120 + 8 * pivots) * MICROSECOND + evaluated(dims)


def searched(dims: Sequence[int]) -> float:
    """Operations of finding the time at which a loss has a given value."""
    return _SEARCH * (evaluated_alone(dims) + product(dims[2], dims[1], dims[0]))


def exact_cost(
    dims: Sequence[int],
    reached: Sequence[int],
    n_times: int,
    quantities: Sequence[str],
    n_samples: int,
    span: float,
    *,
    estimate: bool = True,
) -> Cost:
    """Estimate the cost of the closed form.

    Args:
        dims: widths.
        reached: widths without hidden units whose weights are zero.
        n_times: number of times.
        quantities: requested quantities.
        n_samples: number of samples of the task; the input width if there are none.
        span: last time, in units of the shortest time scale.
        estimate: whether errors are estimated.
    """
    pivots = (dims[0], min(dims[0] + dims[-1], reached[1]), dims[-1])
    each = evaluated(pivots) + observed(pivots, quantities, n_samples)
    if not _OF_ERRORS.isdisjoint(quantities):
        each += of_error(pivots)
    if not _OF_CHANGE.isdisjoint(quantities):
        each *= 2
    total = n_times * each
    if INTERPOLATED.issuperset(quantities):
        nodes = _NODES * (1 + log1p(span))
        total = min(total, nodes * each + n_times * _interpolated(dims, quantities))
    solutions = _SOLUTIONS if estimate else 1
    extra = (solutions - 1) * min(n_times, _ESTIMATE_TIMES) * (each + 10 * MICROSECOND)
    if "weights" in quantities:
        total += _rotation(pivots, span) + n_times * _in_coordinates(dims, pivots[1])
    flops = solutions * (solved(reached) + (100 + 60 * len(quantities)) * MICROSECOND) + extra + total
    return Cost(flops, n_times * (1 + numbers_of(dims, quantities, n_samples)), _work_numbers(dims))


def decaying_cost(
    dims: Sequence[int], n_times: int, quantities: Sequence[str], n_samples: int, *, estimate: bool = True
) -> Cost:
    """Balanced weights with weight decay, with arguments as for `exact_cost`."""
    n_in, n_hidden, n_out = dims
    pivots = (n_in, min(n_in + n_out, n_hidden), n_out)
    each = 3 * evaluated(pivots) + observed(pivots, quantities, n_samples) + of_error(pivots)
    solutions = _SOLUTIONS if estimate else 1
    once = _DECAY + min(n_in, n_out) * _DECAYING_MODE + solved(dims)
    flops = solutions * once + (n_times + (solutions - 1) * min(n_times, _ESTIMATE_TIMES)) * each
    return Cost(flops, n_times * (1 + numbers_of(dims, quantities, n_samples)), _work_numbers(dims))


def one_layer_cost(
    dims: Sequence[int], n_times: int, quantities: Sequence[str], n_samples: int, *, estimate: bool = True
) -> Cost:
    """Estimate the cost of the closed form of a single layer, with arguments as for `exact_cost`."""
    n_in, n_out = dims
    each = 0.5 * MICROSECOND + 2 * product(n_out, n_in, n_in) + observed(dims, quantities, n_samples)
    solutions = _SOLUTIONS if estimate else 1
    once = 500 * MICROSECOND + full_decomposition(n_out, n_in) + 10 * n_in**3
    flops = solutions * once + (n_times + (solutions - 1) * min(n_times, _ESTIMATE_TIMES)) * each
    return Cost(flops, n_times * (1 + numbers_of(dims, quantities, n_samples)), 4 * (n_in**2 + n_out**2))


def _interpolated(dims: Sequence[int], quantities: Sequence[str]) -> float:
    """Operations of one time between the nodes of interpolation."""
    return 0.3 * MICROSECOND + 70 * dims[0] * dims[-1] * len(quantities)


def _rotation(dims: Sequence[int], span: float) -> float:
    """Operations of integrating the rotation of the hidden units: at nodes in intervals of equal ratios of times."""
    nodes, n = 60 * (1 + log1p(span)), dims[1]
    approximations = 10 * (product(n, n, n) + 100 * n**2)
    return nodes * (10 * MICROSECOND + evaluated(dims) + approximations)


def _in_coordinates(dims: Sequence[int], pivots: int) -> float:
    """Operations of the layers in the coordinates of the hidden units, at one time."""
    n_in, n_hidden, n_out = dims
    rotated = 3 * product(pivots, pivots, pivots) + product(pivots, pivots, n_hidden)
    layers = product(n_in, n_in, pivots) + product(n_out, n_out, pivots)
    return evaluated((n_in, pivots, n_out)) + rotated + layers + product(n_in + n_out, pivots, n_hidden)


def _work_numbers(dims: Sequence[int]) -> int:
    rows = dims[0] + dims[-1]
    return 3 * (rows * dims[1] + rows * rows)
