"""The job store on a real server."""

import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import pytest
from support.job_resources import job_store
from support.processes import RedisServer

from lindyn_service.jobs import store as store_module
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.store import JobStore

pytestmark = [pytest.mark.anyio, pytest.mark.live]

PIECES = 5


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[JobStore]:
    server.client.flushall()
    store = job_store(server.url, max_active=9, max_active_per_owner=9)
    yield store
    await store.aclose()


async def test_results_of_two_runners_do_not_mix(store: JobStore) -> None:
    """Both may hold a job after a server was frozen for longer than a lease."""
    job = await store.create("sweep", b"{}", 1, None)
    archives = [bytes([65 + i]) * (PIECES * 2**20 - i) for i in range(4)]
    async with anyio.create_task_group() as tasks:
        for archive in archives:
            tasks.start_soon(store.put_result, job.id, archive)
    assert await store.result(job.id) in archives


async def test_a_result_is_kept_and_all_other_data_are_deleted(store: JobStore, server: RedisServer) -> None:
    job = await store.create("sweep", b"{}", 1, None)
    for archive in (b"first", b"second" * 2**18):
        await store.put_result(job.id, archive)
        assert await store.result(job.id) == archive
    (key,) = server.keys(f"{job.id}:result")
    assert server.client.ttl(key) == -1


@pytest.mark.parametrize("jump_seconds", [-86_400, 86_400])
async def test_a_clock_that_is_set_forward_deletes_nothing(store: JobStore, monkeypatch, jump_seconds) -> None:
    ended, waiting = [await store.create("sweep", b"{}", 1, None) for _ in range(2)]
    await store.finish(ended.id, "done")
    jumped = SimpleNamespace(time=lambda: time.time() + jump_seconds, monotonic=time.monotonic)
    monkeypatch.setattr(store_module, "time", jumped)
    later = await store.create("sweep", b"{}", 1, None)
    await store.expire()
    for job in (ended, waiting, later):
        assert await store.get(job.id) is not None
    assert {job.id for job in await store.active()} == {waiting.id, later.id}


async def test_jobs_that_ended_long_ago_are_deleted(store: JobStore, monkeypatch) -> None:
    ended, waiting = [await store.create("sweep", b"{}", 1, None) for _ in range(2)]
    await store.finish(ended.id, "done")
    later = SimpleNamespace(time=lambda: time.time() + 61, monotonic=lambda: time.monotonic() + 61)
    monkeypatch.setattr(store_module, "time", later)
    await store.expire()
    assert await store.get(ended.id) is None
    assert await store.get(waiting.id) is not None


async def test_a_result_with_an_evicted_piece_is_missing(store: JobStore, server: RedisServer) -> None:
    """The writer gets an error, and writes it again."""
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
