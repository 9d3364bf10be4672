"""What sweeps collect of a run: one number for the whole of it, or quantities at all times."""

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
from lindyn_service.methods.base import LearningProblem, Method, Outcome, Warned, answer
from lindyn_service.methods.convergence import reaching

_LEAST_LOSS = 1e-300  # somewhat above 2e-308, below which float64 has fewer digits
_ROUNDINGS = 64  # of the best network function, that its distance may consist of

AT_LAST_TIME = {
    "final_loss": ("loss", None),
    "ntk_movement": ("ntk_movement", None),
    "kernel_distance": ("ntk_distance", None),
    "task_specificity_input": ("task_specificity", "input"),
    "task_specificity_output": ("task_specificity", "output"),
}
"""The quantity and its part that a scalar is at the last time."""


@dataclass
class Summary:
    """What was collected of one run.

    Attributes:
        values: by name; parts of nested quantities under their path, `balance.lambda` and `weights.0`.
        times: those that quantities at all times are at; None when there are none of these.
        warnings: what readers of the values should know, each once.
    """

    values: dict[str, np.ndarray | float] = field(default_factory=dict[str, "np.ndarray | float"])
    times: np.ndarray | None = None
    warnings: list[Warned] = field(default_factory=list[Warned])

    def warn(self, warnings: Sequence[Warned]) -> None:
        """Add those that are new."""
        self.warnings += [warned for warned in warnings if warned not in self.warnings]


def summarise(
    candidates: Sequence[Method], problem: LearningProblem, names: Sequence[str], tolerance: float
) -> Summary:
    """Answer a problem and keep what is named.

    Args:
        candidates: methods that may answer, the preferred one first.
        problem: its own quantities do not count.
        names: scalars and quantities.
        tolerance: excess loss that `convergence_time` waits for.

    Raises:
        ServiceError: no method covers the problem, or a deviation is asked for without training.
    """
    found = Summary()
    read = [name for name in names if name not in ("convergence_time", "deviation")]
    if read:
        _read(found, candidates, problem, read)
    if "convergence_time" in names:
        reached = reaching(candidates, problem, tolerance)
        found.values["convergence_time"] = math.nan if reached.time is None else reached.time
        found.warn(reached.warnings)
    if "deviation" in names:
        _deviation(found, candidates, problem)
    return found


def _read(found: Summary, candidates: Sequence[Method], problem: LearningProblem, names: Sequence[str]) -> None:
    """Quantities, and what scalars read off them at the last time; only that time is computed where it is enough."""
    needed = {AT_LAST_TIME.get(name, (name, None))[0] for name in names}
    only_last = all(name in AT_LAST_TIME for name in names)
    times = problem.times[-1:] if only_last else problem.times
    outcome = answer(candidates, replace(problem, times=times, quantities=tuple(sorted(needed)), estimate=False))
    for name in names:
        quantity, part = AT_LAST_TIME.get(name, (name, None))
        values: Any = outcome.quantities[quantity]
        if name in AT_LAST_TIME:
            found.values[name] = float((values if part is None else values[part])[-1])
        else:
            found.values |= flatten({name: values})
    found.times = None if only_last else outcome.times
    found.warn(outcome.warnings)


def _deviation(found: Summary, candidates: Sequence[Method], problem: LearningProblem) -> None:
    """Mean over the times after 0 of the relative deviation of the exact loss from that of training (thesis 3.4).

    Losses that are rounding errors cannot be compared: their times are left out.
    """
    trained = _losses(candidates, problem)
    if trained.method != "descent":
        raise NotApplicableError(
            f"a deviation compares the closed form with training, the method is {trained.method}; use method descent"
        )
    exact = _losses([AllExactSolver()], replace(problem, times=trained.times))
    later = trained.times > 0
    if not np.any(later):
        raise NotApplicableError("a deviation needs a time after 0; ask for more times")
    losses, expected = (outcome.quantities["loss"][later] for outcome in (trained, exact))
    least = _least_loss(problem)
    held = losses >= least
    deviations: np.ndarray = (expected[held] - losses[held]) / losses[held]
    found.values["deviation"] = float(np.mean(deviations)) if len(deviations) else math.nan
    found.warn([*trained.warnings, *exact.warnings])
    if not np.all(held):
        where = f"{np.count_nonzero(~held)} of {len(held)} times"
        detail = f"the loss of training is below {least:.3g} at {where}, which the deviation leaves out"
        found.warn([Warned("vanishing-loss", f"{detail}: there are rounding errors only")])


def _least_loss(problem: LearningProblem) -> float:
    """That has digits: of float64, and behind a bottleneck, of what the best network function is by rounding errors."""
    moments, n_hidden = problem.moments, len(problem.weights[0])
    spanned = len(moments.sigma_yx.T) if moments.sigma_xx is None else int(np.linalg.matrix_rank(moments.sigma_xx))
    if n_hidden >= min(len(moments.sigma_yx), spanned):
        return _LEAST_LOSS
    found = objective(moments)
    return max(_LEAST_LOSS, 0.5 * (_ROUNDINGS * EPS * float(np.linalg.norm(times_root(found.best, found.root)))) ** 2)


def _losses(candidates: Sequence[Method], problem: LearningProblem) -> Outcome:
    return answer(candidates, replace(problem, quantities=("loss",), estimate=False))
