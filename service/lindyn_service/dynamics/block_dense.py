"""Losses of many networks at many times from fewer, where that is as good as evaluating each."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.block_solution import LARGEST_RATIO, BlockSolution
from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.dense import errors_keep_the_loss, straighten
from lindyn_service.dynamics.parts import Part, parts
from lindyn_service.dynamics.stacks import Stack

_LEAST_ENTRIES = 49  # of a network function, below which evaluation is cheap
_WORTHWHILE = 0.8  # of the times, as nodes

_Losses = Float[np.ndarray, "network time"]


def dense_losses(
    solution: BlockSolution, times: Float[np.ndarray, " time"]
) -> tuple[_Losses, Bool[np.ndarray, "network time"]]:
    """Evaluate excess losses on white inputs at the times asked, or at Chebyshev nodes where these are fewer.

    Args:
        solution: the problems.
        times: ascending, in units of the time constant, the same for all.

    Returns:
        As `BlockSolution.excess_losses`.

    Source: as for `dense.dense`.
    """
    found = _parts(solution, times)
    if sum(part.n_nodes for part in found) > _WORTHWHILE * len(times):
        return solution.excess_losses(times[None])
    losses, good = np.empty((len(solution), len(times))), np.ones((len(solution), len(times)), dtype=bool)
    for part in found:
        own = slice(None) if part.interval is None else _interpolate(solution, times, part, losses)
        which = np.arange(len(solution))[own]
        if len(which):
            at = np.ix_(which, np.arange(part.times.start, part.times.stop))
            losses[at], good[at] = solution[which].excess_losses(times[None, part.times])
    return losses, good


def _parts(solution: BlockSolution, times: Float[np.ndarray, " time"]) -> list[Part]:
    """In intervals for the fastest of the networks; one part where evaluation is cheap."""
    one, fastest = solution.start.modes.one, float(np.max(solution.start.modes.kappa))
    if one.n_minor * one.n_major < _LEAST_ENTRIES:
        return [Part(slice(0, len(times)), None)]
    return parts(times, 1 / fastest, len(times))


@dataclass(frozen=True)
class _Nodes:
    """Distances of some networks from the task at the nodes of an interval, flat and straightened."""

    errors: Float[np.ndarray, "network node entry"]
    rates: Float[np.ndarray, " network"]

    def losses(self, interval: Interval, part: Part, times: Float[np.ndarray, " time"]) -> _Losses:
        """At the times of the interval."""
        losses = np.empty((len(self.errors), part.times.stop - part.times.start))
        for batch, weights in part.weights(times, self.errors.shape[2]):
            between = weights @ self.errors
            decay = np.exp(-2 * self.rates[:, None] * (times[batch] - interval.first))
            own = slice(batch.start - part.times.start, batch.stop - part.times.start)
            losses[:, own] = 0.5 * np.vecdot(between, between) * decay
        return losses


def _interpolate(
    solution: BlockSolution, times: Float[np.ndarray, " time"], part: Part, losses: _Losses
) -> Bool[np.ndarray, " network"]:
    """Fill in the losses at the times of a part that has an interval; returns of which networks they are no good."""
    interval = part.interval
    assert interval is not None  # noqa: S101 (for type checkers)
    left = np.ones(len(solution), dtype=bool)
    n_nodes = part.n_nodes
    nodes: dict[int, list[np.ndarray]] = {}
    ratios: dict[int, list[np.ndarray]] = {}
    for networks, _, found in solution.batches(interval.times[None]):
        nodes.setdefault(networks.start, []).append(_rows(found.errors()))
        ratios.setdefault(networks.start, []).append(found.ratio)
        errors = np.concatenate(nodes[networks.start], axis=1)
        if errors.shape[1] < n_nodes:
            continue
        rates = straighten(np.broadcast_to(interval.times, errors.shape[:2]), errors)
        good = np.all(np.concatenate(ratios[networks.start], axis=1) <= LARGEST_RATIO, axis=1)
        good &= errors_keep_the_loss(errors)
        losses[networks, part.times] = _Nodes(errors, rates).losses(interval, part, times)
        left[networks] = ~good
        del nodes[networks.start]
    return left


def _rows(errors: Stack) -> Float[np.ndarray, "network time entry"]:
    """A copy with the entries last."""
    return errors.transpose(2, 3, 0, 1).reshape(*errors.shape[2:], -1).copy()
