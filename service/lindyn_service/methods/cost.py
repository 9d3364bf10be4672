"""What an answer will cost, estimated before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SVD_FLOPS = 20  # times n^3, for a singular value decomposition
_STEP_FLOPS = 2e5  # what a step of training costs beside its arithmetic, in flops that take as long
_RUNS = 2  # of training, of which one tells the errors of the other
_EVALUATIONS = 2000  # of the flow or of the gauge, a typical number


@dataclass(frozen=True)
class Cost:
    """Estimated floating-point operations, numbers in the answer, and numbers in memory beside it."""

    flops: float
    numbers: int
    work_numbers: int

    def __add__(self, other: "Cost") -> "Cost":
        """Of both, one after the other."""
        return Cost(self.flops + other.flops, self.numbers + other.numbers, max(self.work_numbers, other.work_numbers))


def estimate(
    dims: Sequence[int], n_times: int, quantities: Sequence[str], n_samples: int = 0, *, steps: float = 0
) -> Cost:
    """Estimate a trajectory; data of `n_samples` rows are factorised first, training takes `steps`.

    The leading terms of the operations that `dynamics` does, for any widths: the closed form of two layers, a typical
    integration of more of them, or training.
    """
    n_in, n_hidden, n_out = dims[0], max(dims[1:-1]), dims[-1]
    rows, n_weights = n_in + n_out, sum(a * b for a, b in pairwise(dims))
    data = n_samples * rows
    pivots = min(rows, n_hidden)
    per_time = 2 * rows * pivots**2 + pivots**3 + 2 * n_in * n_out * pivots
    evaluation = 6 * n_weights * (n_samples if steps else min(n_in, n_out))
    moves = steps * (_RUNS * evaluation + _STEP_FLOPS)
    if not steps and (len(dims) > 3 or "weights" in quantities):
        moves = _EVALUATIONS * evaluation
    once = _SVD_FLOPS * (max(n_in, n_out) ** 3 + rows * pivots * n_hidden + n_samples * min(n_samples, n_in) * n_in)
    costs = _per_time(dims, pivots, n_samples or n_in)
    each = [costs[name] for name in quantities]
    flops = once + moves + n_times * (per_time + sum(flops for flops, _ in each))
    numbers = n_times * (1 + sum(numbers for _, numbers in each))
    recorded = _RUNS * n_times * (n_weights + n_in * n_out) if steps else 0
    return Cost(float(flops), numbers, 3 * (data + rows * n_hidden + rows * rows + n_weights) + recorded)


def _per_time(dims: Sequence[int], pivots: int, n_samples: int) -> dict[str, tuple[int, int]]:
    """Operations and numbers of each quantity at one time."""
    n_in, n_out, n_layers = dims[0], dims[-1], len(dims) - 1
    rows, modes, n_weights = n_in + n_out, min(n_in, n_out), sum(a * b for a, b in pairwise(dims))
    squares, svd = n_in**2 + n_out**2, _SVD_FLOPS * modes**2 * max(n_in, n_out)
    kernel, similarity = (n_out * n_samples) ** 2, 2 * n_samples**2 * pivots
    return {
        "loss": (3 * n_in * n_out, 1),
        "excess_loss": (3 * n_in * n_out, 1),
        "loss_rate": (4 * n_layers * n_in * n_out * pivots, 1),
        "output": (2 * n_in * n_out * rows, n_in * n_out),
        "input_representation": (4 * n_in**2 * pivots, n_in**2),
        "output_representation": (4 * n_out**2 * pivots, n_out**2),
        "qqt": (4 * rows**2 * pivots, rows**2),
        "weights": (4 * rows * pivots**2, n_weights),
        "singular_values": (svd, modes),
        "mode_strengths": (0, modes),
        "alignment": (svd, 2 * modes),
        "ntk": (2 * n_layers * kernel, kernel),
        "ntk_distance": (4 * n_layers * squares * (pivots + n_layers), 1),
        "ntk_norm": (4 * n_layers * squares * (pivots + n_layers), 1),
        "rsm_input": (similarity, n_samples**2),
        "rsm_output": (similarity + _SVD_FLOPS * n_out * pivots * rows, n_samples**2),
        "task_specificity": (4 * squares * pivots, 2),
        "balance": (4 * rows * pivots**2, 2 * (n_layers - 1)),
        "weight_norms": (2 * rows * pivots, n_layers),
    }
