"""From the points of a job to its result: they are written to a file in their order, which a worker reads."""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from itertools import takewhile
from pathlib import Path

from anyio import current_time, sleep, to_thread

from lindyn_service.errors import BusyError
from lindyn_service.jobs.point_source import PointSource
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.store_retries import insist
from lindyn_service.jobs.worker_calls import RETRY_SECONDS, Asker
from lindyn_service.jobs.worker_functions import assemble, write_records
from lindyn_service.spool.space import ReservedFile, SpoolDestination, reserved_file

READ_AT_ONCE = 256
READERS_SECONDS = 90.0  # who reads nothing of a result for a third of that is disconnected

Turn = Callable[[], AbstractAsyncContextManager[None]]


class Delivery:
    """Puts a result together on this machine; the service holds a few of the points at a time, and no large result.

    Args:
        job_id: of the job.
        source: of the points.
        asker: of the job.
        means: of all jobs.
        turn: waits for the turn of the job.
    """

    def __init__(self, job_id: str, source: PointSource, asker: Asker, means: JobResources, turn: Turn) -> None:
        self._job_id = job_id
        self._source = source
        self._asker = asker
        self._means = means
        self._turn = turn

    async def deliver(self) -> int:
        """Put the result together, and keep it; tells how many bytes of it the store has.

        Raises:
            ServiceError: there is no room, or the result is too large.
        """
        results = self._means.results
        async with self._means.assembling:
            with results.place(self._job_id) as place:
                async with self._records() as records:
                    archive = await self._archive(records, place)
                return await insist(self._job_id, lambda: results.put(self._job_id, archive))

    @asynccontextmanager
    async def _records(self) -> AsyncGenerator[Path]:
        """The file of all points, for the length of the block."""
        with ExitStack() as stack:
            place = stack.enter_context(self._means.points.destination(self._job_id))
            file = await to_thread.run_sync(stack.enter_context, reserved_file(place, 0))
            async with self._turn():
                await self._write(file)
            yield place.partial

    async def _write(self, file: ReservedFile) -> None:
        """Read back what is not in memory; what was evicted meanwhile is computed again."""
        left = deque(range(self._source.total))
        while left:
            part = [left.popleft() for _ in range(min(READ_AT_ONCE, len(left)))]
            found = await self._source.obtain(part)
            ready = list(takewhile(found.__contains__, part))
            await to_thread.run_sync(write_records, file, [found[number] for number in ready])
            left.extendleft(reversed(part[len(ready) :]))

    async def _archive(self, records: Path, place: SpoolDestination | None) -> bytes | None:
        """Have a worker make it; where others that are being read take all the room, wait for them for a while."""
        until = current_time() + READERS_SECONDS
        asked = assemble, self._job_id, records, self._means.results.large_bytes, place
        while True:
            try:
                async with self._turn():
                    return await self._asker.ask(self._means.here, *asked)
            except BusyError:
                if current_time() >= until:
                    raise
            await sleep(RETRY_SECONDS)
