"""What the closed form costs for a network of a block, and what statistics over many networks cost."""

from collections.abc import Sequence
from math import log2

from lindyn_service.methods.cost import MICROSECOND, full_decomposition, observed, product

_BY_ERRORS = frozenset({"loss", "excess_loss"})


def block_cost(dims: tuple[int, int, int], n_times: int, quantities: Sequence[str], n_samples: int) -> float:
    """Estimate the operations of one network of a block: drawing, solving and evaluation.

    Args:
        dims: widths.
        n_times: number of times.
        quantities: quantities that are read.
        n_samples: samples of the task; the input width where there are none.
    """
    n_in, n_hidden, n_out = dims
    pivots = min(n_in + n_out, n_hidden)
    drawn = 30 * MICROSECOND + 0.3 * full_decomposition(n_out, n_in) + 40 * (n_in + n_out) * pivots * n_hidden
    errors = 15 * (pivots**3 + pivots**2 * (n_in + n_out) + pivots * n_in * n_out) + 60 * n_in * n_out
    if _BY_ERRORS.issuperset(quantities):
        return drawn + n_times * errors
    layers = 0.5 * MICROSECOND + 2 * product(n_in + n_out, n_in + n_out, pivots)
    return drawn + n_times * (errors + layers + observed((n_in, pivots, n_out), quantities, n_samples))


def statistics_flops(n_replicates: int, n_levels: int) -> float:
    """Estimate the operations of the statistics of one number over the replicates."""
    return n_replicates * (100 + 30 * log2(1 + n_replicates)) + 600 * (1 + n_levels)
