"""Quantities of a closed form, from its weights at each time or by interpolation of its network function."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.gram_changes import gram_changes
from lindyn_service.dynamics.interpolation import network_functions
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import OBSERVABLES, function
from lindyn_service.dynamics.riccati import Factors, Solution
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.plain_flow import PLAIN, AsAsked

INTERPOLATED = frozenset({"loss", "excess_loss", "output"})
"""Quantities that depend on the network function alone, with errors relative to its largest entries."""

_OF_CHANGE = frozenset({"ntk_distance", "ntk_movement"})
_SMALL_CHANGE = 1e-2  # relative change of the kernel below which differences of its factors lose two digits or more
_OF_ERRORS = frozenset({"loss", "excess_loss", "loss_rate"})

Represented = Callable[[Factors], Factors]
"""Map from the layers of the closed form to layers with the same network function, whose quantities are evaluated."""


def as_they_are(factors: Factors) -> Factors:
    """Return the layers of the closed form unchanged."""
    return factors


def observe(
    solution: ClosedForm,
    objective: Objective,
    times: np.ndarray,
    quantities: Sequence[str],
    *,
    hidden: int,
    time_constant: float,
    represented: Represented = as_they_are,
    asked: AsAsked = PLAIN,
) -> Accumulator:
    """Evaluate quantities of a closed form.

    Args:
        solution: solution of the white-input problem.
        objective: loss function in the singular bases of the task.
        times: ascending, in units of the time constant of the white-input problem.
        quantities: names of the quantities.
        hidden: width of the hidden layer.
        time_constant: tau, in the unit of times.
        represented: layers whose quantities are evaluated.
        asked: transformation from the plain flow to the learning rates of the problem.
    """
    collected = Accumulator(quantities, len(times))
    if INTERPOLATED.issuperset(quantities) and isinstance(solution, Solution):
        _function(solution, objective, times, collected)
        return collected
    start = None
    if not _OF_CHANGE.isdisjoint(quantities):
        start = factors_frame(objective, represented(solution.at(np.zeros(1))), hidden, time_constant)
    for part, factors in solution.batches(times):
        modal = factors_frame(objective, represented(factors), hidden, time_constant, start)
        if not _OF_ERRORS.isdisjoint(quantities):
            modal = replace(modal, error=solution.errors(times[part], modal.strengths))
        collected.observe(part, asked.frame(modal, part))
    if start is not None:
        _small_changes(solution, start, times, collected, represented, asked)
    return collected


def _small_changes(
    solution: ClosedForm,
    start: ModalWeights,
    times: np.ndarray,
    collected: Accumulator,
    represented: Represented,
    asked: AsAsked,
) -> None:
    """Evaluate changes of the kernel again, from integrals instead of differences, while they are small."""
    names = [name for name in collected.names if name in _OF_CHANGE]
    values = [collected.gathered(name) for name in names]
    changed = [np.sqrt(2 * v) if name == "ntk_distance" else v for name, v in zip(names, values, strict=True)]
    small = np.flatnonzero(np.min(changed, axis=0) <= _SMALL_CHANGE)
    if not len(small):
        return
    until = times[: small[-1] + 1]
    changes_out, changes_in = gram_changes(solution, until)
    for part, factors in solution.batches(until):
        batch = slice(part.start, part.start + len(factors.out))
        modal = factors_frame(start.objective, represented(factors), start.hidden[0], start.time_constant, start)
        modal = replace(modal, gram_changes=(changes_out[batch], changes_in[batch]))
        for name in names:
            with np.errstate(over="ignore"):  # `Accumulator.quantities` raises an error that names the quantity
                collected.store(batch, name, OBSERVABLES[name](asked.frame(modal, batch)))


def factors_frame(
    objective: Objective, factors: Factors, hidden: int, time_constant: float, start: ModalWeights | None = None
) -> ModalWeights:
    """Return weights in the singular bases of the task, from which observables are evaluated.

    Args:
        objective: loss function in these bases.
        factors: layers of the white-input problem at some times.
        hidden: width of the hidden layer.
        time_constant: tau, in the unit of times.
        start: the network at time 0; None for that itself.
    """
    return ModalWeights(objective, (factors.into.transpose(0, 2, 1), factors.out), (hidden,), time_constant, start)


def _function(solution: Solution, objective: Objective, times: np.ndarray, collected: Accumulator) -> None:
    """Evaluate quantities of the network function, which is interpolated between nodes."""
    names = collected.names
    outputs = np.empty((len(times), len(objective.u), len(objective.v))) if "output" in names else None
    root = objective.root if isinstance(objective.root, float) else 1.0  # a number, since the inputs are isotropic
    for part, values in network_functions(solution, times, root):
        if part.interval is None:
            if outputs is not None:
                outputs[part.times] = function(values.functions, objective)
            _store_losses(part.times, values.losses, objective, collected)
            continue
        n_nodes = len(values.functions)
        nodes = None if outputs is None else function(values.functions, objective).reshape(n_nodes, -1)
        for batch, weights in part.weights(times, values.functions[0].size):
            if outputs is not None and nodes is not None:
                np.matmul(weights, nodes, out=outputs[batch].reshape(len(weights), -1))
            _store_losses(batch, values.losses_between(times[batch], weights), objective, collected)
    if outputs is not None:
        collected.store_all("output", outputs)


def _store_losses(times: slice, excess: np.ndarray, objective: Objective, collected: Accumulator) -> None:
    collected.store(times, "excess_loss", excess)
    collected.store(times, "loss", excess + (objective.irreducible or 0.0))
