"""Estimates of the cost of an answer before it is computed; the constants are fitted to `benchmarks/estimates.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lindyn_service.dynamics.sharpness import BATCH_NUMBERS
from lindyn_service.worker_speed import FLOPS_PER_SECOND

MICROSECOND = 1e-6 * FLOPS_PER_SECOND

_LANCZOS_STEPS = 60  # a typical number


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a computation.

    Attributes:
        flops: floating-point operations, where time that is not arithmetic counts as operations of equal duration.
        numbers: numbers in the answer.
        work_numbers: numbers that are held in memory beside the answer.
    """

    flops: float
    numbers: int
    work_numbers: int

    def __add__(self, other: "Cost") -> "Cost":
        """Add the cost of two computations that run one after the other, so that they do not share memory."""
        return Cost(self.flops + other.flops, self.numbers + other.numbers, max(self.work_numbers, other.work_numbers))


def product(rows: float, inner: float, columns: float) -> float:
    """Operations of a product of two matrices in a stack: call, arithmetic, and memory access."""
    numbers = rows * inner + inner * columns + rows * columns
    return 0.06 * MICROSECOND + 2 * rows * inner * columns + 30 * numbers


def singular_values(rows: float, columns: float) -> float:
    """Operations of the singular values of a matrix in a stack, without singular vectors."""
    small, large = min(rows, columns), max(rows, columns)
    return 0.5 * MICROSECOND * (1 + small) + 11 * small**2 * large


def full_decomposition(rows: float, columns: float) -> float:
    """Operations of a full singular value decomposition."""
    small, large = min(rows, columns), max(rows, columns)
    return 50 * MICROSECOND + 22 * small**2 * large + 4 * small * large**2


def chain(dims: Sequence[int]) -> float:
    """Operations of the product of all layers."""
    return sum(product(dims[-1], upper, lower) for lower, upper in pairwise(dims[:-1]))


def numbers_of(dims: Sequence[int], quantities: Sequence[str], n_samples: int) -> int:
    """Count the numbers of some quantities at one time."""
    n_in, n_out, n_layers, n_modes = dims[0], dims[-1], len(dims) - 1, min(dims[0], dims[-1])
    n_weights = sum(a * b for a, b in pairwise(dims))
    counts = {
        "output": n_in * n_out,
        "input_representation": n_in**2,
        "output_representation": n_out**2,
        "qqt": (n_in + n_out) ** 2,
        "weights": n_weights,
        "singular_values": n_modes,
        "mode_strengths": n_modes,
        "alignment": 2 * n_modes,
        "ntk": (n_out * n_samples) ** 2,
        "rsm_input": n_samples**2,
        "rsm_output": n_samples**2,
        "task_specificity": 2,
        "balance": 2 * (n_layers - 1),
        "weight_norms": n_layers,
    }
    return sum(counts.get(name, 1) for name in quantities)


def observed(dims: Sequence[int], quantities: Sequence[str], n_samples: int) -> float:
    """Operations of evaluating some quantities from the layers at one time."""
    costs = _per_time(dims, n_samples)
    separate = sum(costs[name] for name in quantities) + 40 * numbers_of(dims, quantities, n_samples)
    shared = chain(dims) if set(quantities) - {"weights", "weight_norms"} else 0.0
    return 0.2 * MICROSECOND + shared + separate


def vectors_of_sharpness(dims: Sequence[int], n_times: int) -> int:
    """Count the numbers in the Lanczos vectors and matrices, which are held for a batch of at least one time."""
    n_weights = sum(a * b for a, b in pairwise(dims))
    return min(12 * max(BATCH_NUMBERS, n_weights), n_times * (10 * n_weights + 3 * _LANCZOS_STEPS**2))


def _of_sharpness(dims: Sequence[int]) -> float:
    """Operations of the Lanczos iteration at one time: products with the Hessian, and Ritz values."""
    n_weights = sum(a * b for a, b in pairwise(dims))
    steps = min(n_weights, _LANCZOS_STEPS)
    products = (6 * len(dims)) * chain(dims) + 3 * MICROSECOND * len(dims)
    return steps * (products + 20 * n_weights) + 30 * steps**3


def _per_time(dims: Sequence[int], n_samples: int) -> dict[str, float]:
    """Operations of each quantity at one time, in addition to those of the network function."""
    n_in, n_out, n_layers, first, last = dims[0], dims[-1], len(dims) - 1, dims[1], dims[-2]
    squares, products = n_in**2 + n_out**2, n_layers * chain(dims)
    pair = 0.05 * MICROSECOND + 20 * squares  # an inner product of two terms of the kernel
    kernel = (n_out * n_samples) ** 2
    gram_in, gram_out = product(n_in, first, n_in), product(n_out, last, n_out)
    error = product(n_out, n_in, n_in)
    terms = products + n_layers * (product(n_in, n_in, n_in) + product(n_out, n_out, n_out))
    balance = sum(product(b, a, b) + product(b, c, b) for a, b, c in zip(dims, dims[1:], dims[2:], strict=False))
    return {
        "loss": error,
        "excess_loss": error,
        "loss_rate": products + sum(product(n_out, n_in, width) for width in dims),
        "output": product(n_out, n_out, n_in) + error,
        "input_representation": product(n_in, n_in, first) + gram_in,
        "output_representation": product(n_out, n_out, last) + gram_out,
        "qqt": product(n_in, n_in, first) + product(n_out, n_out, last) + product(n_in + n_out, first, n_in + n_out),
        "weights": 0.0,
        "singular_values": singular_values(n_out, n_in),
        "mode_strengths": 0.05 * MICROSECOND,
        "alignment": 2.5 * singular_values(n_out, n_in),
        "ntk": terms + n_layers * kernel * (80 + 900 * kernel / (kernel + 4e5)),
        "ntk_distance": 2 * terms + 8 * n_layers**2 * pair,
        "ntk_norm": terms + n_layers**2 * pair,
        "ntk_movement": 2 * terms + 4 * n_layers**2 * pair,
        "rsm_input": product(n_samples, n_in, first) + product(n_samples, first, n_samples),
        "rsm_output": 2.5 * singular_values(n_out, last)
        + product(n_samples, n_out, n_out)
        + product(n_samples, last, n_samples),
        "task_specificity": gram_in + gram_out,
        "balance": balance,
        "effective_rank": singular_values(n_out, n_in),
        "sharpness": _of_sharpness(dims),
        "weight_norms": 0.05 * MICROSECOND * n_layers + 20 * sum(a * b for a, b in pairwise(dims)),
    }
