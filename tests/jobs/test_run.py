"""How the points of a job are computed: of slow ones, a call does so many as it has time for."""

import pytest
from support.job_means import Here, job_means, stored_sweep
from support.jobs import LIMITS, sweep
from support.processes import RedisServer

from lindyn_service.errors import DeadlineError
from lindyn_service.jobs.plan import plan_of
from lindyn_service.jobs.points import sweep_points
from lindyn_service.jobs.run import JobRun
from lindyn_service.translate.table import read_table

pytestmark = [pytest.mark.anyio, pytest.mark.live]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Slow(Here):
    """Has time for one point a call; notes how many were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def run(self, function, *args):
        if args and args[0] is sweep_points:
            request, places, limits, _ = args[1]
            self.asked.append(len(places))
            return await super().run(function, sweep_points, (request, places, limits, 0.0))
        return await super().run(function, *args)


class Late(Here):
    async def run(self, function, *args):
        raise DeadlineError("late")


async def computed(engine):
    with RedisServer() as server:
        async with job_means(server.url, engine) as means:
            job, request = await stored_sweep(means.store, sweep(lams=(0.5, 1.0), seeds=5))
            run = JobRun(job, request, plan_of(job, request, LIMITS), means)
            await run.run()
            done = await means.store.get(job.id)
            assert (done.state, done.completed) == ("done", 10)
            return read_table(await means.results.find(job.id))[0].values("final_loss")


async def test_what_a_call_had_no_time_for_is_computed_by_the_next_ones():
    slow = Slow()
    assert ((await computed(slow)) == (await computed(Here()))).all()
    assert len(slow.asked) == 10
    assert max(slow.asked) > 1


async def test_a_point_that_takes_too_long_ends_its_job():
    with pytest.raises(DeadlineError):
        await computed(Late())
