"""Errors while the points of a job are put into a table."""

import pytest
from support.job_resources import job_resources, stored_sweep
from support.jobs import LIMITS, sweep
from support.processes import RedisServer

from lindyn_service.errors import DeadlineError, ShuttingDownError
from lindyn_service.jobs.execution import JobExecution
from lindyn_service.jobs.worker_functions import assemble

pytestmark = [pytest.mark.anyio, pytest.mark.live]


class Engine:
    """An engine that computes in this process, and fails at the end."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def run(self, function, *args, report_seconds=None):
        if args[1:2] == (assemble,):
            raise self._failure
        return function(*args)


@pytest.mark.parametrize(
    "failure", [DeadlineError("late"), ShuttingDownError("later"), ValueError("a defect")], ids=repr
)
async def test_errors_of_the_table_are_raised_unchanged(failure):
    with RedisServer() as server:
        async with job_resources(server.url, Engine(failure)) as resources:
            job, request = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=2))
            run = JobExecution(job, request, LIMITS, resources)
            with pytest.raises(type(failure)) as caught:
                await run.run()
            assert caught.value is failure
