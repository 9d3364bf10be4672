"""Who may compute next: the engine is shared by owners, and what an owner gets by his jobs, by the seconds they took.

The next chunk is one of the owner whose work took least so far, and of his job whose work took least (fair queueing by
measured work; Demers, Keshav & Shenker 1989, 10.1145/75246.75248). Who comes later starts from the least of those who
are there: what an owner did not use before gives him nothing now.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from anyio import Event

EXPECTED_SECONDS = 0.3  # what a chunk counts until its time is known


@dataclass
class _Account:
    """What has been done for somebody, in seconds of a worker."""

    seconds: float
    jobs: dict[int, "Share"] = field(default_factory=dict[int, "Share"])


@dataclass
class Share:
    """The part of a job in the engine."""

    account: _Account
    seconds: float

    def charge(self, seconds: float) -> None:
        """Count work; what was counted too much is given back by a negative number."""
        self.seconds += seconds
        self.account.seconds += seconds


@dataclass
class _Waiting:
    share: Share
    turn: Event = field(default_factory=Event)


class FairShares:
    """Turns at an engine, for chunks of many jobs.

    Args:
        width: how many chunks may be under way; asked at every turn, since a cluster grows.
    """

    def __init__(self, width: Callable[[], int]) -> None:
        self.width = width
        self._busy = 0
        self._accounts: dict[str | None, _Account] = {}
        self._waiting: list[_Waiting] = []

    @contextmanager
    def join(self, owner: str | None) -> Generator[Share]:
        """Take part with a job of somebody, for the length of the block."""
        if owner not in self._accounts:
            self._accounts[owner] = _Account(min((each.seconds for each in self._accounts.values()), default=0.0))
        account = self._accounts[owner]
        share = Share(account, min((each.seconds for each in account.jobs.values()), default=0.0))
        account.jobs[id(share)] = share
        try:
            yield share
        finally:
            del account.jobs[id(share)]
            if not account.jobs:
                del self._accounts[owner]

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncGenerator[None]:
        """Wait for a turn, and have it for the length of the block."""
        waiting = _Waiting(share)
        self._waiting.append(waiting)
        self._admit()
        try:
            await waiting.turn.wait()
            yield
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                share.charge(-EXPECTED_SECONDS)
                self._busy -= 1
                self._admit()

    def _admit(self) -> None:
        while self._waiting and self._busy < self.width():
            first = min(self._waiting, key=lambda each: (each.share.account.seconds, each.share.seconds))
            self._waiting.remove(first)
            first.share.charge(EXPECTED_SECONDS)
            self._busy += 1
            first.turn.set()
