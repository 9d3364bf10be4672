"""What it costs to leave out dimensions that a network never uses, and to go back to all of them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from lindyn_service.methods.cost import MICROSECOND, Cost, numbers_of, observed, vectors_of_sharpness

_OF_WHOLE = frozenset(
    {"output", "input_representation", "output_representation", "qqt", "weights", "ntk", "rsm_input", "rsm_output"}
)
"""Quantities that are read in the coordinates of inputs, outputs or samples."""


def reduced_cost(
    small: Cost, dims: Sequence[int], kept: Sequence[int], n_times: int, quantities: Sequence[str], n_samples: int
) -> Cost:
    """The cost of an answer from that of the problem in fewer dimensions.

    Args:
        small: of that problem.
        dims: widths of the network.
        kept: those of the problem.
        n_times: how many.
        quantities: what is read off.
        n_samples: of the task; the input width where there are none.
    """
    numbers = n_times * (numbers_of(dims, quantities, n_samples) - numbers_of(kept, quantities, n_samples))
    vectors = vectors_of_sharpness(kept, n_times) if "sharpness" in quantities else 0
    found = replace(small, numbers=small.numbers + numbers, work_numbers=small.work_numbers + vectors)
    if tuple(kept) == tuple(dims):
        return found
    whole = [name for name in quantities if name in _OF_WHOLE]
    each = observed(dims, whole, n_samples) - observed(kept, whole, n_samples) if whole else 0.0
    bases = sum(8 * width * left**2 for width, left in zip(dims, kept, strict=True))
    products = sum(4 * (a + b) * c * d for (a, b), (c, d) in zip(pairwise(dims), pairwise(kept), strict=True))
    once = 500 * MICROSECOND + bases + products
    n_weights = sum(a * b for a, b in pairwise(dims))
    return found + Cost(once + n_times * max(each, 0.0), 0, 2 * n_weights)
