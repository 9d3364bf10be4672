"""Values that sweeps keep of a run: scalars, and quantities at all times."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lindyn.wire.tree import flatten
from lindyn_service.dynamics.modal_loss import objective, times_root
from lindyn_service.dynamics.tasks import EPS
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.all_exact import AllExactSolver
from lindyn_service.methods.base import AnswerWarning, LearningProblem, Method, Outcome, answer
from lindyn_service.methods.convergence import find_convergence

_LEAST_LOSS = 1e-300  # somewhat above 2e-308, below which float64 loses digits
_ROUNDINGS = 64  # rounding errors in the distance from the best network function

AT_LAST_TIME = {
    "final_loss": ("loss", None),
    "ntk_movement": ("ntk_movement", None),
    "kernel_distance": ("ntk_distance", None),
    "task_specificity_input": ("task_specificity", "input"),
    "task_specificity_output": ("task_specificity", "output"),
}
"""Scalars that are a quantity, or a part of one, at the last time."""


@dataclass
class Summary:
    """Values that are kept of one run.

    Attributes:
        values: scalars and arrays by name; parts of nested quantities by their path, as `balance.lambda` and
            `weights.0`.
        times: times of the arrays; None if there are only scalars.
        warnings: warnings about the values, without duplicates.
    """

    values: dict[str, np.ndarray | float] = field(default_factory=dict[str, "np.ndarray | float"])
    times: np.ndarray | None = None
    warnings: list[AnswerWarning] = field(default_factory=list[AnswerWarning])

    def warn(self, warnings: Sequence[AnswerWarning]) -> None:
        """Add warnings that are new."""
        self.warnings += [warned for warned in warnings if warned not in self.warnings]


def summarise(
    candidates: Sequence[Method], problem: LearningProblem, names: Sequence[str], tolerance: float
) -> Summary:
    """Solve a problem, and keep the named values.

    Args:
        candidates: methods, the preferred one first.
        problem: the learning problem; its quantities are ignored.
        names: names of scalars and quantities.
        tolerance: excess loss that defines `convergence_time`.

    Raises:
        ServiceError: no method covers the problem, or `deviation` is requested without method descent.
    """
    summary = Summary()
    quantities = [name for name in names if name not in ("convergence_time", "deviation")]
    if quantities:
        _read(summary, candidates, problem, quantities)
    if "convergence_time" in names:
        reached = find_convergence(candidates, problem, tolerance)
        summary.values["convergence_time"] = math.nan if reached.time is None else reached.time
        summary.warn(reached.warnings)
    if "deviation" in names:
        _deviation(summary, candidates, problem)
    return summary


def _read(summary: Summary, candidates: Sequence[Method], problem: LearningProblem, names: Sequence[str]) -> None:
    """Keep quantities, and scalars that are quantities at the last time; compute only that time if it suffices."""
    needed = {AT_LAST_TIME.get(name, (name, None))[0] for name in names}
    only_last = all(name in AT_LAST_TIME for name in names)
    times = problem.times[-1:] if only_last else problem.times
    outcome = answer(candidates, replace(problem, times=times, quantities=tuple(sorted(needed)), estimate=False))
    for name in names:
        quantity, part = AT_LAST_TIME.get(name, (name, None))
        values: Any = outcome.quantities[quantity]
        if name in AT_LAST_TIME:
            summary.values[name] = float((values if part is None else values[part])[-1])
        else:
            summary.values |= flatten({name: values})
    summary.times = None if only_last else outcome.times
    summary.warn(outcome.warnings)


def _deviation(summary: Summary, candidates: Sequence[Method], problem: LearningProblem) -> None:
    """Keep the mean relative deviation of the exact loss from that of training, over the times after 0.

    Times at which the loss of training is a rounding error are left out.

    Source: thesis, section 3.4.
    """
    trained = _losses(candidates, problem)
    if trained.method != "descent":
        raise NotApplicableError(
            f"deviation compares the closed form with training by descent, the method is {trained.method}; use method "
            "descent"
        )
    exact = _losses([AllExactSolver()], replace(problem, times=trained.times))
    later = trained.times > 0
    if not np.any(later):
        raise NotApplicableError("deviation needs a time after 0, at which training has made a step; give later times")
    losses, expected = (outcome.quantities["loss"][later] for outcome in (trained, exact))
    least = _least_loss(problem)
    comparable = losses >= least
    deviations: np.ndarray = (expected[comparable] - losses[comparable]) / losses[comparable]
    summary.values["deviation"] = float(np.mean(deviations)) if len(deviations) else math.nan
    summary.warn([*trained.warnings, *exact.warnings])
    if not np.all(comparable):
        where = f"{np.count_nonzero(~comparable)} of {len(comparable)} times"
        detail = f"the loss of training is below {least:.3g} at {where}, which the deviation leaves out"
        summary.warn([AnswerWarning("vanishing-loss", f"{detail}, since such a loss is a rounding error")])


def _least_loss(problem: LearningProblem) -> float:
    """Return the least loss that is not a rounding error.

    With a bottleneck, rounding errors of the best network function bound the excess loss from below.
    """
    moments, n_hidden = problem.moments, len(problem.weights[0])
    spanned = len(moments.sigma_yx.T) if moments.sigma_xx is None else int(np.linalg.matrix_rank(moments.sigma_xx))
    if n_hidden >= min(len(moments.sigma_yx), spanned):
        return _LEAST_LOSS
    goal = objective(moments)
    return max(_LEAST_LOSS, 0.5 * (_ROUNDINGS * EPS * float(np.linalg.norm(times_root(goal.best, goal.root)))) ** 2)


def _losses(candidates: Sequence[Method], problem: LearningProblem) -> Outcome:
    return answer(candidates, replace(problem, quantities=("loss",), estimate=False))
