"""Jobs that a scheduler holds: some of each owner, and at least one."""

from collections import Counter
from typing import Any

from support.jobs import LIMITS

from lindyn_service.jobs.scheduler import MAX_HELD_JOBS, MAX_HELD_JOBS_PER_OWNER, JobScheduler
from lindyn_service.jobs.store import Active


class JobResources:
    store: Any = None


class Tasks:
    """Tasks that accept jobs and do nothing."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def start_soon(self, _take: Any, job_id: str) -> None:
        self.taken.append(job_id)


def test_a_new_owner_does_not_wait_while_all_places_are_taken():
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
