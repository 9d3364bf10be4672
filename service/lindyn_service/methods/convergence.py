"""Time at which the excess loss has fallen to a tolerance, by the first method that covers the problem."""

from collections.abc import Sequence
from dataclasses import replace

from lindyn_service.dynamics.convergence import convergence_time
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.methods.base import Convergence, LearningProblem, Method, choose
from lindyn_service.methods.conditioning import conditioning
from lindyn_service.methods.descent import DescentRun
from lindyn_service.methods.exact_run import ExactRun
from lindyn_service.methods.flow import FlowRun
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.one_layer import OneLayerRun


def find_convergence(candidates: Sequence[Method], problem: LearningProblem, tolerance: float) -> Convergence:
    """Find the first time at which the excess loss is at most the tolerance.

    The closed form also finds times after the last one of the problem; the flow and descent end at the last one.

    Args:
        candidates: methods, the preferred one first.
        problem: the learning problem; its quantities are ignored.
        tolerance: excess loss, in units of the loss.

    Raises:
        ServiceError: no method covers the excess loss of the problem, or the flow or descent fails before the last
            time.
    """
    chosen, _ = choose(candidates, replace(problem, quantities=("excess_loss",)))
    match chosen:
        case ExactRun():
            return _of_closed_form(chosen, tolerance)
        case FlowRun() | DescentRun() | ModalRun() | OneLayerRun():
            return chosen.convergence(tolerance)
        case _:
            raise TypeError(f"{type(chosen).__name__} has no time of convergence")


def _of_closed_form(run: ExactRun, tolerance: float) -> Convergence:
    solution = run.solution()
    time = convergence_time(solution, tolerance / run.white.variance)
    warnings = tuple(conditioning(solution, mode_overlap(solution), run.white.variance))
    return Convergence(run.time_at(time), warnings)
