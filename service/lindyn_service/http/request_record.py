"""What is noted of a request on its way, for its line in the log and for the metrics."""

import re
from dataclasses import dataclass

from starlette.types import Scope

from lindyn_service.answers.service import Answer, Source
from lindyn_service.methods.cost import Cost
from lindyn_service.telemetry.metrics import Metrics
from lindyn_service.telemetry.tracing import add_attributes

_HEAD_BYTES = 65_536
_METHOD = re.compile(rb'"method": ?"(\w+)"')


@dataclass(frozen=True)
class Solved:
    """How a request is answered: the name of its operation, the method, and what it was estimated to cost."""

    operation: str
    solver: str
    flops: int


def solved_by(operation: str, answer: Answer, cost: Cost) -> Solved:
    """How this answer came about."""
    beginning = answer.body if isinstance(answer.body, bytes) else answer.body.head
    return Solved(operation, method_of(beginning), round(cost.flops))


def note_answer(scope: Scope, solved: Solved, source: Source, read_seconds: float, answer_seconds: float) -> None:
    """Note an answer: how it was solved, where it came from, how long it took."""
    metrics: Metrics = scope["app"].state.metrics
    metrics.answer(solved.operation, source, solved.solver)
    found = {"operation": solved.operation, "cache": source, "solver": solved.solver, "flops": solved.flops}
    add_attributes(found)
    times = {"read_ms": round(1000 * read_seconds, 2), "answer_ms": round(1000 * answer_seconds, 2)}
    scope["state"]["record"].update(found, **times)


def method_of(body: bytes) -> str:
    """The method that an answer names near its beginning, in JSON or in npz, whose text has four bytes a letter."""
    found = _METHOD.search(body[:_HEAD_BYTES].replace(b"\0", b""))
    return "none" if found is None else found[1].decode()


def route_of(scope: Scope) -> str:
    """The template of the route that served a request."""
    return getattr(scope.get("route"), "path", "none")
