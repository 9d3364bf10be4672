"""What goes wrong when the points of a job are put together is told as what it is."""

import pytest
from support.job_resources import job_resources, stored_sweep
from support.jobs import LIMITS, sweep
from support.processes import RedisServer

from lindyn_service.errors import DeadlineError, ShuttingDownError
from lindyn_service.jobs.execution import JobExecution
from lindyn_service.jobs.worker_functions import assemble

pytestmark = [pytest.mark.anyio, pytest.mark.live]


class Engine:
    """Computes here, and fails at the end."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def run(self, function, *args, report_seconds=None):
        if args[1:2] == (assemble,):
            raise self._failure
        return function(*args)


@pytest.mark.parametrize(
    "failure", [DeadlineError("late"), ShuttingDownError("later"), ValueError("a defect")], ids=repr
)
async def test_a_failure_at_the_end_is_not_wrapped(failure):
    with RedisServer() as server:
        async with job_resources(server.url, Engine(failure)) as resources:
            job, request = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=2))
            run = JobExecution(job, request, LIMITS, resources)
            with pytest.raises(type(failure)) as caught:
                await run.run()
            assert caught.value is failure
