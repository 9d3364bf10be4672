"""Results of jobs: small ones are in the job store, large ones are files of a spool with its own size limit."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from lindyn_service.errors import BusyError, NoRoomError
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.space import SpoolDestination
from lindyn_service.spool.store import Spool, StoredFile


@dataclass(frozen=True)
class Results:
    """The results of jobs.

    Attributes:
        store: job store, for small results.
        large_results: spool of large results; None to keep these in the job store, too.
        converted: spool of large results in JSON; None if large results are not converted.
        large_bytes: size above which a result is large.
    """

    store: JobStore
    large_results: Spool | None
    converted: Spool | None
    large_bytes: int

    def destination_for(self, job_id: str) -> AbstractContextManager[SpoolDestination | None]:
        """Reserve a file into which a worker may write a large result; None if workers return all results."""
        return nullcontext() if self.large_results is None else self.large_results.free_destination(_name(job_id))

    async def put(self, job_id: str, archive: bytes | None) -> int:
        """Store a result; returns the number of its bytes in the job store.

        Args:
            job_id: id of the job.
            archive: the result; None if a worker has written it to its file.

        Raises:
            NoRoomError: the file that a worker has written is gone or damaged.
            JobsFullError: the job store has no room.
        """
        if archive is not None:
            await self.store.put_result(job_id, archive)
            return len(archive)
        if self.large_results is None or await self.large_results.find(_name(job_id)) is None:
            raise NoRoomError(
                "the result was written, but its file is gone or damaged; ask for fewer points or times, or tell the "
                "operator of the service (LINDYN_RESULTS_BYTES)"
            )
        return 0

    async def find(self, job_id: str) -> bytes | StoredFile | None:
        """Find a result, as an archive in npz."""
        stored = None if self.large_results is None else await self.large_results.find(_name(job_id))
        return stored or await self.store.result(job_id)

    async def convert(self, name: str, write: Callable[[SpoolDestination], Awaitable[None]]) -> StoredFile:
        """Find a large result in JSON, and write it if it was not requested before or has been evicted.

        Args:
            name: name of the converted result.
            write: writes it to a file of the spool.

        Raises:
            NoRoomError: the spool has no room.
            BusyError: the file was evicted at once.
        """
        if self.converted is None:
            raise NoRoomError("large results are available as npz only, since LINDYN_SPOOL_BYTES is 0; ask for npz")
        stored = await self.converted.find(name)
        if stored is None:
            with self.converted.destination(name) as destination:
                await write(destination)
            stored = await self.converted.find(name)
        if stored is None:
            raise BusyError("the result was evicted from the disk cache before it was sent; ask again")
        return stored


def _name(job_id: str) -> str:
    return f"result:{job_id}.npz"
