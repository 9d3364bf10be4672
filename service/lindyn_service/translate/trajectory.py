"""Computation of trajectories: request, learning problem, method, answer."""

from dataclasses import asdict, replace

from lindyn.wire import method
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import Tree
from lindyn_service.methods.all_exact import AllExactSolver
from lindyn_service.methods.base import LearningProblem, Method, Outcome, answer
from lindyn_service.methods.descent import DescentSolver
from lindyn_service.methods.flow import FlowSolver
from lindyn_service.methods.high_precision import refined
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.evaluation import evaluated
from lindyn_service.translate.problem import learning_problem, moments


def trajectory(request: TrajectoryRequest, key: str) -> dict[str, Tree]:
    """Answer a normalised request.

    Raises:
        ServiceError: the numbers of the request are contradictory, or no method covers it.
    """
    problem = _problem(request)
    outcome, is_refined = _solved(request, problem)
    if request.evaluate is None:
        return _document(request, key, outcome)
    methods = candidates(request.method)

    def again(asked: LearningProblem) -> Outcome:
        found = answer(methods, replace(asked, estimate=is_refined))
        return refined(asked, found) if is_refined else found

    evaluation, warnings = evaluated(request, request.evaluate, methods, problem, again)
    outcome = replace(outcome, warnings=(*outcome.warnings, *warnings))
    return {**_document(request, key, outcome), "evaluation": evaluation}


def solve(request: TrajectoryRequest) -> Outcome:
    """Solve a normalised request.

    Raises:
        ServiceError: the numbers of the request are contradictory, or no method covers it.
    """
    return _solved(request, _problem(request))[0]


def _problem(request: TrajectoryRequest) -> LearningProblem:
    trained_on = moments(request.task, request.dims)
    return learning_problem(request, trained_on, request.resolved_times(), request.quantities)


def _solved(request: TrajectoryRequest, problem: LearningProblem) -> tuple[Outcome, bool]:
    """The answer to a problem, and whether it was computed anew in 32 digits."""
    outcome = answer(candidates(request.method), problem)
    if not isinstance(request.method, method.AutoMethod):
        return outcome, False
    better = refined(problem, outcome)
    return better, better is not outcome


def candidates(asked: method.Method) -> tuple[Method, ...]:
    """Return the methods that are tried for a requested method, the preferred one first."""
    match asked:
        case method.AutoMethod():
            return AllExactSolver(brief=True), FlowSolver()
        case method.ExactMethod():
            return (AllExactSolver(),)
        case method.FlowMethod(rtol=rtol, atol=atol, step=step):
            return (FlowSolver(rtol, atol, step),)
        case method.DescentMethod(learning_rate=learning_rate, activation=activation):
            return (DescentSolver(learning_rate, activation),)


def _document(request: TrajectoryRequest, key: str, outcome: Outcome) -> dict[str, Tree]:
    return {
        "key": key,
        "method": outcome.method,
        "reason": outcome.reason,
        "lambda": outcome.lam,
        "dims": list(request.dims),
        "seed": getattr(request.network, "seed", None),
        "task_seed": getattr(request.task, "seed", None),
        "time_constant": request.time_constant,
        "regime": None if outcome.regime is None else asdict(outcome.regime),
        "times": outcome.times,
        "quantities": outcome.quantities,
        "diagnostics": outcome.diagnostics,
        "warnings": [warned.message() for warned in outcome.warnings],
        "version": VERSION,
    }
