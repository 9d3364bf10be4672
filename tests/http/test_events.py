"""Events of jobs, with a store that does what the test says."""

from types import SimpleNamespace
from typing import Any, cast

import anyio
import orjson
import pytest

from lindyn.wire.job import Job
from lindyn_service.http import jobs
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.store import JobStore

pytestmark = pytest.mark.anyio

JOB = Job(id="0" * 32, kind="sweep", state="queued", completed=0, total=3, created=0.0, owner=None)


class Store:
    """Answers what is next, and the last of it for ever."""

    def __init__(self, *answers: Job | Exception | None) -> None:
        self._answers = list(answers)

    async def get(self, _job_id: str) -> Job | None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "EVENT_SECONDS", 0.001)
    monkeypatch.setattr(jobs, "LOST_SECONDS", 0.02)


async def heard(store: Store) -> list[tuple[str, dict[str, Any]]]:
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(stopping=anyio.Event())))
    found = jobs.events(JOB, request, cast("JobStore", store), None)
    return [(event.event or "", orjson.loads(event.raw_data or "")) async for event in found]


async def test_a_job_that_the_store_has_lost_ends() -> None:
    *_, (name, job) = await heard(Store(JOB, None))
    assert (name, job["state"], job["problem"]["code"]) == ("failed", "failed", "not-found")
    assert JOB.id in job["problem"]["detail"]


async def test_a_store_that_does_not_answer_for_a_while_is_waited_for() -> None:
    done = JOB.model_copy(update={"state": "done", "completed": 3})
    names = [name for name, _ in await heard(Store(*[JobsUnavailableError("no")] * 50, None, done))]
    assert names == ["progress", "done"]
