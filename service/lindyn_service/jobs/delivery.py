"""Assembly of a result: the points of a job are written to a file in their order, and a worker makes its table."""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from itertools import takewhile
from pathlib import Path

from anyio import current_time, sleep, to_thread

from lindyn_service.errors import BusyError
from lindyn_service.jobs.point_source import PointSource
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.store_retries import retry_store_call
from lindyn_service.jobs.worker_calls import RETRY_SECONDS, PlanCaller
from lindyn_service.jobs.worker_functions import assemble, write_records
from lindyn_service.spool.space import ReservedFile, SpoolDestination, reserved_file

BATCH_POINTS = 256
ROOM_SECONDS = 90.0  # three times as long as a client may read nothing of a result before it is disconnected

Turn = Callable[[], AbstractAsyncContextManager[None]]


class Delivery:
    """Assembles a result on this machine; the service holds a few points at a time, and no large result.

    Args:
        job_id: id of the job.
        source: source of the points.
        plan_caller: calls functions of the plan of the job in workers.
        resources: resources of all jobs.
        turn: waits for a turn of the job at the engine.
    """

    def __init__(
        self, job_id: str, source: PointSource, plan_caller: PlanCaller, resources: JobResources, turn: Turn
    ) -> None:
        self._job_id = job_id
        self._source = source
        self._plan_caller = plan_caller
        self._resources = resources
        self._turn = turn

    async def deliver(self) -> int:
        """Assemble the result and store it; returns the number of its bytes in the job store.

        Raises:
            ServiceError: there is no room, or the result is too large.
        """
        results = self._resources.results
        async with self._resources.assembly_lock:
            with results.destination_for(self._job_id) as destination:
                async with self._records() as records:
                    archive = await self._assemble(records, destination)
                return await retry_store_call(self._job_id, lambda: results.put(self._job_id, archive))

    @asynccontextmanager
    async def _records(self) -> AsyncGenerator[Path]:
        """Write the file of all points, and keep it for the length of the block."""
        with ExitStack() as stack:
            destination = stack.enter_context(self._resources.point_spool.destination(self._job_id))
            file = await to_thread.run_sync(stack.enter_context, reserved_file(destination, 0))
            async with self._turn():
                await self._write(file)
            yield destination.partial

    async def _write(self, file: ReservedFile) -> None:
        """Write all points in their order; points that the cache has evicted are computed again."""
        remaining = deque(range(self._source.total))
        while remaining:
            batch = [remaining.popleft() for _ in range(min(BATCH_POINTS, len(remaining)))]
            records = await self._source.obtain(batch)
            ready = list(takewhile(records.__contains__, batch))
            await to_thread.run_sync(write_records, file, [records[number] for number in ready])
            remaining.extendleft(reversed(batch[len(ready) :]))

    async def _assemble(self, records: Path, destination: SpoolDestination | None) -> bytes | None:
        """Assemble the archive in a worker; while results that are being read take all the room, retry for a while."""
        deadline = current_time() + ROOM_SECONDS
        arguments = assemble, self._job_id, records, self._resources.results.large_bytes, destination
        while True:
            try:
                async with self._turn():
                    return await self._plan_caller.call(self._resources.local_engine, *arguments)
            except BusyError:
                if current_time() >= deadline:
                    raise
            await sleep(RETRY_SECONDS)
