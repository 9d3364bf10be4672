"""What training costs: its steps, and what is read off at the recorded ones."""

from collections.abc import Sequence
from itertools import pairwise

from lindyn_service.methods.cost import MICROSECOND, Cost, numbers_of, observed

_ARITHMETIC = 0.5  # of a step's products, whose arrays stay in a cache, to that of others


def descent_cost(
    dims: Sequence[int],
    n_times: int,
    quantities: Sequence[str],
    n_samples: int,
    steps: float,
    *,
    linear: bool,
    runs: int = 2,
) -> Cost:
    """Training by some steps.

    Args:
        dims: widths.
        n_times: how many steps are recorded.
        quantities: what is read off these.
        n_samples: of the task; the input width where there are none.
        steps: number of the last one.
        linear: whether the network is.
        runs: networks that are trained beside each other, of which a second tells the errors of the first.
    """
    n_weights = sum(a * b for a, b in pairwise(dims))
    step = linear_step(dims, runs) if linear else _step(dims, n_samples, runs)
    each = observed(dims, quantities, n_samples) + 100 * runs * (n_weights + dims[0] * dims[-1])
    if not linear:
        each += 3 * _step(dims, n_samples, 1)
    once = (2000 + 100 * len(dims) + 100 * len(quantities)) * MICROSECOND
    numbers = n_times * (1 + numbers_of(dims, quantities, n_samples))
    recorded = runs * n_times * (n_weights + dims[0] * dims[-1])
    return Cost(once + max(steps, 1.0) * step + n_times * each, numbers, 3 * n_weights + recorded)


def linear_step(dims: Sequence[int], runs: int) -> float:
    """A step of linear networks, which see the moments of the data."""
    products = 12 * dims[0] * sum(a * b for a, b in pairwise(dims[1:])) + 2 * dims[-1] * dims[0]
    calls = (1 + 4.8 * (len(dims) - 1)) * MICROSECOND
    return calls + runs * (_ARITHMETIC * products + 40 * sum(a * b for a, b in pairwise(dims)))


def _step(dims: Sequence[int], n_samples: int, runs: int) -> float:
    """A step by back-propagation of all samples."""
    products = 5 * n_samples * sum(a * b for a, b in pairwise(dims))
    calls = (1 + 5.7 * (len(dims) - 1)) * MICROSECOND
    return calls + runs * (_ARITHMETIC * products + 100 * n_samples * sum(dims[1:]))
