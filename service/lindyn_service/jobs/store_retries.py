"""Asking the store of jobs again: for as long as it does not answer, and a few times where it refuses."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio import sleep

from lindyn.wire.job import Job, State
from lindyn.wire.problem import Problem
from lindyn_service.jobs.errors import JobsRefusedError, JobsUnavailableError
from lindyn_service.jobs.store import JobStore

REFUSALS = 5
RETRY_SECONDS = 0.5

T = TypeVar("T")

log = logging.getLogger(__name__)


class StoreRetries:
    """Counts refusals in sequence; waiting in between is left to whoever asks."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._refused = 0

    def succeeded(self) -> None:
        """Note an answer."""
        self._refused = 0

    def failed(self, error: JobsUnavailableError) -> None:
        """Note that there was none.

        Raises:
            JobsRefusedError: that was one refusal too many.
        """
        self._refused = self._refused + 1 if isinstance(error, JobsRefusedError) else 0
        if self._refused >= REFUSALS:
            raise error
        log.warning("job %s waits: %s", self._job_id, error)


async def insist(job_id: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the store until it answers.

    Raises:
        JobsRefusedError: it has answered several times that it will not.
    """
    insistence = StoreRetries(job_id)
    while True:
        try:
            return await ask()
        except JobsUnavailableError as error:
            insistence.failed(error)
            await sleep(RETRY_SECONDS)


async def end(
    store: JobStore,
    job: Job,
    request: bytes | None,
    state: State,
    problem: Problem | None = None,
    *,
    completed: int = 0,
    kept_bytes: int = 0,
) -> None:
    """Note the end of a job, however long the store takes to answer; one that it has lost it is told again.

    Raises:
        JobsRefusedError: it will not take it.
    """
    if request is not None:
        await insist(job.id, lambda: store.restore(job, request))
    await insist(job.id, lambda: store.progress(job.id, completed))
    await insist(job.id, lambda: store.finish(job.id, state, problem, kept_bytes))
