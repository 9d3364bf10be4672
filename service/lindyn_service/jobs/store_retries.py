"""Retries of calls of the job store: without limit while it does not answer, and a few times if it refuses."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio import sleep

from lindyn.wire.job import Job, State
from lindyn.wire.problem import Problem
from lindyn_service.jobs.errors import JobsRefusedError, JobsUnavailableError
from lindyn_service.jobs.store import JobStore

MAX_REFUSALS = 5
RETRY_SECONDS = 0.5

T = TypeVar("T")

log = logging.getLogger(__name__)


class StoreRetries:
    """Counts consecutive refusals; the caller waits between its calls."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._refused = 0

    def succeeded(self) -> None:
        """Reset the count after a successful call."""
        self._refused = 0

    def failed(self, error: JobsUnavailableError) -> None:
        """Count a failed call.

        Raises:
            JobsRefusedError: the store has refused too many calls in a row.
        """
        self._refused = self._refused + 1 if isinstance(error, JobsRefusedError) else 0
        if self._refused >= MAX_REFUSALS:
            raise error
        log.warning("job %s waits: %s", self._job_id, error)


async def retry_store_call(job_id: str, call: Callable[[], Awaitable[T]]) -> T:
    """Call the store until it succeeds.

    Raises:
        JobsRefusedError: the store has refused the call several times.
    """
    retries = StoreRetries(job_id)
    while True:
        try:
            return await call()
        except JobsUnavailableError as error:
            retries.failed(error)
            await sleep(RETRY_SECONDS)


async def end_job(
    store: JobStore,
    job: Job,
    request: bytes | None,
    state: State,
    problem: Problem | None = None,
    *,
    completed: int = 0,
    kept_bytes: int = 0,
) -> None:
    """Record the end of a job, and retry until the store answers; a job that the store has lost is restored first.

    Raises:
        JobsRefusedError: the store refuses to record it.
    """
    if request is not None:
        await retry_store_call(job.id, lambda: store.restore(job, request))
    await retry_store_call(job.id, lambda: store.progress(job.id, completed))
    await retry_store_call(job.id, lambda: store.finish(job.id, state, problem, kept_bytes))
