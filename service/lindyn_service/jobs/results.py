"""Results of jobs: small ones in the store, large ones as files of a folder that has a bound of its own."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from lindyn_service.errors import BusyError, NoRoomError
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.space import SpoolDestination
from lindyn_service.spool.store import Spool, StoredFile


@dataclass(frozen=True)
class Results:
    """Where results are kept.

    Attributes:
        store: of the small ones.
        folder: of the large ones; None: those are kept in the store, too.
        answers: where large ones in another format are; None: they are not written in others.
        large_bytes: what is larger than this is large.
    """

    store: JobStore
    folder: Spool | None
    answers: Spool | None
    large_bytes: int

    def place(self, job_id: str) -> AbstractContextManager[SpoolDestination | None]:
        """Where a worker writes a large result for the length of the block; None: it hands that over like others."""
        return nullcontext() if self.folder is None else self.folder.destination(_name(job_id))

    async def put(self, job_id: str, archive: bytes | None) -> int:
        """Keep a result; tells how many bytes of it the store has.

        Args:
            job_id: of its job.
            archive: itself; None: a worker has written it.

        Raises:
            NoRoomError: what was written is not there.
            JobsFullError: it does not fit into the store.
        """
        if archive is not None:
            await self.store.put_result(job_id, archive)
            return len(archive)
        if self.folder is None or await self.folder.find(_name(job_id)) is None:
            raise NoRoomError(
                "the result was written, and is gone or damaged; ask for fewer points or times, or tell whoever runs "
                "the service (LINDYN_RESULTS_BYTES)"
            )
        return 0

    async def find(self, job_id: str) -> bytes | StoredFile | None:
        """A result, as an archive."""
        filed = None if self.folder is None else await self.folder.find(_name(job_id))
        return filed or await self.store.result(job_id)

    async def rewritten(self, name: str, write: Callable[[SpoolDestination], Awaitable[None]]) -> StoredFile:
        """A large result in another format, among the answers, which is written when it is first asked for.

        Args:
            name: of the answer.
            write: writes it to a place.

        Raises:
            NoRoomError: there is no room.
            BusyError: it had to make room for others at once.
        """
        if self.answers is None:
            raise NoRoomError("large results are kept as npz only where LINDYN_SPOOL_BYTES is 0; ask for npz")
        found = await self.answers.find(name)
        if found is None:
            with self.answers.destination(name) as place:
                await write(place)
            found = await self.answers.find(name)
        if found is None:
            raise BusyError("the result had to make room for others before it was sent; ask again")
        return found


def _name(job_id: str) -> str:
    return f"result:{job_id}.npz"
