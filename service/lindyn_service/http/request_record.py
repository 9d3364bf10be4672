"""Record of a request for its log line, the metrics and the trace."""

from starlette.types import Scope

from lindyn_service.answers.service import Source
from lindyn_service.http.body_cache import SolverRecord
from lindyn_service.http.state import context_of, resources_of
from lindyn_service.telemetry.tracing import add_attributes


def record_answer(
    scope: Scope, solver: SolverRecord, source: Source, read_seconds: float, answer_seconds: float
) -> None:
    """Record an answer in the log line, the metrics and the trace: how it was solved, its source and its times."""
    resources_of(scope).metrics.answer(solver.operation, source, solver.solver)
    attributes = {"operation": solver.operation, "cache": source, "solver": solver.solver, "flops": solver.flops}
    add_attributes(attributes)
    times = {"read_ms": round(1000 * read_seconds, 2), "answer_ms": round(1000 * answer_seconds, 2)}
    context_of(scope).log_fields.update(attributes, **times)


def route_of(scope: Scope) -> str:
    """Return the path template of the route that served a request."""
    return getattr(scope.get("route"), "path", "none")
