"""The store of jobs on a real server."""

from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.lowlevel
import pytest
from support.processes import RedisServer

from lindyn_service.errors import JobsUnavailableError
from lindyn_service.jobs.store import JobStore

pytestmark = [pytest.mark.anyio, pytest.mark.live]

PIECES = 5


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[JobStore]:
    server.client.flushall()
    store = JobStore(server.url, namespace="test", most_active=9, most_of_one=9, keep_seconds=60, timeout_seconds=0.5)
    yield store
    await store.aclose()


async def test_results_of_two_runners_do_not_mix(store: JobStore) -> None:
    """Both may believe that a job is theirs, after a server was frozen for longer than a lease."""
    job = await store.create("sweep", b"{}", 1, None)
    archives = [bytes([65 + i]) * (PIECES * 2**20 - i) for i in range(4)]
    async with anyio.create_task_group() as tasks:
        for archive in archives:
            tasks.start_soon(store.put_result, job.id, archive)
    assert await store.result(job.id) in archives


async def test_a_result_stays_and_leaves_nothing_else(store: JobStore, server: RedisServer) -> None:
    job = await store.create("sweep", b"{}", 1, None)
    for archive in (b"first", b"second" * 2**18):
        await store.put_result(job.id, archive)
        assert await store.result(job.id) == archive
    (key,) = server.keys(f"{job.id}:result")
    assert server.client.ttl(key) == -1


async def test_a_result_of_which_a_piece_was_evicted_is_none(store: JobStore, server: RedisServer) -> None:
    """The writer is told, and writes it again."""
    job = await store.create("sweep", b"{}", 1, None)
    archive = bytes(2 * 2**20)

    async def evict() -> None:
        while not (parts := server.keys(f"{job.id}:result:")):
            await anyio.lowlevel.checkpoint()
        server.client.delete(*parts)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(evict)
        with pytest.raises(JobsUnavailableError):
            await store.put_result(job.id, archive)
    assert await store.result(job.id) is None
