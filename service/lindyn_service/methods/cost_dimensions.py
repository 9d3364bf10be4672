"""Estimates of the cost of reducing a problem to the dimensions that its network uses, and of transforming back."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from lindyn_service.methods.cost import MICROSECOND, Cost, numbers_of, observed, vectors_of_sharpness

_FULL_WIDTH = frozenset(
    {"output", "input_representation", "output_representation", "qqt", "weights", "ntk", "rsm_input", "rsm_output"}
)
"""Quantities whose arrays have the full number of inputs, outputs or samples."""


def reduced_cost(
    reduced: Cost, dims: Sequence[int], kept: Sequence[int], n_times: int, quantities: Sequence[str], n_samples: int
) -> Cost:
    """Estimate the cost of an answer from that of the reduced problem.

    Args:
        reduced: cost of the reduced problem.
        dims: widths of the network.
        kept: widths of the reduced problem.
        n_times: number of times.
        quantities: requested quantities.
        n_samples: number of samples of the task; the input width if there are none.
    """
    numbers = n_times * (numbers_of(dims, quantities, n_samples) - numbers_of(kept, quantities, n_samples))
    vectors = vectors_of_sharpness(kept, n_times) if "sharpness" in quantities else 0
    solved = replace(reduced, numbers=reduced.numbers + numbers, work_numbers=reduced.work_numbers + vectors)
    if tuple(kept) == tuple(dims):
        return solved
    full = [name for name in quantities if name in _FULL_WIDTH]
    each = observed(dims, full, n_samples) - observed(kept, full, n_samples) if full else 0.0
    bases = sum(8 * width * left**2 for width, left in zip(dims, kept, strict=True))
    products = sum(4 * (a + b) * c * d for (a, b), (c, d) in zip(pairwise(dims), pairwise(kept), strict=True))
    once = 500 * MICROSECOND + bases + products
    n_weights = sum(a * b for a, b in pairwise(dims))
    return solved + Cost(once + n_times * max(each, 0.0), 0, 2 * n_weights)
