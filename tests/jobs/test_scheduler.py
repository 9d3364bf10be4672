"""Which jobs are held: some of each owner, and one in any case."""

from collections import Counter
from typing import Any

from support.jobs import LIMITS

from lindyn_service.jobs.scheduler import MAX_HELD_JOBS, MAX_HELD_JOBS_PER_OWNER, JobScheduler
from lindyn_service.jobs.store import Active


class JobResources:
    store: Any = None


class Tasks:
    """Takes jobs and does nothing."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def start_soon(self, _take: Any, job_id: str) -> None:
        self.taken.append(job_id)


def test_who_comes_when_all_places_are_taken_is_not_kept_waiting():
    runner, tasks = JobScheduler(JobResources(), LIMITS), Tasks()
    full = MAX_HELD_JOBS // MAX_HELD_JOBS_PER_OWNER
    jobs = [
        Active(f"{owner} {i}", f"owner {owner}", "queued")
        for owner in range(full)
        for i in range(2 * MAX_HELD_JOBS_PER_OWNER)
    ]
    runner._take_jobs(tasks, jobs)
    assert Counter(job.split()[0] for job in tasks.taken) == {
        str(owner): MAX_HELD_JOBS_PER_OWNER for owner in range(full)
    }
    late = [Active("late 1", "late", "queued"), Active("late 2", "late", "queued")]
    runner._take_jobs(tasks, [*jobs, *late])
    assert tasks.taken[MAX_HELD_JOBS:] == ["late 1"]
