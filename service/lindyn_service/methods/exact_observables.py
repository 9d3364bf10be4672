"""Quantities of a closed form: from its weights at each time, or by interpolation of its network function."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.gram_changes import gram_changes
from lindyn_service.dynamics.interpolation import network_functions
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import OBSERVABLES, excess_of, function
from lindyn_service.dynamics.riccati import Factors, Solution
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.plain_flow import PLAIN, AsAsked

INTERPOLATED = frozenset({"loss", "excess_loss", "output"})
"""Quantities that need the network function alone, and its smallest entries no better than its largest."""

_OF_CHANGE = frozenset({"ntk_distance", "ntk_movement"})
_SMALL_CHANGE = 1e-2  # of the kernel, relative: differences of its factors have lost two digits there
_OF_ERRORS = frozenset({"loss", "excess_loss", "loss_rate"})

Represented = Callable[[Factors], Factors]
"""Layers whose quantities are read, from those of the closed form, which have the same network function."""


def as_they_are(factors: Factors) -> Factors:
    """Read quantities off the layers of the closed form themselves."""
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
    """Read quantities at ascending times, which are in units of the white-input problem's time constant."""
    collected = Accumulator(quantities, len(times))
    if INTERPOLATED.issuperset(quantities) and isinstance(solution, Solution):
        _function(solution, objective, times, collected)
        return collected
    start = None
    if not _OF_CHANGE.isdisjoint(quantities):
        start = factors_frame(objective, represented(solution.at(np.zeros(1))), hidden, time_constant)
    for part, factors in solution.batches(times):
        frame = factors_frame(objective, represented(factors), hidden, time_constant, start)
        if not _OF_ERRORS.isdisjoint(quantities):
            frame = replace(frame, error=solution.errors(times[part], frame.strengths))
        collected.observe(part, asked.frame(frame, part))
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
    """Observe changes of the kernel anew up to the last time at which they are small."""
    names = [name for name in collected.names if name in _OF_CHANGE]
    values = [collected.gathered(name) for name in names]
    changed = [np.sqrt(2 * v) if name == "ntk_distance" else v for name, v in zip(names, values, strict=True)]
    small = np.flatnonzero(np.min(changed, axis=0) <= _SMALL_CHANGE)
    if not len(small):
        return
    until = times[: small[-1] + 1]
    found = gram_changes(solution, until)
    for part, factors in solution.batches(until):
        own = slice(part.start, part.start + len(factors.out))
        frame = factors_frame(start.objective, represented(factors), start.hidden[0], start.time_constant, start)
        frame = replace(frame, gram_changes=(found[0][own], found[1][own]))
        for name in names:
            with np.errstate(over="ignore"):  # refused by its name when it is collected
                collected.store(own, name, OBSERVABLES[name](asked.frame(frame, own)))


def factors_frame(
    objective: Objective, factors: Factors, hidden: int, time_constant: float, start: ModalWeights | None = None
) -> ModalWeights:
    """Put weights of the white-input problem into the frame that observables are read from."""
    return ModalWeights(objective, (factors.into.transpose(0, 2, 1), factors.out), (hidden,), time_constant, start)


def _function(solution: Solution, objective: Objective, times: np.ndarray, collected: Accumulator) -> None:
    """Quantities of the network function; the loss between nodes is that of the interpolated function."""
    asked = collected.names
    outputs = np.empty((len(times), len(objective.u), len(objective.v))) if "output" in asked else None
    learning = set(asked) != {"output"}
    for part, values in network_functions(solution, times):
        if part.interval is None:
            if outputs is not None:
                outputs[part.times] = function(values.functions, objective)
            if learning:
                _store_losses(part.times, values.errors, objective, collected)
            continue
        n_nodes = len(values.functions)
        nodes = None if outputs is None else function(values.functions, objective).reshape(n_nodes, -1)
        for batch, weights in part.weights(times, values.functions[0].size):
            if outputs is not None and nodes is not None:
                np.matmul(weights, nodes, out=outputs[batch].reshape(len(weights), -1))
            if learning:
                between = (weights @ values.errors.reshape(n_nodes, -1)).reshape(-1, *values.errors.shape[1:])
                between *= np.exp(-values.decay * (times[batch] - part.interval.first))[:, None, None]
                _store_losses(batch, between, objective, collected)
    if outputs is not None:
        collected.place("output", outputs)


def _store_losses(times: slice, error: np.ndarray, objective: Objective, collected: Accumulator) -> None:
    with np.errstate(over="ignore"):  # refused by its name when it is collected
        excess = excess_of(error, objective)
    collected.store(times, "excess_loss", excess)
    collected.store(times, "loss", excess + (objective.irreducible or 0.0))
