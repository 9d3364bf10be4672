"""The exact solution for many networks of equal widths on one task, evaluated at the same times together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_coordinates import BlockCoordinates
from lindyn_service.dynamics.block_early import early
from lindyn_service.dynamics.block_learned import Learned, learned
from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.stacks import Stack, Stacks

_BATCH_ENTRIES = 2**17  # a stack takes a megabyte
_TIME_ENTRIES = 2**16  # entries of a stack that belong to one network
LARGEST_RATIO = 8.0
"""Largest accepted ratio of the norm of a column of H to its Cholesky pivot; its square amplifies rounding errors."""


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
    """Exact solutions of many networks, evaluated together; times are in units of the time constants.

    Attributes:
        start: coordinates of the initial weights, all of whose pivots grow.
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
            The losses, and where they are as accurate as those of `riccati.Solution`, which must be used elsewhere.
        """
        losses = np.empty((len(self), times.shape[1]))
        good = np.empty(losses.shape, dtype=bool)
        for part, batch, late in self.batches(times):
            losses[part, batch] = half_squares(late.errors())
            good[part, batch] = late.ratio <= LARGEST_RATIO
            if not np.all(good[part, batch]):
                _reevaluate_early(late, losses[part, batch], good[part, batch])
        return losses, good

    def layers(self, times: Float[np.ndarray, "any_network time"]) -> Iterator[tuple[slice, slice, Layers]]:
        """Evaluate the weights in batches of networks and of times.

        Args:
            times: one row for all networks, or one for each.
        """
        exchanged = self.start.modes.one.exchanged
        for part, batch, late in self.batches(times):
            # weights that are small compared with their limits are accurate only by the formula for early times
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # late times overflow and are not used
                early_part = early(late.terms, late.times)
            minor, major = (
                np.where(early_part.known[:, :, None, None], early_layer, _last(layer))
                for early_layer, layer in zip((early_part.minor, early_part.major), late.layers(), strict=True)
            )
            is_learned = late.ratio <= LARGEST_RATIO
            errors = np.where(is_learned[:, :, None, None], _last(late.errors()), early_part.errors)
            known, good = early_part.known | is_learned, (early_part.known & early_part.far) | is_learned
            into, out = (major, minor) if exchanged else (minor, major)
            errors = errors.transpose(0, 1, 3, 2) if exchanged else errors
            yield part, batch, Layers(into, out, errors, known, good)

    def batches(self, times: Float[np.ndarray, "any_network time"]) -> Iterator[tuple[slice, slice, Learned]]:
        """Evaluate in batches of networks and of times whose stacks fit into the cache of one core."""
        one, n_times = self.start.modes.one, times.shape[1]
        entries = one.n_minor * one.n_major
        batch_times = min(n_times, max(1, _TIME_ENTRIES // entries))
        batch_networks = max(1, _BATCH_ENTRIES // (batch_times * entries))
        memory: dict[str, np.ndarray] = {}
        for first in range(0, len(self), batch_networks):
            part = slice(first, min(first + batch_networks, len(self)))
            terms = Terms(self.start[part])
            network_times = times if len(times) == 1 else times[part]
            for start in range(0, n_times, batch_times):
                batch = slice(start, min(start + batch_times, n_times))
                n_networks, size = part.stop - part.start, max(one.n_minor, one.n_major)
                arithmetic = Stacks(n_networks, batch.stop - batch.start, size, memory)
                yield part, batch, learned(terms, network_times[:, batch], arithmetic)

    def __getitem__(self, which: Int[np.ndarray, " some"]) -> "BlockSolution":
        """Solutions of some of the networks."""
        return BlockSolution(self.start[which])


def half_squares(errors: Stack) -> Float[np.ndarray, "network time"]:
    """Half the squared Frobenius norm of each matrix of a stack."""
    if errors.flags.c_contiguous:
        flat = errors.reshape(-1, *errors.shape[2:])
        return 0.5 * np.einsum("kbt,kbt->bt", flat, flat)
    return 0.5 * np.einsum("ijbt,ijbt->bt", errors, errors)


def _reevaluate_early(
    late: Learned,
    losses: Float[np.ndarray, "network time"],
    good: Bool[np.ndarray, "network time"],
) -> None:
    """Replace losses by those of `early`, in place, where the formula for late times is ill-conditioned."""
    inaccurate = ~good
    which = np.flatnonzero(np.any(inaccurate, axis=1))
    n_times = int(np.flatnonzero(np.any(inaccurate, axis=0))[-1]) + 1
    times = late.times if len(late.times) == 1 else late.times[which]
    first = np.ix_(which, np.arange(n_times))
    early_part = early(Terms(late.terms.start[which]), times[:, :n_times])
    early_losses = 0.5 * np.einsum("btij,btij->bt", early_part.errors, early_part.errors)
    losses[first] = np.where(inaccurate[first], early_losses, losses[first])
    good[first] |= early_part.known & early_part.far


def _last(stack: Stack) -> Float[np.ndarray, "network time _ _"]:
    """View of a stack with the axes of the matrices last."""
    return stack.transpose(2, 3, 0, 1)
