"""Record of a request for its log line, the metrics and the trace."""

import re

from starlette.types import Scope

from lindyn_service.answers.service import Answer, Source
from lindyn_service.http.body_cache import SolverRecord
from lindyn_service.http.state import context_of, resources_of
from lindyn_service.methods.cost import Cost
from lindyn_service.telemetry.tracing import add_attributes

_HEAD_BYTES = 65_536
_METHOD = re.compile(rb'"method": ?"(\w+)"')


def solver_record(operation: str, answer: Answer, cost: Cost) -> SolverRecord:
    """Return how an answer was solved."""
    head = answer.body if isinstance(answer.body, bytes) else answer.body.head
    return SolverRecord(operation, method_of(head), round(cost.flops))


def record_answer(
    scope: Scope, solver: SolverRecord, source: Source, read_seconds: float, answer_seconds: float
) -> None:
    """Record an answer in the log line, the metrics and the trace: how it was solved, its source and its times."""
    resources_of(scope).metrics.answer(solver.operation, source, solver.solver)
    attributes = {"operation": solver.operation, "cache": source, "solver": solver.solver, "flops": solver.flops}
    add_attributes(attributes)
    times = {"read_ms": round(1000 * read_seconds, 2), "answer_ms": round(1000 * answer_seconds, 2)}
    context_of(scope).log_fields.update(attributes, **times)


def method_of(body: bytes) -> str:
    """Return the method that the head of an answer names, in JSON or in npz, whose text has four bytes a character."""
    match = _METHOD.search(body[:_HEAD_BYTES].replace(b"\0", b""))
    return "none" if match is None else match[1].decode()


def route_of(scope: Scope) -> str:
    """Return the path template of the route that served a request."""
    return getattr(scope.get("route"), "path", "none")
