"""When the excess loss of a run has fallen to a tolerance, by whatever method covers it."""

from collections.abc import Sequence
from dataclasses import replace

from lindyn_service.dynamics.convergence import convergence_time
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.methods.base import LearningProblem, Method, Reached, choose
from lindyn_service.methods.conditioning import conditioning
from lindyn_service.methods.descent import DescentRun
from lindyn_service.methods.exact import ExactRun
from lindyn_service.methods.flow import FlowRun
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.one_layer import OneLayerRun


def reaching(candidates: Sequence[Method], problem: LearningProblem, tolerance: float) -> Reached:
    """Find the time, whichever times were asked for, by the first method that covers the problem.

    A root of the closed form may lie beyond the last time; the flow is integrated, and descent is run, up to it.

    Args:
        candidates: the preferred one first.
        problem: its quantities do not count.
        tolerance: in units of the loss.

    Raises:
        ServiceError: no method covers the excess loss of the problem, or it cannot go as far as the last time.
    """
    chosen, _ = choose(candidates, replace(problem, quantities=("excess_loss",)))
    match chosen:
        case ExactRun():
            return _of_closed_form(chosen, tolerance)
        case FlowRun() | DescentRun() | ModalRun() | OneLayerRun():
            return chosen.reaching(tolerance)
        case _:
            raise TypeError(f"{type(chosen).__name__} does not say when a loss is reached")


def _of_closed_form(run: ExactRun, tolerance: float) -> Reached:
    solution = run.solution()
    time = convergence_time(solution, tolerance / run.white.variance)
    warnings = tuple(conditioning(solution, mode_overlap(solution), run.white.variance))
    return Reached(run.time_at(time), warnings)
