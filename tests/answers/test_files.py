"""Large answers, which a worker writes to files."""

import json

import anyio
import pytest
from support.answering import BODY, FilingEngine, InProcessEngine, SharedCache, addressed, ask, service_of

from lindyn_service.errors import BusyError
from lindyn_service.operations.registry import TRAJECTORY
from lindyn_service.spool.store import Spool, StoredFile

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_large_answer_is_written_to_a_file(tmp_path):
    engine, spool, shared = FilingEngine(), Spool(tmp_path, 10**6), SharedCache()
    async with service_of(engine, shared, spool) as service:
        computed, kept = await ask(service), await ask(service)
        found = await service.find(TRAJECTORY, addressed()[1].key, "json")
        assert await service.find(TRAJECTORY, "0" * 64, "json") is None
    assert [answer.source for answer in (computed, kept, found)] == ["miss", "hit", "hit"]
    for answer in (computed, kept, found):
        assert isinstance(answer.body, StoredFile)
        assert (answer.body.read(), answer.method) == (BODY, "exact")
    assert (engine.computations, shared.values) == (1, {})


async def test_the_file_of_an_earlier_version_has_no_method(tmp_path):
    async with service_of(FilingEngine(note=""), spool=Spool(tmp_path, 10**6)) as service:
        assert (await ask(service)).method == "none"


async def test_a_file_that_was_evicted_before_sending_gives_busy(tmp_path):
    async with service_of(FilingEngine(lose=True), spool=Spool(tmp_path, 10**6)) as service:
        with pytest.raises(BusyError, match="evicted"):
            await ask(service)


async def test_an_answer_is_sent_although_a_folder_is_in_the_place_of_its_file(tmp_path, caplog):
    spool = Spool(tmp_path, 10**6)
    blocked = spool.path(f"trajectories:{addressed()[1].key}.json")
    blocked.mkdir()
    (blocked / "theirs").write_text("precious")
    for _ in range(2):
        async with service_of(InProcessEngine(), spool=spool) as service:
            answer = await ask(service)
        assert json.loads(answer.body)["method"] == "exact"
        assert answer.source == "miss"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert str(blocked) in record.getMessage()
    assert (blocked / "theirs").read_text() == "precious"
    assert list(tmp_path.iterdir()) == [blocked]


async def test_a_file_of_another_process_ends_the_wait_for_it(tmp_path):
    shared, spool = SharedCache(), Spool(tmp_path, 10**6)
    async with service_of(InProcessEngine(), shared, spool) as service, anyio.create_task_group() as tasks:
        shared.leases.add(f"answers:trajectories:{addressed()[1].key}.json")
        sources = []

        async def wait():
            sources.append((await ask(service)).source)

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        async with service_of(FilingEngine(), spool=spool) as other:
            await ask(other)
    assert sources == ["coalesced"]
