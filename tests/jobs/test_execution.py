"""Computation of the points of a job in calls of limited duration."""

from dataclasses import replace
from types import SimpleNamespace

import anyio
import numpy as np
import pytest
from support.job_resources import InlineEngine, job_resources, stored_sweep
from support.jobs import LIMITS, sweep
from support.processes import RedisServer

from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.errors import DeadlineError
from lindyn_service.jobs import points
from lindyn_service.jobs.execution import FIRST_CHUNK, JobExecution
from lindyn_service.jobs.resources import PointMemory
from lindyn_service.jobs.worker_functions import compute
from lindyn_service.translate import point_blocks
from lindyn_service.translate.point_records import pack_record
from lindyn_service.translate.sweep import indices
from lindyn_service.translate.table import read_table

BYTES_OF_A_SCALAR = len(pack_record({"values": {"final_loss": 1.0}, "warnings": []}))

pytestmark = [pytest.mark.anyio, pytest.mark.live]


class Slow(InlineEngine):
    """An engine that has time for one point per call, and records the numbers of requested points."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def run(self, function, *args, report_seconds=None):
        request, asked, *others = args
        if asked is compute:
            self.asked.append(len(others[0]))
            others[1] = 0.0
        return await super().run(function, request, asked, *others)


class Busy(InlineEngine):
    """An engine on a busy machine: each call takes an hour, with little processor time."""

    def __init__(self):
        self.asked: list[int] = []

    async def run(self, function, request, asked, *others, report_seconds=None):
        found = await super().run(function, request, asked, *others)
        if asked is compute:
            self.asked.append(len(others[0]))
            seconds = 1e-4 * len(others[0])
            return (replace(found[0], seconds=3600.0, processor_seconds=seconds),)
        return found


async def test_other_work_on_the_machine_does_not_make_calls_short():
    """Calls of a few points would have no blocks, so that points would take longer, and calls remain short."""
    busy = Busy()
    await computed(busy, seeds=50)
    assert busy.asked[0] == FIRST_CHUNK
    assert busy.asked[1] > 10 * FIRST_CHUNK


def test_points_of_a_block_are_kept_after_the_time_limit(monkeypatch):
    """The first block, which has all points, takes more than the time."""
    request = read(SweepRequest, sweep(lams=(0.5,), seeds=40))
    monkeypatch.setattr(points, "time", SimpleNamespace(perf_counter=iter([0.0, 5.0]).__next__))
    assert len(points.sweep_points(request, list(indices(request)), LIMITS, 1.0)) == 40


class Late(InlineEngine):
    async def run(self, function, *args, report_seconds=None):
        raise DeadlineError("late")


async def computed(engine, seeds=5):
    with RedisServer() as server:
        async with job_resources(server.url, engine) as resources:
            job, request = await stored_sweep(resources.store, sweep(lams=(0.5, 1.0), seeds=seeds))
            run = JobExecution(job, request, LIMITS, resources)
            await run.run()
            done = await resources.store.get(job.id)
            assert (done.state, done.completed) == ("done", 2 * seeds)
            return read_table(await resources.results.find(job.id))[0].values("final_loss")


async def test_points_beyond_the_time_of_a_call_are_computed_by_later_calls(monkeypatch):
    monkeypatch.setattr(point_blocks, "COVERED", frozenset())  # all points of a block would be computed by one call
    slow = Slow()
    assert ((await computed(slow)) == (await computed(InlineEngine()))).all()
    assert len(slow.asked) == 10
    assert max(slow.asked) > 1


async def test_a_point_that_takes_too_long_ends_its_job():
    with pytest.raises(DeadlineError):
        await computed(Late())


class Costly(InlineEngine):
    """An engine whose calls take an hour of a worker each."""

    async def run(self, function, *args, report_seconds=None):
        result = await super().run(function, *args)
        if report_seconds is not None:
            report_seconds(3600.0)
        return result


async def test_an_owner_beyond_the_quota_waits():
    """The second of two jobs does not fail, and is not computed either."""
    with RedisServer() as server:
        async with job_resources(server.url, Costly(), flops_per_hour=1e13) as resources:
            assert await resources.charges.seconds_until_room("ada") == 0
            job, request = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=1), "ada")
            await JobExecution(job, request, LIMITS, resources).run()
            assert (await resources.store.get(job.id)).state == "done"
            assert await resources.charges.seconds_until_room("ada") > 0
            assert await resources.charges.seconds_until_room("bob") == 0
            later, request = await stored_sweep(resources.store, sweep(lams=(0.7,), seeds=1), "ada")
            run = JobExecution(later, request, LIMITS, resources)
            with anyio.move_on_after(1.0):
                await run.run()
            assert (await resources.store.get(later.id)).state not in ("done", "failed")
            assert run.completed == 0


@pytest.mark.parametrize("max_bytes", [0, 1000, 2**20])
async def test_points_in_memory_are_not_read_from_the_cache_again(max_bytes, monkeypatch):
    looked_up: list[str] = []
    original = RedisCache.get_many

    async def get_many(self, names, max_bytes):
        looked_up.extend(names)
        return await original(self, names, max_bytes)

    monkeypatch.setattr(RedisCache, "get_many", get_many)
    with RedisServer() as server:
        async with job_resources(server.url) as resources:
            memory = PointMemory(max_bytes)
            job, request = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=30))
            await JobExecution(job, request, LIMITS, replace(resources, point_memory=memory)).run()
            found = await resources.results.find(job.id)
            assert np.all(np.isfinite(read_table(found)[0].values("final_loss")))
    kept = {0: 0, 1000: 1000 // BYTES_OF_A_SCALAR, 2**20: 30}[max_bytes]
    assert len(looked_up) == 30 + 30 - kept
    assert memory.take(max_bytes)  # all of it was released
    assert not memory.take(1)
