"""Estimates of the cost of solutions mode by mode."""

from collections.abc import Sequence

from lindyn_service.methods.cost import MICROSECOND, Cost, chain, full_decomposition, numbers_of, observed

_SOLUTIONS = 3  # the solution, and two of disturbed problems to estimate its errors
_ESTIMATE_TIMES = 8  # at most; times at which the disturbed problems are evaluated
_DECAY, _DECAYING_MODE = 8_000 * MICROSECOND, 5_000 * MICROSECOND  # once for all modes, and for each of them
_DEEP_MODE = 10_000 * MICROSECOND
_DEEP_TIME = 80 * MICROSECOND  # for one mode


def modes_cost(
    dims: Sequence[int],
    n_times: int,
    quantities: Sequence[str],
    n_samples: int,
    *,
    decays: bool,
    estimate: bool = True,
) -> Cost:
    """Estimate the cost of modes that learn alone.

    Args:
        dims: widths.
        n_times: number of times.
        quantities: requested quantities.
        n_samples: number of samples of the task; the input width if there are none.
        decays: whether there is weight decay.
        estimate: whether errors are estimated.
    """
    n_in, n_out, deep, n_modes = dims[0], dims[-1], len(dims) > 3, min(dims[0], dims[-1])
    each = 2 * observed(dims, quantities, n_samples) + 2 * chain(dims) + n_modes * MICROSECOND
    if deep:
        each += n_modes * _DEEP_TIME
    mode = _DEEP_MODE if deep else _DECAYING_MODE if decays else 0.0
    together = 0.0 if deep or not decays else _DECAY
    solutions = _SOLUTIONS if estimate else 1
    measured = 3000 * MICROSECOND + 10 * full_decomposition(n_out, n_in)
    extra = (solutions - 1) * min(n_times, _ESTIMATE_TIMES) * (each + 10 * MICROSECOND)
    once = together + n_modes * mode + 100 * len(quantities) * MICROSECOND
    flops = measured + solutions * once + extra + n_times * each
    return Cost(flops, n_times * (1 + numbers_of(dims, quantities, n_samples)), 8 * sum(dims) ** 2)
