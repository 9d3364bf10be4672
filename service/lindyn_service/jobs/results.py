"""Results of jobs: small ones in the store, large ones as files of a folder that has a bound of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyio import to_thread

from lindyn_service.errors import BusyError, NoRoomError
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.format import write_whole
from lindyn_service.spool.space import SpoolFolder
from lindyn_service.spool.store import Spool, StoredFile

_NO_ROOM = "ask for fewer points or times, or tell whoever runs the service (LINDYN_RESULTS_BYTES)"


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

    async def put(self, job_id: str, archive: bytes) -> int:
        """Keep a result; tells how many bytes of it the store has.

        Raises:
            NoRoomError: it does not fit into the folder, or the disk is full.
            JobsFullError: it does not fit into the store.
        """
        if self.folder is None or len(archive) <= self.large_bytes:
            await self.store.put_result(job_id, archive)
            return len(archive)
        await _file(self.folder, job_id, archive)
        return 0

    async def find(self, job_id: str) -> bytes | StoredFile | None:
        """A result, as an archive."""
        filed = None if self.folder is None else await self.folder.find(_name(job_id))
        return filed or await self.store.result(job_id)

    async def rewritten(self, name: str, write: Callable[[SpoolFolder], Awaitable[None]]) -> StoredFile:
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
            with self.answers.place(name) as place:
                await write(place)
            found = await self.answers.find(name)
        if found is None:
            raise BusyError("the result had to make room for others before it was sent; ask again")
        return found


async def _file(folder: Spool, job_id: str, archive: bytes) -> None:
    if len(archive) > folder.max_bytes:
        raise NoRoomError(f"the result takes {len(archive)} bytes, at most {folder.max_bytes} are kept; {_NO_ROOM}")
    name = _name(job_id)
    with folder.place(name) as place:
        await to_thread.run_sync(lambda: write_whole(place, len(archive), lambda file: file.writelines([archive])))
    if await folder.find(name) is None:
        raise NoRoomError(f"the result was written, and is gone or damaged; {_NO_ROOM}")


def _name(job_id: str) -> str:
    return f"result:{job_id}.npz"
