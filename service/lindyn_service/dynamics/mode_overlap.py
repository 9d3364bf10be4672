"""Overlap of the initial weights with the modes of the task, which decides the modes that can be learned."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.aligned import AlignedSolution
from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.tasks import EPS


@dataclass(frozen=True)
class ModeOverlap:
    """Overlap of the initial weights with the growing modes.

    Attributes:
        task_rank: number of modes with a singular value above rounding errors.
        reached: number of these that are learned as t -> infinity.
        missed: indices of modes that are never learned for lack of overlap, although there are hidden units for them;
            the network then converges to a saddle.
        smallest_overlap: smallest overlap with a reached direction, in units of the rounding error of the weights.
        rounding_time: time at which an overlap of one rounding error with the fastest missed mode would have grown to
            the size of a learned mode, in units of the time constant; None if no mode is missed.
    """

    task_rank: int
    reached: int
    missed: tuple[int, ...]
    smallest_overlap: float | None
    rounding_time: float | None


def mode_overlap(solution: ClosedForm) -> ModeOverlap:
    """Determine from an exact solution which modes the initial weights reach.

    Source: docs/theory.md, section 2: a row of the echelon form without a pivot is a mode without overlap.
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
        smallest_overlap=_smallest(reduced.remainders[growing], reduced.remainder_errors[growing]),
        rounding_time=_rounding_time(float(modes.kappa[missed[0]]), reduced.remainder_errors[missed[0]])
        if missed
        else None,
    )


def _of_aligned(solution: AlignedSolution, task_rank: int) -> ModeOverlap:
    """Overlap of aligned weights, in which each mode has its own rounding error."""
    missed = tuple(int(i) for i in solution.unreached if i < task_rank)
    kappa, rounding = solution.modes.kappa, solution.rounding
    return ModeOverlap(
        task_rank=task_rank,
        reached=int(np.count_nonzero(solution.pairs.grow[:task_rank])),
        missed=missed,
        smallest_overlap=solution.smallest_overlap,
        rounding_time=_rounding_time(float(kappa[missed[0]]), float(rounding[missed[0]])) if missed else None,
    )


def _smallest(overlaps: Float[np.ndarray, " pivot"], remainder_errors: Float[np.ndarray, " pivot"]) -> float | None:
    """Smallest overlap in units of its rounding error; None if there are no overlaps, or all are exact."""
    inexact = remainder_errors > 0
    return float(np.min(overlaps[inexact] / remainder_errors[inexact])) if np.any(inexact) else None


def _rounding_time(rate: float, overlap: float) -> float | None:
    """Time for an overlap to grow at `rate` to the size of a learned mode, sqrt(2 rate)."""
    return max(0.0, math.log(math.sqrt(2 * rate) / overlap)) / rate if overlap > 0 else None
