"""Which jobs are held: some of each owner, and one in any case."""

from collections import Counter
from typing import Any

from support.jobs import LIMITS

from lindyn_service.jobs.scheduler import MOST_HELD, MOST_OF_ONE, JobScheduler
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
    full = MOST_HELD // MOST_OF_ONE
    jobs = [Active(f"{owner} {i}", f"owner {owner}", "queued") for owner in range(full) for i in range(2 * MOST_OF_ONE)]
    runner._take_some(tasks, jobs)
    assert Counter(job.split()[0] for job in tasks.taken) == {str(owner): MOST_OF_ONE for owner in range(full)}
    late = [Active("late 1", "late", "queued"), Active("late 2", "late", "queued")]
    runner._take_some(tasks, [*jobs, *late])
    assert tasks.taken[MOST_HELD:] == ["late 1"]
