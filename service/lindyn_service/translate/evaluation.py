"""The losses of other tasks that a request for a trajectory asks for."""

from collections.abc import Iterator, Sequence

import numpy as np

from lindyn.wire.task import DataTask, Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics import tasks
from lindyn_service.dynamics.held_out import held_out
from lindyn_service.methods.base import AnswerWarning, LearningProblem, Method
from lindyn_service.methods.evaluation import Solve, evaluation
from lindyn_service.translate.problem import moments


def evaluated(
    request: TrajectoryRequest,
    asked: Sequence[Task],
    candidates: Sequence[Method],
    problem: LearningProblem,
    solve: Solve,
) -> tuple[dict[str, Tree], tuple[AnswerWarning, ...]]:
    """Evaluate a run on the tasks of `evaluate`.

    Args:
        request: with the training task.
        asked: other tasks.
        candidates: methods that may answer, the preferred one first.
        problem: what is learned.
        solve: answers problems as the run itself was answered.

    Returns:
        The field `evaluation` of the answer, and warnings.

    Raises:
        ServiceError: second moments that no data have, or losses that overflow.
    """
    others = [_moments(task, request.dims, f"evaluate.{i}") for i, task in enumerate(asked)]
    whitening = _whitening(request.task)
    found = evaluation(candidates, problem, [held_out(each, whitening) for each in others], solve)
    document: dict[str, Tree] = {
        "loss": found.losses,
        "best": [{"time": best.time, "loss": best.value} for best in found.best],
        "seeds": [getattr(task, "seed", None) for task in asked],
    }
    return document, tuple(_warnings(others))


def _whitening(task: Task) -> np.ndarray | None:
    """What inputs in the units of a task are multiplied by before the network sees them; None for nothing."""
    return tasks.whitening(task.inputs) if isinstance(task, DataTask) and task.whiten else None


def _moments(task: Task, dims: Sequence[int], path: str) -> tasks.Moments:
    """Moments of other data, whose inputs are whitened as those of the training data are, not by their own moments."""
    if isinstance(task, DataTask):
        return tasks.from_data(task.inputs, task.targets, whiten=False)
    return moments(task, dims, path)


def _warnings(others: Sequence[tasks.Moments]) -> Iterator[AnswerWarning]:
    for i, each in enumerate(others):
        if each.sigma_yy_trace is None:
            yield AnswerWarning(
                "irreducible-loss-unknown",
                f"evaluate.{i}: the targets' scale is not given, so its loss is the excess loss; give its "
                "sigma_yy_trace, or data",
            )
