"""Continual learning: exact solutions of tasks that are learned one after the other."""

from collections.abc import Iterator

import numpy as np

from lindyn.wire.continual import ContinualRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics import continual as dynamics
from lindyn_service.dynamics.early_stopping import best_stops
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import AnswerWarning
from lindyn_service.methods.closed_form_only import require_closed_form
from lindyn_service.methods.conditioning import conditioning
from lindyn_service.methods.exact_run import ExactRun
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.problem import moments, weights


def continual(request: ContinualRequest, key: str) -> dict[str, Tree]:
    """Chain the exact solutions of the tasks, with their losses, forgetting and best stopping times.

    Raises:
        ServiceError: the numbers of the request are contradictory, or the closed form does not cover it.
    """
    problems = _problems(request)
    tau = request.time_constant
    tasks = [dynamics.ContinualTask(p.white.sigma_yx, p.white.variance) for p in problems]
    durations = [None if each.duration == "converged" else each.duration / tau for each in request.tasks]
    first = problems[0]
    try:
        course = dynamics.continual(first.w1, first.w2, first.lam, tasks, durations, request.num, rounded=first.rounded)
    except dynamics.UnsettledError as error:
        path = f"tasks.{error.task}.duration"
        raise NotApplicableError(f"{error}; give a duration", ((path, str(error)),)) from None
    irreducible = np.array([p.white.irreducible_loss or 0.0 for p in problems])
    losses = course.losses + irreducible
    return {
        "key": key,
        "lambda": first.lam,
        "dims": list(request.dims),
        "seed": getattr(request.network, "seed", None),
        "task_seeds": [getattr(each.task, "seed", None) for each in request.tasks],
        "time_constant": tau,
        "times": (course.times * tau).ravel(),
        "loss": _on_one_axis(losses),
        "rate": _on_one_axis(course.rates) / tau,
        "forgetting": _forgetting(losses),
        "final_loss": losses[:, -1],
        "segments": _segments(course, request.num, tau),
        "best_stopping": list(_best_stopping(course, tasks, irreducible, tau)),
        "warnings": [warned.message() for warned in _warnings(course, problems)],
        "version": VERSION,
    }


def _problems(request: ContinualRequest) -> list[ExactRun]:
    """Return the closed form of each task from the initial weights.

    The balance is conserved, so that the closed form covers a segment exactly if it covers its task from these weights.
    """
    all_moments = [moments(each.task, request.dims, f"tasks.{i}.task") for i, each in enumerate(request.tasks)]
    drawn = weights(request.network, all_moments[0])
    problems = [
        require_closed_form(request.network, drawn, trained_on, request.time_constant, f"tasks.{i}.task")
        for i, trained_on in enumerate(all_moments)
    ]
    for i, problem in enumerate(problems):
        if problem.white.basis is not None:
            detail = "the inputs must span all dimensions, so that every task is learned within the same ones"
            raise NotApplicableError(detail, ((f"tasks.{i}.task", detail),))
    return problems


def _on_one_axis(values: np.ndarray) -> np.ndarray:
    """Reshape (segment, num, task) to (task, time)."""
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1]).T)


def _forgetting(losses: np.ndarray) -> np.ndarray:
    """Forgetting, (task, time): the loss minus that at the end of the task's own segment; NaN before."""
    n_segments, num, _ = losses.shape
    changes = _on_one_axis(losses) - np.array([losses[i, -1, i] for i in range(n_segments)])[:, None]
    for i in range(n_segments):
        changes[i, : (i + 1) * num - 1] = np.nan
    return changes


def _segments(course: dynamics.Course, num: int, tau: float) -> list[dict[str, Tree]]:
    return [
        {"task": i, "start": float(t[0]) * tau, "stop": float(t[-1]) * tau, "first": i * num, "last": (i + 1) * num - 1}
        for i, t in enumerate(course.times)
    ]


def _best_stopping(
    course: dynamics.Course, tasks: list[dynamics.ContinualTask], irreducible: np.ndarray, tau: float
) -> Iterator[dict[str, Tree]]:
    for k, segment in enumerate(course.segments):
        for i, stop in enumerate(best_stops(segment, tasks[:k]) if k else ()):
            yield {
                "task": i,
                "segment": k,
                "time": (float(course.times[k, 0]) + stop.time) * tau,
                "loss": stop.loss + float(irreducible[i]),
                "rate": stop.rate / tau,
                "interior": stop.interior,
            }


def _warnings(course: dynamics.Course, problems: list[ExactRun]) -> Iterator[AnswerWarning]:
    for i, (segment, problem) in enumerate(zip(course.segments, problems, strict=True)):
        for warned in conditioning(segment.solution, mode_overlap(segment.solution), problem.white.variance):
            yield AnswerWarning(warned.code, f"task {i}: {warned.detail}", warned.modes)
        if problem.white.irreducible_loss is None:
            yield AnswerWarning(
                "irreducible-loss-unknown",
                f"task {i}: the targets' scale is not given, so its loss is the excess loss; give sigma_yy_trace or "
                "data",
            )
