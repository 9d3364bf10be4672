"""Events of jobs, with a store that the test controls."""

from types import SimpleNamespace
from typing import Any

import anyio
import orjson
import pytest

from lindyn.wire.job import Job
from lindyn_service.errors import BusyError, RateLimitedError
from lindyn_service.http import jobs
from lindyn_service.http.event_streams import EventStreams
from lindyn_service.jobs import job_watch
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.job_watch import JobWatch

pytestmark = pytest.mark.anyio

Told = list[tuple[str, dict[str, Any]]]

JOB = Job(id="0" * 32, kind="sweep", state="queued", completed=0, total=3, created=0.0, owner=None)


class Store:
    """A store that returns a list of states and then repeats the last one; it counts the queries."""

    def __init__(self, *answers: Job | Exception | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def changed(self, known: Any) -> dict[str, Job | None]:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {
            job_id: answer
            for job_id, state in known.items()
            if answer is None or (answer.state, answer.completed) != state
        }


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "WATCH_SECONDS", 0.001)
    monkeypatch.setattr(job_watch, "LOST_SECONDS", 0.02)


async def heard(
    store: Any, readers: int = 1, stop_after: float | None = None
) -> list[list[tuple[str, dict[str, Any]]]]:
    """Events of some streams of one job."""
    watch, stopping = JobWatch(store), anyio.Event()
    resources: Any = SimpleNamespace(stopping=stopping)
    service: Any = SimpleNamespace(watch=watch)
    all_heard: list[Told] = []

    async def read() -> None:
        events = jobs.events(JOB, resources, service, None, None)
        all_heard.append([(event.event or "", orjson.loads(event.raw_data or "")) async for event in events])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run, stopping)
        async with anyio.create_task_group() as reading:
            for _ in range(readers):
                reading.start_soon(read)
            if stop_after is not None:
                await anyio.sleep(stop_after)
                stopping.set()
        stopping.set()
    assert watch._followed == {}
    return all_heard


async def test_the_stream_of_a_lost_job_ends() -> None:
    ((*_, (name, job)),) = await heard(Store(JOB, None))
    assert (name, job["state"], job["problem"]["code"]) == ("failed", "failed", "not-found")
    assert JOB.id in job["problem"]["detail"]


async def test_streams_wait_for_a_store_that_is_unavailable() -> None:
    done = JOB.model_copy(update={"state": "done", "completed": 3})
    (told,) = await heard(Store(*[JobsUnavailableError("no")] * 50, None, done))
    assert [name for name, _ in told] == ["progress", "done"]


async def test_many_streams_of_a_job_share_one_query() -> None:
    one, done = (JOB.model_copy(update={"state": state, "completed": n}) for state, n in (("running", 1), ("done", 3)))
    store = Store(*[JOB] * 20, *[one] * 20, done)
    all_heard = await heard(store, readers=300)
    assert len(all_heard) == 300
    assert all([name for name, _ in told] == ["progress", "progress", "done"] for told in all_heard)
    assert store.asked <= 45


async def test_streams_end_when_the_service_stops() -> None:
    with anyio.fail_after(60):
        (told,) = await heard(Store(JOB), stop_after=0.05)
    assert [name for name, _ in told] == ["progress"]


def test_streams_take_half_of_the_connections_and_of_the_requests_of_a_key() -> None:
    streams = EventStreams(8, 4)
    assert (streams.max_open, streams.max_open_per_key) == (4, 2)
    with streams.open("ada"), streams.open("ada"):
        with pytest.raises(RateLimitedError, match="the limit is 2"), streams.open("ada"):
            pass
        with streams.open("bob"), streams.open(None):
            for name in ("carl", None):
                with pytest.raises(BusyError, match="4 streams"), streams.open(name):
                    pass
    with streams.open(None), streams.open(None), streams.open(None), streams.open(None):
        pass
    assert (EventStreams(1, 0).max_open, EventStreams(1, 0).max_open_per_key) == (1, 1)
    assert EventStreams(4096, 0).max_open_per_key == 512
