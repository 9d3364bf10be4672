"""Jobs that wait, kept by the runner too, for a server that loses them."""

import logging
from collections.abc import Collection

from lindyn.wire.job import Job
from lindyn_service.jobs.store import JobStore

KEPT_BYTES = 2**26

log = logging.getLogger(__name__)


class WaitingJobs:
    """What a private server forgets when it dies: jobs that nobody runs yet. Who runs one writes it again by himself.

    Args:
        store: of the jobs.
        most_bytes: of requests; what is beyond that is not kept, and lost with the server.
    """

    def __init__(self, store: JobStore, most_bytes: int = KEPT_BYTES) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._kept: dict[str, tuple[Job, bytes]] = {}

    async def compare(self, active: Collection[str], taken: Collection[str]) -> None:
        """Write again what the server has lost, and keep what it has.

        Args:
            active: ids of jobs that wait or run, as the server has them.
            taken: ids of those that this process runs.
        """
        for job_id in [each for each in self._kept if each not in active and each not in taken]:
            if await self._store.get(job_id) is not None:
                del self._kept[job_id]  # it has ended
                continue
            log.warning("the store has lost job %s, which waited; writing it again", job_id)
            await self._store.restore(*self._kept[job_id])
        for job_id in active:
            if job_id not in self._kept and job_id not in taken:
                await self._keep(job_id)

    async def _keep(self, job_id: str) -> None:
        job, request = await self._store.get(job_id), await self._store.request(job_id)
        if job is None or request is None or job.state != "queued":
            return
        if sum(len(kept) for _, kept in self._kept.values()) + len(request) <= self._most_bytes:
            self._kept[job_id] = job, request
