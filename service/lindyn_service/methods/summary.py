"""What sweeps collect of a run: one number for the whole of it, or quantities at all times."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lindyn_service.dynamics.convergence import convergence_time
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import Method, Outcome, Problem, Refusal, answer
from lindyn_service.methods.exact import ExactMethod

Summary = dict[str, np.ndarray | float]

_AT_LAST_TIME = {
    "final_loss": ("loss", None),
    "ntk_movement": ("ntk_movement", None),
    "kernel_distance": ("ntk_distance", None),
    "task_specificity_input": ("task_specificity", "input"),
    "task_specificity_output": ("task_specificity", "output"),
}


def summarise(candidates: Sequence[Method], problem: Problem, names: Sequence[str], tolerance: float) -> Summary:
    """Answer a problem and keep what is named.

    Args:
        candidates: methods that may answer, the preferred one first.
        problem: its own quantities do not count.
        names: scalars and quantities.
        tolerance: excess loss that `convergence_time` waits for.

    Raises:
        ServiceError: no method covers the problem, or a deviation is asked for without training.
    """
    found: Summary = {}
    read = [name for name in names if name not in ("convergence_time", "deviation")]
    if read:
        found |= _read(candidates, problem, read)
    if "convergence_time" in names:
        found["convergence_time"] = _convergence_time(candidates, problem, tolerance)
    if "deviation" in names:
        found["deviation"] = _deviation(candidates, problem)
    return found


def _read(candidates: Sequence[Method], problem: Problem, names: Sequence[str]) -> Summary:
    """Quantities, and what scalars read off them at the last time; only that time is computed where it is enough."""
    needed = {_AT_LAST_TIME.get(name, (name, None))[0] for name in names}
    times = problem.times[-1:] if all(name in _AT_LAST_TIME for name in names) else problem.times
    outcome = answer(candidates, replace(problem, times=times, quantities=tuple(sorted(needed))))
    found: Summary = {}
    for name in names:
        quantity, part = _AT_LAST_TIME.get(name, (name, None))
        values: Any = outcome.quantities[quantity]
        if name in _AT_LAST_TIME:
            found[name] = float((values if part is None else values[part])[-1])
        else:
            found |= _flat(name, values)
    return found


def _convergence_time(candidates: Sequence[Method], problem: Problem, tolerance: float) -> float:
    """When the excess loss is within the tolerance, NaN if never: a root of the closed form where that applies.

    Elsewhere the loss is interpolated between the times that were asked for, and what comes later counts as never.
    """
    if isinstance(candidates[0], ExactMethod):
        run = ExactMethod().examine(problem)
        if not isinstance(run, Refusal):
            found = convergence_time(run.solution(), tolerance / run.white.variance)
            return float("nan") if found is None else found * run.time_constant
    outcome = _losses(candidates, problem, "excess_loss")
    return _first_crossing(outcome.times, outcome.quantities["excess_loss"], tolerance)


def _first_crossing(times: np.ndarray, losses: np.ndarray, tolerance: float) -> float:
    below = np.flatnonzero(losses <= tolerance)
    if not len(below):
        return float("nan")
    i = int(below[0])
    return float(times[0]) if i == 0 else float(np.interp(-tolerance, -losses[i - 1 : i + 1], times[i - 1 : i + 1]))


def _deviation(candidates: Sequence[Method], problem: Problem) -> float:
    """Mean over the times after 0 of the relative deviation of the exact loss from that of training (thesis 3.4)."""
    trained = _losses(candidates, problem, "loss")
    if trained.method != "descent":
        raise NotApplicableError(
            f"a deviation compares the closed form with training, the method is {trained.method}; use method descent"
        )
    exact = _losses([ExactMethod()], replace(problem, times=trained.times), "loss")
    later = trained.times > 0
    if not np.any(later):
        raise NotApplicableError("a deviation needs a time after 0; ask for more times")
    losses: np.ndarray = trained.quantities["loss"][later]
    deviations: np.ndarray = (exact.quantities["loss"][later] - losses) / losses
    return float(deviations.mean())


def _losses(candidates: Sequence[Method], problem: Problem, name: str) -> Outcome:
    return answer(candidates, replace(problem, quantities=(name,)))


def _flat(name: str, values: np.ndarray | Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> Summary:
    """Parts of nested quantities under their path, `balance.lambda` and `weights.0`."""
    match values:
        case np.ndarray():
            return {name: values}
        case Mapping():
            return {f"{name}.{part}": value for part, value in values.items()}
        case _:
            return {f"{name}.{i}": value for i, value in enumerate(values)}
