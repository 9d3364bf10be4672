"""Estimates of the cost of gradient descent: its steps, and the quantities at the recorded steps."""

from collections.abc import Sequence
from itertools import pairwise

from lindyn_service.methods.cost import MICROSECOND, Cost, numbers_of, observed

_CACHED_ARITHMETIC = 0.5  # relative time of the products of a step, whose arrays stay in the processor's cache


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
    """Estimate the cost of training by gradient descent.

    Args:
        dims: widths.
        n_times: number of recorded steps.
        quantities: quantities that are evaluated at these.
        n_samples: number of samples of the task; the input width if there are none.
        steps: number of the last step.
        linear: whether the network is linear.
        runs: number of networks that are trained together; the second one serves to estimate the errors of the first.
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
    """Operations of a step of `runs` linear networks, which are trained on the moments of the data."""
    products = 12 * dims[0] * sum(a * b for a, b in pairwise(dims[1:])) + 2 * dims[-1] * dims[0]
    calls = (1 + 4.8 * (len(dims) - 1)) * MICROSECOND
    return calls + runs * (_CACHED_ARITHMETIC * products + 40 * sum(a * b for a, b in pairwise(dims)))


def _step(dims: Sequence[int], n_samples: int, runs: int) -> float:
    """Operations of a step of `runs` networks by back-propagation of all samples."""
    products = 5 * n_samples * sum(a * b for a, b in pairwise(dims))
    calls = (1 + 5.7 * (len(dims) - 1)) * MICROSECOND
    return calls + runs * (_CACHED_ARITHMETIC * products + 100 * n_samples * sum(dims[1:]))
