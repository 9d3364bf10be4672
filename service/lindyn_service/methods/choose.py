"""Which method answers a problem."""

from lindyn_service.errors import ServiceError
from lindyn_service.methods.base import Applicable, Method, Problem
from lindyn_service.methods.exact import ExactMethod


def methods() -> tuple[Method, ...]:
    """All methods, the one that `auto` prefers first."""
    return (ExactMethod(),)


def choose(name: str, problem: Problem) -> Applicable:
    """Find the named method, or for `auto` the first that covers the problem.

    Raises:
        ServiceError: why the method, or for `auto` the preferred one, does not cover it.
    """
    candidates = [method for method in methods() if name in ("auto", method.name)]
    verdicts = [method.examine(problem) for method in candidates]
    for verdict in verdicts:
        if not isinstance(verdict, ServiceError):
            return verdict
    raise next(verdict for verdict in verdicts if isinstance(verdict, ServiceError))
