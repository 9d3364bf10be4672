"""Fair queueing of chunks by measured work: owners share the engine, and the jobs of an owner share the owner's part.

The next chunk belongs to the owner with the least work so far, and to that owner's job with the least work. A newcomer
starts with the least work of those present, so that an owner gains no credit by having been idle.

Source: Demers, Keshav & Shenker (1989), 10.1145/75246.75248.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from anyio import Event

EXPECTED_SECONDS = 0.3  # charged for a chunk until its time is known


@dataclass
class _OwnerShare:
    """The work done for an owner in seconds of a worker, with the shares of its jobs."""

    seconds: float
    jobs: dict[int, "Share"] = field(default_factory=dict[int, "Share"])


@dataclass
class Share:
    """The work done for a job, in seconds of a worker."""

    owner: _OwnerShare
    seconds: float

    def charge(self, seconds: float) -> None:
        """Charge work to the job and to its owner; a negative number corrects an overcharge."""
        self.seconds += seconds
        self.owner.seconds += seconds


@dataclass
class _Waiter:
    """A chunk that waits for its turn."""

    share: Share
    turn: Event = field(default_factory=Event)


class FairShares:
    """Turns at an engine for the chunks of all jobs.

    Args:
        width: returns the number of chunks that may be in flight; called at every turn, since a cluster may grow.
    """

    def __init__(self, width: Callable[[], int]) -> None:
        self.width = width
        self._busy = 0
        self._owners: dict[str | None, _OwnerShare] = {}
        self._waiters: list[_Waiter] = []

    @contextmanager
    def join(self, owner: str | None) -> Generator[Share]:
        """Add a job of an owner for the length of the block."""
        if owner not in self._owners:
            self._owners[owner] = _OwnerShare(min((other.seconds for other in self._owners.values()), default=0.0))
        owner_share = self._owners[owner]
        share = Share(owner_share, min((other.seconds for other in owner_share.jobs.values()), default=0.0))
        owner_share.jobs[id(share)] = share
        try:
            yield share
        finally:
            del owner_share.jobs[id(share)]
            if not owner_share.jobs:
                del self._owners[owner]

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncGenerator[None]:
        """Wait for a turn, and hold it for the length of the block."""
        waiter = _Waiter(share)
        self._waiters.append(waiter)
        self._admit()
        try:
            await waiter.turn.wait()
            yield
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                share.charge(-EXPECTED_SECONDS)
                self._busy -= 1
                self._admit()

    def _admit(self) -> None:
        while self._waiters and self._busy < self.width():
            first = min(self._waiters, key=lambda waiter: (waiter.share.owner.seconds, waiter.share.seconds))
            self._waiters.remove(first)
            first.share.charge(EXPECTED_SECONDS)
            self._busy += 1
            first.turn.set()
