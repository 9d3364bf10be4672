"""Copies of waiting jobs in the memory of the scheduler, to restore them if the server loses them."""

import logging
from collections.abc import Collection

from lindyn.wire.job import Job
from lindyn_service.jobs.store import JobStore

KEPT_BYTES = 2**26

log = logging.getLogger(__name__)


class WaitingJobs:
    """Copies of jobs that wait, which a private server loses when it dies; a running job is restored by its execution.

    Args:
        store: the job store.
        max_bytes: limit of the requests; jobs beyond it are not copied, and are lost with the server.
    """

    def __init__(self, store: JobStore, max_bytes: int = KEPT_BYTES) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._copies: dict[str, tuple[Job, bytes]] = {}

    async def reconcile(self, active: Collection[str], taken: Collection[str]) -> None:
        """Restore waiting jobs that the server has lost, and copy new ones.

        Args:
            active: ids of the jobs that wait or run according to the server.
            taken: ids of the jobs that this process executes.
        """
        for job_id in [copied for copied in self._copies if copied not in active and copied not in taken]:
            if await self._store.get(job_id) is not None:
                del self._copies[job_id]  # the job has ended
                continue
            log.warning("the job store has lost job %s, which waited; restoring it", job_id)
            await self._store.restore(*self._copies[job_id])
        for job_id in active:
            if job_id not in self._copies and job_id not in taken:
                await self._copy(job_id)

    async def _copy(self, job_id: str) -> None:
        job, request = await self._store.get(job_id), await self._store.request(job_id)
        if job is None or request is None or job.state != "queued":
            return
        if sum(len(copied) for _, copied in self._copies.values()) + len(request) <= self._max_bytes:
            self._copies[job_id] = job, request
