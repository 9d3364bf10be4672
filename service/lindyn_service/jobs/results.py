"""Results of jobs: small ones in the store, large ones as files of a folder that has a bound of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import IO

from anyio import to_thread

from lindyn_service.cache.spool import Filed, Spool
from lindyn_service.errors import NoRoomError
from lindyn_service.jobs.store import JobStore
from lindyn_service.sealed_file import Place, write_whole

_NO_ROOM = "ask for fewer points or times, or tell whoever runs the service (LINDYN_RESULTS_BYTES)"


@dataclass(frozen=True)
class Results:
    """Where results are kept.

    Attributes:
        store: of the small ones.
        folder: of the large ones; None: those are kept in the store, too.
        large_bytes: what is larger than this is large.
    """

    store: JobStore
    folder: Spool | None
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
        await self._file(self.folder, job_id, archive)
        return 0

    async def find(self, job_id: str) -> bytes | Filed | None:
        """A result, as an archive."""
        filed = None if self.folder is None else await self.folder.find(_name(job_id, "npz"))
        return filed or await self.store.result(job_id)

    async def rewritten(
        self, job_id: str, form: str, result: Filed, growth: int, write: Callable[[Place], Awaitable[None]]
    ) -> Filed:
        """A large result in another format, which is written when it is first asked for.

        Args:
            job_id: of the job.
            form: the format.
            result: the archive.
            growth: how many times as many bytes the other format may take.
            write: writes it to a place.

        Raises:
            NoRoomError: both do not fit into the folder.
        """
        folder, name = self.folder, _name(job_id, form)
        if folder is None or result.size * (1 + growth) > folder.max_bytes:
            raise NoRoomError(f"there is no room for this result as {form}; ask for npz, or {_NO_ROOM}")
        found = await folder.find(name)
        if found is None:
            await folder.make_room(result.size * growth)
            with folder.place(name) as place:
                await write(place)
            found = await folder.find(name)
        if found is None:
            raise NoRoomError(f"the result was written as {form}, and is gone or damaged; ask for npz, or {_NO_ROOM}")
        return found

    async def _file(self, folder: Spool, job_id: str, archive: bytes) -> None:
        if len(archive) > folder.max_bytes:
            raise NoRoomError(f"the result takes {len(archive)} bytes, at most {folder.max_bytes} are kept; {_NO_ROOM}")

        def write(file: IO[bytes]) -> None:
            file.write(archive)

        name = _name(job_id, "npz")
        try:
            await folder.make_room(len(archive))
            with folder.place(name) as place:
                await to_thread.run_sync(write_whole, place, write)
        except OSError as error:
            raise NoRoomError(f"the result could not be written ({error.strerror}); {_NO_ROOM}") from error
        if await folder.find(name) is None:
            raise NoRoomError(f"the result was written, and is gone or damaged; {_NO_ROOM}")


def _name(job_id: str, form: str) -> str:
    return f"result:{job_id}.{form}"
