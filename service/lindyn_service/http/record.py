"""What is noted of a request on its way, for its line in the log and for the metrics."""

import re
from typing import Any

from fastapi import Request
from starlette.types import Scope

from lindyn_service.answer import Answer
from lindyn_service.methods.cost import Cost
from lindyn_service.metrics import Metrics
from lindyn_service.operations import Operation
from lindyn_service.tracing import describe

_HEAD_BYTES = 65_536
_METHOD = re.compile(rb'"method": ?"(\w+)"')


def note_answer(
    request: Request, operation: Operation[Any], answer: Answer, cost: Cost | None, read_seconds: float
) -> None:
    """Note an answer: where it came from, how it was solved, what it was estimated to cost, how long it took."""
    solver = method_of(answer.body)
    metrics: Metrics = request.app.state.metrics
    metrics.answer(operation.name, answer.source, solver)
    found = {
        "operation": operation.name,
        "cache": answer.source,
        "solver": solver,
        "flops": None if cost is None else round(cost.flops),
    }
    describe(found)
    request.state.record.update(found, read_ms=round(1000 * read_seconds, 2), answer_ms=round(1000 * answer.seconds, 2))


def method_of(body: bytes) -> str:
    """The method that an answer names near its beginning, in JSON or in npz, whose text has four bytes a letter."""
    found = _METHOD.search(body[:_HEAD_BYTES].replace(b"\0", b""))
    return "none" if found is None else found[1].decode()


def route_of(scope: Scope) -> str:
    """The template of the route that served a request."""
    return getattr(scope.get("route"), "path", "none")
