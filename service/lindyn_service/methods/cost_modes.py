"""What solutions mode by mode cost: once for each mode, and at each time."""

from collections.abc import Sequence

from lindyn_service.methods.cost import MICROSECOND, Cost, chain, full_decomposition, numbers_of, observed

_SOLUTIONS = 3  # of which two tell the errors of the first
_FEW_TIMES = 8  # at which those are evaluated
_DECAY, _DECAYING_MODE = 8_000 * MICROSECOND, 5_000 * MICROSECOND  # integrated once, all modes and each
_DEEP_MODE = 10_000 * MICROSECOND
_DEEP_TIME = 80 * MICROSECOND  # of one mode


def modes_cost(
    dims: Sequence[int],
    n_times: int,
    quantities: Sequence[str],
    n_samples: int,
    *,
    decays: bool,
    estimate: bool = True,
) -> Cost:
    """Modes that learn alone, at some times.

    Args:
        dims: widths.
        n_times: how many.
        quantities: what is read off.
        n_samples: of the task; the input width where there are none.
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
    extra = (solutions - 1) * min(n_times, _FEW_TIMES) * (each + 10 * MICROSECOND)
    once = together + n_modes * mode + 100 * len(quantities) * MICROSECOND
    flops = measured + solutions * once + extra + n_times * each
    return Cost(flops, n_times * (1 + numbers_of(dims, quantities, n_samples)), 8 * sum(dims) ** 2)
