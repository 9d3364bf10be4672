"""The exact solution for many networks of equal widths on one task, evaluated at the same times together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lindyn_service.dynamics.block_coordinates import BlockCoordinates
from lindyn_service.dynamics.block_early import early_errors
from lindyn_service.dynamics.block_learned import learned
from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.stacks import Stack, Stacks, stacks

_BATCH_ENTRIES = 2**17  # of a stack: a megabyte
_LARGEST_RATIO = 8.0  # of a column of H to its Cholesky pivot; its square is what rounding errors grow by


@dataclass(frozen=True)
class BlockSolution:
    """Many problems solved once, to be evaluated at the same times; these are in units of the time constants.

    Attributes:
        start: coordinates of the initial weights; all pivots grow.
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
            The losses, and where they are as good as those of `exact.Solution`; elsewhere they are to be had from that.
        """
        n_times = times.shape[1]
        losses = np.empty((len(self), n_times))
        good = np.empty(losses.shape, dtype=bool)
        earlier: Stacks | None = None
        for part in self._batches(n_times):
            terms = Terms(self.start[part])
            own = times if len(times) == 1 else times[part]
            earlier = stacks(len(losses[part]), n_times, max(self.start.lower.shape[1:]) // 2, earlier)
            found = learned(terms, own, earlier)
            losses[part] = _half_squares(found.errors())
            good[part] = found.ratio <= _LARGEST_RATIO
            if not np.all(good[part]):
                _mend(terms, own, losses[part], good[part])
        return losses, good

    def __getitem__(self, which: Int[np.ndarray, " some"]) -> "BlockSolution":
        """Some of the problems."""
        return BlockSolution(self.start[which])

    def _batches(self, n_times: int) -> Iterator[slice]:
        """Networks whose stacks fit a core's cache."""
        one = self.start.modes.one
        size = max(1, _BATCH_ENTRIES // (n_times * one.n_minor * one.n_major))
        for first in range(0, len(self), size):
            yield slice(first, first + size)


def _mend(
    terms: Terms,
    times: Float[np.ndarray, "any_network time"],
    losses: Float[np.ndarray, "network time"],
    good: Bool[np.ndarray, "network time"],
) -> None:
    """Evaluate anew, in place, where what is learned is not well-conditioned: that is early in training."""
    which = np.flatnonzero(~np.all(good, axis=1))
    until = int(np.flatnonzero(~np.all(good, axis=0))[-1]) + 1
    own = times if len(times) == 1 else times[which]
    errors, known = early_errors(Terms(terms.start[which]), own[:, :until])
    first = np.ix_(which, np.arange(until))
    bad = ~good[first]
    losses[first] = np.where(bad, 0.5 * np.einsum("btij,btij->bt", errors, errors), losses[first])
    good[first] |= known


def _half_squares(errors: Stack) -> Float[np.ndarray, "network time"]:
    return 0.5 * np.einsum("ijbt,ijbt->bt", errors, errors)
