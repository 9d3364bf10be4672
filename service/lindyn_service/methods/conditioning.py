"""Warnings about the overlap of the initial weights with the modes of the task."""

from collections.abc import Iterator

from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.mode_overlap import ModeOverlap
from lindyn_service.methods.base import AnswerWarning

DOUBTFUL_OVERLAP = 1e6
"""Overlap in units of its rounding error below which fewer than six digits of it are certain."""


def saddles(solution: ClosedForm, reached: ModeOverlap, variance: float) -> Iterator[AnswerWarning]:
    """Warn of the modes that the initial weights never learn; `variance` is that of the inputs."""
    for i in reached.missed:
        yield saddle(i, float(solution.modes.s[i]) * variance)


def saddle(mode: int, strength: float) -> AnswerWarning:
    """Warn of a mode that is never learned; `strength` is its singular value in the correlations of the task."""
    return AnswerWarning(
        "saddle",
        f"mode {mode + 1} (s = {strength:.3g}) has no overlap with the initial weights and is never learned",
        (mode,),
    )


def conditioning(solution: ClosedForm, reached: ModeOverlap, variance: float) -> Iterator[AnswerWarning]:
    """Warn of missing and small overlaps, in answers whose errors are not estimated."""
    yield from saddles(solution, reached, variance)
    if reached.smallest_overlap is not None and reached.smallest_overlap < DOUBTFUL_OVERLAP:
        yield AnswerWarning(
            "ill-conditioned",
            f"the smallest overlap of the initial weights with a mode is {reached.smallest_overlap:.3g} rounding "
            f"errors: it, and what grows from it, is known to a relative {1 / reached.smallest_overlap:.1g} only",
        )
