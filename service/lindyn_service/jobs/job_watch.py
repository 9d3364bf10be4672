"""The states of jobs that somebody follows: one query for all of them, however many follow."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from anyio import Event, current_time, move_on_after

from lindyn.wire.job import Job, State
from lindyn.wire.problem import Problem
from lindyn_service.errors import NotFoundError
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.store import JobStore

WATCH_SECONDS = 0.2
LOST_SECONDS = 5.0  # a running job that the store has lost is written again within a fraction of that

log = logging.getLogger(__name__)


@dataclass
class Followed:
    """A job that somebody follows.

    Attributes:
        job: as it was last seen.
        known_at: when the store last knew it, or did not answer.
        readers: how many follow it.
        changed: is set, and replaced, when there is a new state of it, and when the service stops.
    """

    job: Job
    known_at: float
    readers: int = 0
    changed: Event = field(default_factory=Event)

    def tell(self, job: Job) -> None:
        """Let everybody who follows it have a new state."""
        changed, self.changed, self.job = self.changed, Event(), job
        changed.set()


class JobWatch:
    """Looks at all jobs that are followed, together, `WATCH_SECONDS` after each other.

    Args:
        store: of the jobs.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._followed: dict[str, Followed] = {}

    @contextmanager
    def follow(self, job: Job) -> Generator[Followed]:
        """Follow a job for the length of the block."""
        followed = self._followed.setdefault(job.id, Followed(job, current_time()))
        followed.readers += 1
        try:
            yield followed
        finally:
            followed.readers -= 1
            if not followed.readers:
                del self._followed[job.id]

    async def run(self, stopping: Event) -> None:
        """Look, until the service stops."""
        while not stopping.is_set():
            if self._followed:
                try:
                    await self._look()
                except JobsUnavailableError as error:
                    log.debug("%s", error)
                    for followed in self._followed.values():
                        followed.known_at = current_time()
            with move_on_after(WATCH_SECONDS):
                await stopping.wait()
        for followed in self._followed.values():
            followed.tell(followed.job)

    async def _look(self) -> None:
        known: dict[str, tuple[State, int]] = {
            job_id: (each.job.state, each.job.completed) for job_id, each in self._followed.items()
        }
        changed = await self._store.changed(known)
        for job_id in known:
            followed = self._followed.get(job_id)
            if followed is None:  # its last reader has left
                continue
            job = changed.get(job_id, followed.job)
            if job is None and current_time() - followed.known_at > LOST_SECONDS:
                followed.tell(_lost(followed.job))
            elif job is not None:
                followed.known_at = current_time()
                if job is not followed.job:
                    followed.tell(job)


def _lost(job: Job) -> Job:
    """What is told of a job that the store does not know any more."""
    problem = Problem(
        type="/problems/not-found",
        code="not-found",
        title=NotFoundError.title,
        status=NotFoundError.status,
        detail=f"the store has lost job {job.id}, as by a restart without persistence; post the request again",
    )
    return job.model_copy(update={"state": "failed", "problem": problem})
