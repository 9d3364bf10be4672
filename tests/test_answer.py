"""Answers of one process, with an engine that does what the test says."""

import anyio
import pytest
from support.documents import document

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.answer import Answers, Limits
from lindyn_service.cache.memory import MemoryCache
from lindyn_service.errors import DeadlineError, RateLimitedError
from lindyn_service.execute import Address
from lindyn_service.operations import TRAJECTORY, normalise

pytestmark = pytest.mark.anyio

BODY = b'{"method":"exact"}'


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Engine:
    """Answers at once, or never."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.calls = 0

    async def run(self, function, *args):
        self.calls += 1
        await anyio.sleep(self.seconds)
        return BODY


def answers(engine, deadline_seconds=60.0):
    return Answers(engine, MemoryCache(2**20), None, Limits(2**30, 2**30, 1e12, deadline_seconds))


def known():
    normal, key = normalise(TRAJECTORY, read(TrajectoryRequest, document()))
    return normal, Address(key, TRAJECTORY.cost(normal), repeats=True)


async def test_who_joins_does_not_share_the_quota_of_who_began():
    engine, asked, outcomes = Engine(), anyio.Event(), []
    normal, address = known()

    async def refuse(_flops):
        await asked.wait()
        raise RateLimitedError("ada has used it up", 60)

    async def allow(flops):
        assert flops > 0

    async def ask(service, spend):
        try:
            outcomes.append((await service.answer(TRAJECTORY, normal, address, "json", spend)).body)
        except RateLimitedError as error:
            outcomes.append(error)

    async with answers(engine) as service, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, service, refuse)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, service, allow)
        tasks.start_soon(ask, service, allow)
        await anyio.wait_all_tasks_blocked()
        asked.set()
    assert sorted(map(type, outcomes), key=str) == sorted((RateLimitedError, bytes, bytes), key=str)
    assert engine.calls == 1


async def test_the_deadline_is_that_of_the_whole_way():
    normal, address = known()
    async with answers(Engine(seconds=60), deadline_seconds=0.05) as service:
        with pytest.raises(DeadlineError, match=r"after 0\.05 s"):
            await service.answer(TRAJECTORY, normal, address, "json")
