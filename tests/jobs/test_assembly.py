"""What goes wrong when the points of a job are put together is told as what it is."""

import orjson
import pytest
from support.jobs import sweep
from support.processes import RedisServer

from lindyn_service.cache.redis import RedisCache
from lindyn_service.errors import DeadlineError, ShuttingDownError
from lindyn_service.jobs.plan import SWEEP, plan_of
from lindyn_service.jobs.run import JobRun
from lindyn_service.jobs.store import JobStore
from lindyn_service.translate.table import sweep_table

pytestmark = [pytest.mark.anyio, pytest.mark.live]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Engine:
    """Computes here, and fails at the end."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def run(self, function, *args):
        if function is sweep_table:
            raise self._failure
        return function(*args)


@pytest.mark.parametrize(
    "failure", [DeadlineError("late"), ShuttingDownError("later"), ValueError("a defect")], ids=repr
)
async def test_a_failure_at_the_end_is_not_wrapped(failure):
    with RedisServer() as server:
        store = JobStore(server.url, namespace="t", most_active=9, most_of_one=0, keep_seconds=60, timeout_seconds=60)
        cache = RedisCache(
            server.url,
            namespace="t",
            max_value_bytes=10**6,
            time_to_live_seconds=60,
            timeout_seconds=60,
            retry_seconds=1,
        )
        request = orjson.dumps(sweep(lams=(0.5,), seeds=2))
        job = await store.create(SWEEP, request, 2, None)
        run = JobRun(job, request, plan_of(SWEEP, request), store, cache, Engine(failure), lambda: 1)
        with pytest.raises(type(failure)) as caught:
            await run.run()
        assert caught.value is failure
        await cache.aclose()
        await store.aclose()
