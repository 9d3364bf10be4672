"""Watch of the jobs that event streams follow: one query of the job store serves all streams."""

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
LOST_SECONDS = 5.0  # longer than a scheduler takes to restore a job that the store has lost

log = logging.getLogger(__name__)


@dataclass
class FollowedJob:
    """A job that at least one event stream follows.

    Attributes:
        job: the latest known state.
        known_at: time at which the store last had the job, or did not answer.
        readers: number of streams that follow it.
        changed: event that is set, and replaced by a new one, when the state changes and when the service stops.
    """

    job: Job
    known_at: float
    readers: int = 0
    changed: Event = field(default_factory=Event)

    def publish(self, job: Job) -> None:
        """Publish a new state to all readers."""
        changed, self.changed, self.job = self.changed, Event(), job
        changed.set()


class JobWatch:
    """Polls the states of all followed jobs together, every `WATCH_SECONDS`.

    Args:
        store: the job store.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._followed: dict[str, FollowedJob] = {}

    @contextmanager
    def follow(self, job: Job) -> Generator[FollowedJob]:
        """Follow a job for the length of the block."""
        followed = self._followed.setdefault(job.id, FollowedJob(job, current_time()))
        followed.readers += 1
        try:
            yield followed
        finally:
            followed.readers -= 1
            if not followed.readers:
                del self._followed[job.id]

    async def run(self, stopping: Event) -> None:
        """Poll until the service stops."""
        while not stopping.is_set():
            if self._followed:
                try:
                    await self._poll()
                except JobsUnavailableError as error:
                    log.debug("%s", error)
                    for followed in self._followed.values():
                        followed.known_at = current_time()
            with move_on_after(WATCH_SECONDS):
                await stopping.wait()
        for followed in self._followed.values():
            followed.publish(followed.job)

    async def _poll(self) -> None:
        known: dict[str, tuple[State, int]] = {
            job_id: (followed.job.state, followed.job.completed) for job_id, followed in self._followed.items()
        }
        changed = await self._store.changed(known)
        for job_id in known:
            followed = self._followed.get(job_id)
            if followed is None:  # its last reader has left
                continue
            job = changed.get(job_id, followed.job)
            if job is None and current_time() - followed.known_at > LOST_SECONDS:
                followed.publish(_lost(followed.job))
            elif job is not None:
                followed.known_at = current_time()
                if job is not followed.job:
                    followed.publish(job)


def _lost(job: Job) -> Job:
    """Return the final state of a job that the store no longer has."""
    problem = Problem(
        type="/problems/not-found",
        code="not-found",
        title=NotFoundError.title,
        status=NotFoundError.status,
        detail=f"the job store has lost job {job.id}, as after a restart without persistence; post the request again",
    )
    return job.model_copy(update={"state": "failed", "problem": problem})
