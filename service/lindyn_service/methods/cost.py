"""What an answer will cost, estimated before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

_SVD_FLOPS = 20  # times n^3, for a singular value decomposition


@dataclass(frozen=True)
class Cost:
    """Estimated floating-point operations, numbers in the answer, and numbers in memory beside it."""

    flops: float
    numbers: int
    work_numbers: int


def estimate(dims: Sequence[int], n_times: int, quantities: Sequence[str], n_samples: int = 0) -> Cost:
    """Estimate an exact solution of two layers; data of `n_samples` rows are factorised first.

    The leading terms of the operations that `dynamics.exact` and `dynamics.observables` do, for any widths.
    """
    n_in, n_hidden, n_out = dims[0], max(dims[1:-1]), dims[-1]
    rows = n_in + n_out
    data = n_samples * rows
    pivots = min(rows, n_hidden)
    per_time = 2 * rows * pivots**2 + pivots**3 + 2 * n_in * n_out * pivots
    once = _SVD_FLOPS * (max(n_in, n_out) ** 3 + rows * pivots * n_hidden + n_samples * min(n_samples, n_in) * n_in)
    per_quantity = {name: _per_time(name, n_in, pivots, n_out) for name in quantities}
    flops = once + n_times * (per_time + sum(flops for flops, _ in per_quantity.values()))
    numbers = n_times * (1 + sum(numbers for _, numbers in per_quantity.values()))
    return Cost(float(flops), numbers, 3 * (data + rows * n_hidden + rows * rows))


def _per_time(quantity: str, n_in: int, pivots: int, n_out: int) -> tuple[int, int]:
    """Operations and numbers of a quantity at one time."""
    rows, modes = n_in + n_out, min(n_in, n_out)
    match quantity:
        case "output":
            return 2 * n_in * n_out * rows, n_in * n_out
        case "input_representation":
            return 4 * n_in**2 * pivots, n_in**2
        case "output_representation":
            return 4 * n_out**2 * pivots, n_out**2
        case "qqt":
            return 4 * rows**2 * pivots, rows**2
        case "singular_values":
            return _SVD_FLOPS * modes**2 * max(n_in, n_out), modes
        case "mode_strengths":
            return 0, modes
        case "balance":
            return 4 * rows * pivots**2, 2
        case _:
            return 3 * n_in * n_out, 1
