"""Quantities of many networks of equal widths on one task, evaluated together."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.alignment import PARTLY_DEFINED
from lindyn_service.dynamics.balanced_changes import balanced_changes
from lindyn_service.dynamics.block_dense import dense_losses
from lindyn_service.dynamics.block_solution import BlockSolution, Layers
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import OBSERVABLES, Values

LOSSES = frozenset({"loss", "excess_loss"})
OF_CHANGE = frozenset({"ntk_movement", "ntk_distance"})
_OF_ERRORS = LOSSES | {"loss_rate"}
_SMALL_CHANGE = 1e-2  # as in `exact_observables`, which computes smaller changes of the kernel as integrals

Found = dict[str, np.ndarray | dict[str, np.ndarray]]
"""Quantities by name, network and time first."""


def observe_block(
    solution: BlockSolution,
    objective: Objective,
    times: np.ndarray,
    quantities: Collection[str],
    *,
    hidden: int,
    time_constant: float,
) -> tuple[Found, np.ndarray]:
    """Evaluate quantities at ascending times.

    Args:
        solution: solutions of the networks.
        objective: loss function in the singular bases of the task.
        times: in units of the time constant of the white-input problem.
        quantities: names of the quantities.
        hidden: width of the hidden layer.
        time_constant: tau, in the unit of times.

    Returns:
        The quantities; and for each network whether all of them are finite and as accurate as those of
        `exact_observables.observe`.
    """
    found: Found = {}
    good = np.ones(len(solution), dtype=bool)
    if LOSSES.issuperset(quantities):
        excess, known = dense_losses(solution, times)
        with np.errstate(over="ignore"):
            excess *= float(objective.root) ** 2 if isinstance(objective.root, float) else 1.0
        found = {"excess_loss": excess, "loss": excess + (objective.irreducible or 0.0)}
        return found, np.all(known & np.isfinite(excess), axis=1)
    lam = solution.start.modes.lam
    parts = _modal_parts(
        solution, objective, times, hidden, time_constant, with_start=not OF_CHANGE.isdisjoint(quantities)
    )
    for part, batch, layers, modal in parts:
        known = layers.known if _OF_ERRORS.isdisjoint(quantities) else layers.known & layers.good
        good[part] &= np.all(known, axis=1)
        for name in quantities:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                values = OBSERVABLES[name](modal)
            if name in OF_CHANGE:
                values, known = _change(name, modal, values, lam[part], layers.known.shape)
                good[part] &= known
            if name not in PARTLY_DEFINED:
                good[part] &= _are_finite(values, layers.known.shape)
            _store(found, name, values, (part, batch), (len(solution), len(times)))
    return found, good


def _modal_parts(
    solution: BlockSolution,
    objective: Objective,
    times: np.ndarray,
    hidden: int,
    time_constant: float,
    *,
    with_start: bool,
) -> Iterator[tuple[slice, slice, Layers, ModalWeights]]:
    """Yield modal weights of batches of networks and times, whose first axis has all times of each network in turn."""
    for part, batch, layers in solution.layers(times[None]):
        start: ModalWeights | None = None
        if with_start:
            which = np.arange(len(solution))[part]
            at_first = next(solution[which].layers(np.zeros((1, 1))))[2]
            n_times = layers.known.shape[1]
            into, out = (np.repeat(w[:, 0], n_times, axis=0) for w in (at_first.into, at_first.out))
            start = _modal_weights(objective, into, out, hidden, time_constant)
        into, out = (w.reshape(-1, *w.shape[2:]) for w in (layers.into, layers.out))
        errors = np.ascontiguousarray(layers.errors).reshape(-1, *layers.errors.shape[2:])
        yield part, batch, layers, _modal_weights(objective, into, out, hidden, time_constant, start, errors)


def _modal_weights(
    objective: Objective,
    into: np.ndarray,
    out: np.ndarray,
    hidden: int,
    time_constant: float,
    start: ModalWeights | None = None,
    errors: np.ndarray | None = None,
) -> ModalWeights:
    return ModalWeights(objective, (into.transpose(0, 2, 1), out), (hidden,), time_constant, start, errors)


def _change(
    name: str, modal: ModalWeights, differences: Values, lam: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return changes of the kernel, and of which networks they have all digits; small differences are solved for."""
    changes = np.asarray(differences).reshape(shape)
    is_large = (np.sqrt(2 * changes) if name == "ntk_distance" else changes) > _SMALL_CHANGE
    if np.all(is_large):
        return changes.ravel(), np.ones(shape[0], dtype=bool)
    before, after = ((state.layers[0], state.layers[1]) for state in (modal.start, modal))
    with np.errstate(all="ignore"):  # of networks whose weights are not known
        out, into, known = balanced_changes(before, after, np.repeat(lam, shape[1]))
        solved = np.asarray(OBSERVABLES[name](replace(modal, gram_changes=(out, into)))).reshape(shape)
    return np.where(is_large, changes, solved).ravel(), np.all(is_large | known.reshape(shape), axis=1)


def _are_finite(values: Values, shape: tuple[int, ...]) -> np.ndarray:
    parts = values.values() if isinstance(values, Mapping) else [values]
    return np.all([np.all(np.isfinite(part.reshape(shape[0], -1)), axis=1) for part in parts], axis=0)


def _store(found: Found, name: str, values: Values, at: tuple[slice, slice], shape: tuple[int, int]) -> None:
    """Store the values of some networks and times in the arrays of all."""
    parts = dict(values) if isinstance(values, Mapping) else {"": values}
    if name not in found:
        whole = {part: np.empty((*shape, *array.shape[1:])) for part, array in parts.items()}
        found[name] = whole if isinstance(values, Mapping) else whole[""]
    target = found[name]
    arrays = target if isinstance(target, dict) else {"": target}
    for part, array in parts.items():
        n_networks, n_times = at[0].stop - at[0].start, at[1].stop - at[1].start
        arrays[part][at] = array.reshape(n_networks, n_times, *array.shape[1:])
