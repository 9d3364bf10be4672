"""Values that sweeps keep of many networks of equal widths on one task, by the closed form for all of them together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lindyn.wire.tree import flatten
from lindyn_service.dynamics.block_convergence import convergence_times
from lindyn_service.dynamics.block_coordinates import block_coordinates, block_modes, saddle_coordinates
from lindyn_service.dynamics.block_solution import BlockSolution
from lindyn_service.dynamics.modal_loss import white_objective
from lindyn_service.dynamics.modes import Modes
from lindyn_service.dynamics.observables import OBSERVABLES
from lindyn_service.dynamics.tasks import EPS, Moments
from lindyn_service.dynamics.white_inputs import WhiteTask, white_task
from lindyn_service.methods.base import AnswerWarning, LearningProblem
from lindyn_service.methods.block_observe import OF_CHANGE, Found, observe_block
from lindyn_service.methods.conditioning import DOUBTFUL_OVERLAP, saddle
from lindyn_service.methods.diagnostics import of_samples
from lindyn_service.methods.exact_run import TOLERANCE
from lindyn_service.methods.number_range import beyond_float64
from lindyn_service.methods.sweep_scalars import AT_LAST_TIME, Summary

OF_BLOCKS = frozenset(OBSERVABLES) - OF_CHANGE
"""Quantities that blocks compute at all times."""

COVERED = OF_BLOCKS | frozenset(AT_LAST_TIME) | {"convergence_time"}
"""Quantities and scalars that blocks compute."""


@dataclass(frozen=True)
class Block:
    """Problems that differ only in their initial weights.

    Attributes:
        w1: first layers, (network, hidden, rank), in coordinates of the span of the inputs.
        w2: second layers, (network, out, hidden).
        lam: lambda that the weights were drawn with, all of one sign.
        white: the equivalent white-input task.
        moments: moments of the task.
        time_constant: tau, in the unit of times.
        times: ascending, non-negative.
    """

    w1: np.ndarray
    w2: np.ndarray
    lam: np.ndarray
    white: WhiteTask
    moments: Moments
    time_constant: float
    times: np.ndarray


def white_equivalent(moments: Moments) -> WhiteTask | None:
    """Return the equivalent white-input task, with the tolerance of the closed form; None for coloured inputs."""
    found = white_task(moments, TOLERANCE)
    return found if isinstance(found, WhiteTask) else None


def summarise_block(block: Block, names: Sequence[str], tolerance: float) -> list[Summary | None]:
    """Solve many problems, and keep the named values, as `sweep_scalars.summarise` does for each.

    Args:
        block: the problems.
        names: names of scalars and quantities from `COVERED`.
        tolerance: excess loss that defines `convergence_time`.

    Returns:
        One summary for each problem; None for problems that are not solved in blocks: weights that are aligned, not
        balanced or not generic, and evaluations that would lose digits.
    """
    found: list[Summary | None] = [None] * len(block.w1)
    for solved in _solved(block):
        _summarise(block, solved, names, tolerance, found)
    return found


def _summarise(
    block: Block, solved: "_Solved", names: Sequence[str], tolerance: float, found: list[Summary | None]
) -> None:
    """Store the summaries of some networks of a block in the list of all."""
    networks, solution = solved.networks, solved.solution
    if "convergence_time" in names:  # which has a warning for doubtful overlaps, in single networks only
        sure = np.flatnonzero(solution.start.overlaps >= DOUBTFUL_OVERLAP)
        networks, solution = networks[sure], solution[sure]
    if not len(networks):
        return
    read = [name for name in names if name != "convergence_time"]
    summaries = [Summary(warnings=list(solved.warnings)) for _ in networks]
    kept = np.ones(len(networks), dtype=bool)
    if read:
        kept &= _read(block, solution, read, summaries)
    if "convergence_time" in names:
        kept &= _reach(block, solution, tolerance, summaries)
    for i in np.flatnonzero(kept):
        found[networks[i]] = summaries[i]


@dataclass(frozen=True)
class BlockQuantities:
    """Quantities of networks of a block that are as accurate as those of single networks.

    Attributes:
        networks: indices of the networks in the block.
        rows: indices of the same networks in the arrays of the quantities.
        quantities: quantities by name, (network, time, ...).
        warnings: warnings that hold for each of these networks.
    """

    networks: np.ndarray
    rows: np.ndarray
    quantities: Found
    warnings: tuple[AnswerWarning, ...]


def block_quantities(block: Block, names: Sequence[str]) -> list[BlockQuantities]:
    """Evaluate quantities of many networks at all times.

    Args:
        block: the problems.
        names: names of quantities from `OF_BLOCKS`.

    Returns:
        Quantities of networks that were solved together; all other networks have to be solved one by one.
    """
    problem = LearningProblem((), block.moments, block.time_constant, block.times, tuple(names), estimate=False)
    told = tuple(of_samples(problem))
    found: list[BlockQuantities] = []
    for solved in _solved(block):
        quantities, good = _observed(block, solved.solution, block.times, set(names))
        rows = np.flatnonzero(good)
        found.append(BlockQuantities(solved.networks[rows], rows, quantities, (*solved.warnings, *told)))
    return found


@dataclass(frozen=True)
class _Solved:
    """Networks of a block that are solved together: their indices, their solution, and their common warnings."""

    networks: np.ndarray
    solution: BlockSolution
    warnings: tuple[AnswerWarning, ...] = ()


def _solved(block: Block) -> list[_Solved]:
    """Solve the networks that can be solved in blocks: generic ones, and those that converge to a saddle."""
    covered = _examined(block)
    if not len(covered):
        return []
    basis, w1, w2 = block_modes(block.white.sigma_yx, block.lam[covered]), block.w1[covered], block.w2[covered]
    start, generic = block_coordinates(basis, w1, w2)
    found = [_Solved(covered[generic], BlockSolution(start[np.flatnonzero(generic)]))]
    left = np.flatnonzero(~generic)
    if len(left) and _may_be_saddles(block):
        start, missed = saddle_coordinates(basis[left], w1[left], w2[left])
        which = np.flatnonzero(missed)
        warnings = tuple(_of_weakest_mode(block.white, basis.one))
        found.append(_Solved(covered[left[which]], BlockSolution(start[which]), warnings))
    return [solved for solved in found if len(solved.networks)]


def _may_be_saddles(block: Block) -> bool:
    """Return whether networks of the block may miss the weakest mode and learn the others."""
    n_out, n_in = block.white.sigma_yx.shape
    return not np.any(block.lam) and 1 < n_in == n_out <= block.w1.shape[1]


def _of_weakest_mode(white: WhiteTask, basis: Modes) -> Iterator[AnswerWarning]:
    """Warn that the weakest mode is never learned, unless its singular value is a rounding error."""
    weakest = len(basis.s) - 1
    if basis.s[weakest] > max(len(basis.u), len(basis.v)) * EPS * basis.s[0]:
        yield saddle(weakest, float(basis.s[weakest]) * white.variance)


def _observed(block: Block, solution: BlockSolution, times: np.ndarray, names: set[str]) -> tuple[Found, np.ndarray]:
    """Evaluate quantities at some times, and for each network whether they are accurate."""
    return observe_block(
        solution,
        white_objective(block.white, solution.start.modes.one, block.moments.samples),
        times / (block.time_constant / block.white.variance),
        names,
        hidden=block.w1.shape[1],
        time_constant=block.time_constant,
    )


def _examined(block: Block) -> np.ndarray:
    """Return indices of the problems whose numbers are in range and whose weights are balanced, as in `ExactSolver`."""
    largest = np.maximum(np.max(np.abs(block.w1), axis=(1, 2)), np.max(np.abs(block.w2), axis=(1, 2)))
    if beyond_float64(float(np.max(largest)), block.white) or beyond_float64(float(np.min(largest)), block.white):
        return np.empty(0, dtype=np.intp)
    # squares of tiny weights would vanish
    _, exponent = np.frexp(largest)
    w1, w2 = (np.ldexp(w, -exponent[:, None, None]) for w in (block.w1, block.w2))
    b = w2.transpose(0, 2, 1) @ w2 - w1 @ w1.transpose(0, 2, 1)
    diagonal = np.einsum("bii->bi", b)
    diagonal -= np.mean(diagonal, axis=1, keepdims=True)
    size = np.einsum("bij,bij->b", w1, w1) + np.einsum("bij,bij->b", w2, w2)
    return np.flatnonzero(np.sqrt(np.einsum("bij,bij->b", b, b)) <= TOLERANCE * size)


def _read(block: Block, solution: BlockSolution, names: list[str], summaries: list[Summary]) -> np.ndarray:
    """Store the named values, computing only the last time if it suffices; return where they are accurate."""
    needed = {AT_LAST_TIME.get(name, (name, None))[0] for name in names}
    only_last = all(name in AT_LAST_TIME for name in names)
    times = block.times[-1:] if only_last else block.times
    found: Found = {}
    good = np.ones(len(solution), dtype=bool)
    # blocks compute changes of the kernel at the last time only, since small ones at early times need integrals
    for quantities, at in ((needed - OF_CHANGE, times), (needed & OF_CHANGE, times[-1:])):
        if quantities:
            observed, known = _observed(block, solution, at, quantities)
            found |= observed
            good &= known
    problem = LearningProblem((), block.moments, block.time_constant, times, tuple(sorted(needed)), estimate=False)
    told = list(of_samples(problem))
    for i, summary in enumerate(summaries):
        for name in names:
            quantity, part = AT_LAST_TIME.get(name, (name, None))
            values: Any = found[quantity]
            if name in AT_LAST_TIME:
                summary.values[name] = float((values if part is None else values[part])[i, -1])
            else:
                summary.values |= flatten({name: _of_network(i, values)})
        summary.times = None if only_last else times
        summary.warn(told)
    return good


def _of_network(i: int, values: np.ndarray | dict[str, np.ndarray]) -> np.ndarray | dict[str, np.ndarray]:
    return {part: array[i] for part, array in values.items()} if isinstance(values, dict) else values[i]


def _reach(block: Block, solution: BlockSolution, tolerance: float, summaries: list[Summary]) -> np.ndarray:
    """Store convergence times, and return for each problem whether they are accurate."""
    times, good = convergence_times(solution, tolerance / block.white.variance)
    unit = block.time_constant / block.white.variance
    for time, summary in zip(times, summaries, strict=True):
        summary.values["convergence_time"] = float(time * unit)
    return good
