"""Computation of trajectories: request, learning problem, method, answer."""

from dataclasses import asdict

from lindyn.wire import method
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import Tree
from lindyn_service.methods.all_exact import AllExactSolver
from lindyn_service.methods.base import Method, Outcome, answer
from lindyn_service.methods.descent import DescentSolver
from lindyn_service.methods.flow import FlowSolver
from lindyn_service.methods.high_precision import refined
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.problem import learning_problem, moments


def trajectory(request: TrajectoryRequest, key: str) -> dict[str, Tree]:
    """Answer a normalised request.

    Raises:
        ServiceError: the numbers of the request are contradictory, or no method covers it.
    """
    return _document(request, key, solve(request))


def solve(request: TrajectoryRequest) -> Outcome:
    """Solve a normalised request.

    Raises:
        ServiceError: the numbers of the request are contradictory, or no method covers it.
    """
    trained_on = moments(request.task, request.dims)
    problem = learning_problem(request, trained_on, request.resolved_times(), request.quantities)
    outcome = answer(candidates(request.method), problem)
    if isinstance(request.method, method.AutoMethod):
        return refined(problem, outcome)
    return outcome


def candidates(asked: method.Method) -> tuple[Method, ...]:
    """Return the methods that are tried for a requested method, the preferred one first."""
    match asked:
        case method.AutoMethod():
            return AllExactSolver(brief=True), FlowSolver()
        case method.ExactMethod():
            return (AllExactSolver(),)
        case method.FlowMethod(rtol=rtol, atol=atol):
            return (FlowSolver(rtol, atol),)
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
