"""Which modes the initial weights can learn, and how surely that is known."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.aligned import AlignedSolution
from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.tasks import EPS


@dataclass(frozen=True)
class ModeOverlap:
    """What the overlap of the initial weights with the growing modes decides.

    Attributes:
        task_rank: number of modes with a singular value above rounding.
        reached: number of those that are learned in the end.
        missed: indices of modes without overlap although hidden units are free: the network ends at a saddle.
        smallest_overlap: of a direction that is reached, in units of the rounding error of the weights.
        rounding_time: when an overlap of one rounding error with the fastest missed mode would be learned, in units of
            the time constant; None when nothing is missed.
    """

    task_rank: int
    reached: int
    missed: tuple[int, ...]
    smallest_overlap: float | None
    rounding_time: float | None


def mode_overlap(solution: ClosedForm) -> ModeOverlap:
    """Read the reach of the initial weights off the solution.

    Source: docs/theory.md, section 2: a row of the echelon form that is no pivot is a mode without overlap.
    """
    modes = solution.modes
    largest_side = max(len(modes.u), len(modes.v))
    task_rank = int(np.count_nonzero(modes.s > largest_side * EPS * modes.s[0]))
    if isinstance(solution, AlignedSolution):
        return _of_aligned(solution, task_rank)
    reduced = solution.echelon
    missed = tuple(int(i) for i in reduced.unreached if i < task_rank)
    growing = reduced.pivots[modes.eigenvalues[reduced.pivots] > 0]
    return ModeOverlap(
        task_rank=task_rank,
        reached=int(np.count_nonzero(reduced.pivots < task_rank)),
        missed=missed,
        smallest_overlap=_smallest(reduced.remainders[growing], reduced.doubts[growing]),
        rounding_time=_rounding_time(float(modes.kappa[missed[0]]), reduced.doubts[missed[0]]) if missed else None,
    )


def _of_aligned(solution: AlignedSolution, task_rank: int) -> ModeOverlap:
    """Each mode has rounding errors of its own."""
    missed = tuple(int(i) for i in solution.unreached if i < task_rank)
    kappa, rounding = solution.modes.kappa, solution.rounding
    return ModeOverlap(
        task_rank=task_rank,
        reached=int(np.count_nonzero(solution.pairs.grow[:task_rank])),
        missed=missed,
        smallest_overlap=solution.smallest_overlap,
        rounding_time=_rounding_time(float(kappa[missed[0]]), float(rounding[missed[0]])) if missed else None,
    )


def _smallest(overlaps: Float[np.ndarray, " pivot"], doubts: Float[np.ndarray, " pivot"]) -> float | None:
    """Overlap in units of its rounding error; None where there are none, or all are exact."""
    inexact = doubts > 0
    return float(np.min(overlaps[inexact] / doubts[inexact])) if np.any(inexact) else None


def _rounding_time(rate: float, overlap: float) -> float | None:
    """Time for an overlap to grow at `rate` to the size of a learned mode, sqrt(2 rate)."""
    return max(0.0, math.log(math.sqrt(2 * rate) / overlap)) / rate if overlap > 0 else None
