"""Exact solutions of many networks of equal widths on one task, evaluated together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_coordinates import BlockCoordinates
from lindyn_service.dynamics.block_early import early
from lindyn_service.dynamics.block_learned import Learned, learned
from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.stacks import Stack, Stacks

_BATCH_ENTRIES = 2**17  # one megabyte per stack
_TIME_ENTRIES = 2**16  # per stack of a single network
_SMALL_PART = 0.03  # relative size of a fading part of a row that does not cancel digits of the row
LARGEST_RATIO = 8.0
"""Largest ratio of a column of H to its Cholesky pivot; its square amplifies rounding errors."""


@dataclass(frozen=True)
class Layers:
    """Weights of some networks at some times, in the singular bases of the task.

    Attributes:
        into: first layers v^T w1^T, up to rotations of the hidden units.
        out: second layers u^T w2, up to the same rotations.
        errors: errors u^T (W - sigma_yx) v.
        known: where the layers are as accurate as those of `riccati.Solution`.
        good: where the errors are as accurate, too.
    """

    into: Float[np.ndarray, "network time in pivot"]
    out: Float[np.ndarray, "network time out pivot"]
    errors: Float[np.ndarray, "network time out in"]
    known: Bool[np.ndarray, "network time"]
    good: Bool[np.ndarray, "network time"]


@dataclass(frozen=True)
class BlockSolution:
    """Exact solutions of many networks; times are in units of the time constants.

    Attributes:
        start: coordinates of the initial weights, whose pivots all grow.
    """

    start: BlockCoordinates

    def __len__(self) -> int:
        """Number of networks."""
        return len(self.start.lower)

    def excess_losses(
        self, times: Float[np.ndarray, "any_network time"]
    ) -> tuple[Float[np.ndarray, "network time"], Bool[np.ndarray, "network time"]]:
        """Excess losses on white inputs, 1/2 ||sigma_yx - w2 w1||_F^2.

        Args:
            times: one row for all networks, or one for each.

        Returns:
            The losses, and where they are as accurate as those of `riccati.Solution`, which has to compute the others.
        """
        losses = np.empty((len(self), times.shape[1]))
        good = np.empty(losses.shape, dtype=bool)
        for part, batch, found in self.batches(times):
            losses[part, batch] = half_squares(found.errors())
            good[part, batch] = found.ratio <= LARGEST_RATIO
            if not np.all(good[part, batch]):
                _mend(found, losses[part, batch], good[part, batch])
        return losses, good

    def layers(self, times: Float[np.ndarray, "any_network time"]) -> Iterator[tuple[slice, slice, Layers]]:
        """Evaluate the weights in batches of networks and times.

        Args:
            times: one row for all networks, or one for each.
        """
        exchanged = self.start.modes.one.exchanged
        for part, batch, found in self.batches(times):
            is_learned = found.ratio <= LARGEST_RATIO
            (minor, major), errors = found.layers(), found.errors()
            known, good = is_learned.copy(), is_learned.copy()
            until = _end_of_early(found, is_learned)
            if until:
                # only the formula for early times is accurate for weights that are small compared with their limits
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # inaccurate values may overflow
                    anew = early(found.terms, found.times[:, :until], replace(found.stacks, n_times=until))
                np.copyto(minor[..., :until], anew.minor, where=anew.known)
                np.copyto(major[..., :until], anew.major, where=anew.known)
                np.copyto(errors[..., :until], anew.errors, where=~is_learned[:, :until])
                known[:, :until] |= anew.known
                good[:, :until] |= anew.known & anew.far
            into, out = (major, minor) if exchanged else (minor, major)
            errors = errors.transpose(1, 0, 2, 3) if exchanged else errors
            into, out, errors = (np.ascontiguousarray(_last(stack)) for stack in (into, out, errors))
            yield part, batch, Layers(into, out, errors, known, good)

    def batches(self, times: Float[np.ndarray, "any_network time"]) -> Iterator[tuple[slice, slice, Learned]]:
        """Evaluate in batches of networks and times whose stacks fit into the cache of one core."""
        one, n_times = self.start.modes.one, times.shape[1]
        entries = one.n_minor * one.n_major
        long = min(n_times, max(1, _TIME_ENTRIES // entries))
        wide = max(1, _BATCH_ENTRIES // (long * entries))
        memory: dict[str, np.ndarray] = {}
        for first in range(0, len(self), wide):
            part = slice(first, min(first + wide, len(self)))
            terms = Terms(self.start[part])
            own = times if len(times) == 1 else times[part]
            for start in range(0, n_times, long):
                batch = slice(start, min(start + long, n_times))
                n_networks, size = part.stop - part.start, max(one.n_minor, one.n_major)
                arithmetic = Stacks(n_networks, batch.stop - batch.start, size, memory)
                yield part, batch, learned(terms, own[:, batch], arithmetic)

    def __getitem__(self, which: Int[np.ndarray, " some"]) -> "BlockSolution":
        """Select some of the networks."""
        return BlockSolution(self.start[which])


def _end_of_early(found: Learned, is_learned: Bool[np.ndarray, "network time"]) -> int:
    """Number of times up to the last one at which large parts of the weights still fade, or little is learned."""
    fades = found.terms.fading_sizes(found.times) > _SMALL_PART
    needed = np.flatnonzero(np.any(fades | ~is_learned, axis=0))
    return int(needed[-1]) + 1 if len(needed) else 0


def half_squares(errors: Stack) -> Float[np.ndarray, "network time"]:
    """Half the squared Frobenius norms."""
    if errors.flags.c_contiguous:
        flat = errors.reshape(-1, *errors.shape[2:])
        return 0.5 * np.einsum("kbt,kbt->bt", flat, flat)
    return 0.5 * np.einsum("ijbt,ijbt->bt", errors, errors)


def _mend(
    found: Learned,
    losses: Float[np.ndarray, "network time"],
    good: Bool[np.ndarray, "network time"],
) -> None:
    """Evaluate again by the formula for early times, in place, where that for late times is ill-conditioned."""
    bad = ~good
    which = np.flatnonzero(np.any(bad, axis=1))
    until = int(np.flatnonzero(np.any(bad, axis=0))[-1]) + 1
    times = found.times if len(found.times) == 1 else found.times[which]
    first = np.ix_(which, np.arange(until))
    stacks = replace(found.stacks, n_networks=len(which), n_times=until)
    anew = early(Terms(found.terms.start[which]), times[:, :until], stacks)
    losses[first] = np.where(bad[first], half_squares(anew.errors), losses[first])
    good[first] |= anew.known & anew.far


def _last(stack: Stack) -> Float[np.ndarray, "network time _ _"]:
    """View with the axes of the matrices last."""
    return stack.transpose(2, 3, 0, 1)
