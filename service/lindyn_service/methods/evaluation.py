"""Losses on other data along a run, by whatever method covers it, and the best times to stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lindyn_service.dynamics.held_out import HeldOut
from lindyn_service.dynamics.layers import network_function
from lindyn_service.dynamics.minima import Minimum, minima
from lindyn_service.dynamics.tasks import fitted
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, Method, Outcome, choose
from lindyn_service.methods.cost_flow import Scales, rates
from lindyn_service.methods.descent import DescentRun
from lindyn_service.methods.plain_flow import clock, plain, plain_decay

_BATCH_NUMBERS = 2**21  # of the network functions that are evaluated at once

Solve = Callable[[LearningProblem], Outcome]


@dataclass(frozen=True)
class Evaluation:
    """Losses of some tasks, (task, time), and the least one of each at any time up to the last."""

    losses: np.ndarray
    best: tuple[Minimum, ...]


def evaluation(
    candidates: Sequence[Method], problem: LearningProblem, tasks: Sequence[HeldOut], solve: Solve
) -> Evaluation:
    """Evaluate a run on other data.

    Args:
        candidates: methods that may answer, the preferred one first.
        problem: its quantities do not count.
        tasks: other data.
        solve: answers problems as the run itself was answered.

    Raises:
        ServiceError: no method covers the problem, or losses overflow.
    """
    problem = replace(problem, quantities=("output",))
    chosen, _ = choose(candidates, problem)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        steps = isinstance(chosen, DescentRun)
        found = _of_steps(chosen, tasks) if steps else _of_solution(problem, tasks, solve)
    if not np.all(np.isfinite(found.losses)):
        raise NotApplicableError(
            "losses of evaluate overflow float64 for weights and data of this size; scale these to the order of one"
        )
    return found


def _of_steps(run: DescentRun, tasks: Sequence[HeldOut]) -> Evaluation:
    """The losses after every step, of which the least are the best."""
    steps, eta, activation = run.steps(), run.method.learning_rate, run.method.activation
    losses = np.empty((len(tasks), int(steps[-1]) + 1))
    for part, layers in run.every_step():
        for row, task in enumerate(tasks):
            if activation == "linear":
                losses[row, part] = task.losses(network_function(layers))
            else:
                losses[row, part] = task.losses_of_networks(layers, activation)
    best = [int(np.argmin(each)) for each in losses]
    stops = tuple(Minimum(step * eta, float(each[step])) for step, each in zip(best, losses, strict=True))
    return Evaluation(losses[:, steps], stops)


def _of_solution(problem: LearningProblem, tasks: Sequence[HeldOut], solve: Solve) -> Evaluation:
    """The losses at the times, and their minima along the solution, searched in the clock of the plain flow."""

    def losses(times: np.ndarray) -> np.ndarray:
        found = np.empty((len(tasks), len(times)))
        size = max(1, _BATCH_NUMBERS // problem.moments.sigma_yx.size)
        for first in range(0, len(times), size):
            part = slice(first, first + size)
            functions = solve(replace(problem, times=times[part])).quantities["output"]
            for row, task in enumerate(tasks):
                found[row, part] = task.losses(functions)
        return found

    end = float(clock(problem, problem.times[-1:])[0])
    least = minima(lambda elapsed: losses(_times(problem, elapsed)), end, _speed(problem, end))
    at = _times(problem, np.array([each.time for each in least]))
    stops = tuple(Minimum(float(time), each.value) for time, each in zip(at, least, strict=True))
    return Evaluation(losses(problem.times), stops)


def _times(problem: LearningProblem, elapsed: np.ndarray) -> np.ndarray:
    """Ascending times at which the plain flow is at times of its own, no later than the last one."""
    found = elapsed * problem.time_constant if problem.rates is None else problem.rates.times(elapsed)
    return np.minimum(np.maximum.accumulate(found), problem.times[-1])


def _speed(problem: LearningProblem, span: float) -> float:
    """An estimate of the fastest rate until a time of the plain flow."""
    started, moments, fit = plain(problem), problem.moments, fitted(problem.moments)
    best, largest = float(np.linalg.norm(fit.best)), float(np.max(fit.variances, initial=0.0))
    strengths = np.array([float(np.linalg.norm(w)) for w in started.weights])
    scales = Scales(strengths, float(np.linalg.norm(moments.sigma_yx)), (best, 0.0), (largest, 0.0))
    return rates(scales, span)[0] + sum(plain_decay(problem))
