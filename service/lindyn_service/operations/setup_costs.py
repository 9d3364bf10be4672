"""Cost estimates of what precedes learning: initial weights, their balance, and the moments of a task."""

from collections.abc import Sequence
from itertools import pairwise

from lindyn.wire.network import BalancedNetwork, Network, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, Task
from lindyn_service.methods.cost import MICROSECOND, Cost, full_decomposition, product
from lindyn_service.translate.spans import own_dims

DRAW_FLOPS = 250
"""Estimate for a Gaussian number that is drawn."""

_DATA_FLOPS = 300  # per number of the data, which is read and written several times


def samples_of(task: Task, dims: Sequence[int]) -> int:
    """Return the number of samples of a task; a task without samples counts its input units instead."""
    match task:
        case DataTask(inputs=inputs):
            return len(inputs)
        case RegressionTask(samples=samples):
            return samples
        case SemanticTask(levels=levels):
            return 2**levels
        case _:
            return dims[0]


def setup_cost(network: Network, task: Task, dims: Sequence[int]) -> Cost:
    """Estimate the cost of the initial weights, the moments of the task, and its best network function in `dims`."""
    return weights_cost(network) + task_cost(task, network.dims, dims)


def weights_cost(network: Network) -> Cost:
    """Estimate the cost of the initial weights."""
    dims, numbers = network.dims, n_weights(network.dims)
    if isinstance(network, WideNetwork):
        representing, drawn = own_dims(network), numbers if network.start == "drawn" else 0
        flops = 200 * MICROSECOND + full_decomposition(dims[2], dims[0]) + 60 * n_weights(representing)
        draws = DRAW_FLOPS * drawn + product(dims[2], dims[1] if drawn else 0, dims[0])
        return Cost(flops + draws, 0, drawn + 3 * n_weights(representing))
    flops = 100 * MICROSECOND + DRAW_FLOPS * numbers
    if isinstance(network, BalancedNetwork):
        n_in, n_hidden, n_out = dims
        directions = min(n_hidden, max(n_in, n_out))
        flops += 1.5 * full_decomposition(n_out, n_in) + product(n_out, n_hidden, n_in)
        flops += 20 * n_hidden * directions**2 + 2 * directions**2 * (n_in + n_out)
        if network.aligned:
            flops += full_decomposition(n_out, n_in) + 12 * (n_in**3 + n_out**3)
    return Cost(flops, 0, 3 * numbers)


def task_cost(task: Task, dims: Sequence[int], reduced: Sequence[int]) -> Cost:
    """Estimate the cost of the moments of a task and of its best network function."""
    n_in, n_out = dims[0], dims[-1]
    objective = 300 * MICROSECOND + full_decomposition(reduced[-1], reduced[0]) + 4 * n_in**2 * n_out
    match task:
        case CorrelationTask():
            return Cost(objective + 20 * n_in**2 * (n_in + n_out), 0, 6 * n_in * (n_in + n_out) + 3 * reduced[-1] ** 2)
        case DataTask(inputs=inputs):
            return _regression_cost(len(inputs), n_in, n_out) + Cost(objective, 0, 0)
        case RegressionTask(samples=samples):
            draws = Cost(DRAW_FLOPS * samples * (n_in + n_out), 0, 0)
            return draws + _regression_cost(samples, n_in, n_out) + Cost(objective, 0, 0)
        case SemanticTask(levels=levels):
            items = 2**levels
            return Cost(objective + items * 5 * MICROSECOND + 40 * items**2 + 20 * items**3, 0, 6 * items**2)
        case _:
            return Cost(objective + 12 * (n_in**3 + n_out**3), 0, 3 * (n_in + n_out) ** 2)


def _regression_cost(samples: int, n_in: int, n_out: int) -> Cost:
    """Estimate the cost of factorising the data and of refining their least-squares solution."""
    smaller, larger = min(samples, n_in), max(samples, n_in)
    flops = 20 * smaller**2 * larger + 20 * samples * n_in * n_out + _DATA_FLOPS * samples * (n_in + n_out)
    return Cost(flops, 0, 3 * samples * (n_in + n_out))


def measured_balance_cost(dims: Sequence[int]) -> Cost:
    """Estimate the cost of the balance and of the isotropy of all pairs of adjacent layers."""
    total = Cost(200 * MICROSECOND, 0, 0)
    for n_in, n_hidden, n_out in zip(dims, dims[1:], dims[2:], strict=False):
        flops = product(n_hidden, n_in, n_hidden) + product(n_hidden, n_out, n_hidden) + 50 * MICROSECOND
        for width in (min(n_in, n_hidden), min(n_out, n_hidden)):
            flops += product(width, max(n_in, n_out, n_hidden), width)
        total += Cost(flops + 100 * n_hidden**2, 8, 4 * n_hidden**2 + 2 * n_hidden * (n_in + n_out))
    return total


def n_weights(dims: Sequence[int]) -> int:
    """Return the number of weights of a network."""
    return sum(a * b for a, b in pairwise(dims))
