"""Requests of jobs in workers: a long request is sent to each worker once, and parsed once."""

import orjson
import pytest
from support.job_resources import InlineEngine
from support.jobs import LIMITS, sweep

from lindyn_service.jobs import stored_requests
from lindyn_service.jobs.errors import DamagedJobError
from lindyn_service.jobs.stored_requests import SHORT_BYTES, StoredRequest, with_plan
from lindyn_service.jobs.worker_calls import PlanCaller
from lindyn_service.jobs.worker_functions import compute, outline

pytestmark = pytest.mark.anyio


class Worker(InlineEngine):
    """A worker that records the bytes of a request that are sent with each call."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    async def run(self, function, request, *args, report_seconds=None):
        self.sent.append(len(request.document or b""))
        return await super().run(function, request, *args, report_seconds=report_seconds)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    stored_requests._plans.cache_clear()
    yield
    stored_requests._plans.cache_clear()


def request_of(seeds: int) -> StoredRequest:
    return StoredRequest.of("sweep", orjson.dumps(sweep(lams=(0.5,), seeds=seeds)), LIMITS)


async def test_a_long_request_is_sent_and_read_once(monkeypatch):
    read = []
    original = stored_requests.plan_of
    monkeypatch.setattr(stored_requests, "plan_of", lambda *asked: (read.append(asked), original(*asked))[1])
    long, worker = request_of(20_000), Worker()
    plan_caller = PlanCaller("job", long)
    size = len(long.document)
    assert size > SHORT_BYTES
    assert (await plan_caller.call(worker, outline)).total == 20_000
    records = (await plan_caller.call(worker, compute, [0, 19_999], 1e9, {})).records
    assert len(records) == 2
    assert worker.sent == [0, size, 0]
    assert len(read) == 1
    stored_requests._plans.cache_clear()  # as another worker, or one that was started again
    assert (await plan_caller.call(worker, compute, [0, 19_999], 1e9, {})).records == records
    assert worker.sent == [0, size, 0, 0, size]


async def test_a_short_request_goes_with_each_call():
    short, worker = request_of(2), Worker()
    plan_caller = PlanCaller("job", short)
    for _ in range(2):
        await plan_caller.call(worker, outline)
    assert worker.sent == [len(short.document)] * 2


def test_the_number_of_stored_requests_is_bounded_and_requests_differ(monkeypatch):
    first, second = request_of(3), request_of(4)
    assert with_plan(first, outline)[0].total == 3
    assert with_plan(second, outline)[0].total == 4
    assert with_plan(first.without_document, outline)[0].total == 3
    stored_requests._plans.cache_clear()
    monkeypatch.setattr(stored_requests, "_CACHE_BYTES", 1)  # of one alone, whatever its size
    with_plan(first, outline)
    assert with_plan(first.without_document, outline)[0].total == 3
    with_plan(second, outline)
    assert with_plan(first.without_document, outline) is None


def test_a_damaged_request_is_refused_and_not_stored():
    damaged = StoredRequest.of("sweep", b"\xff{", LIMITS)
    for _ in range(2):
        with pytest.raises(DamagedJobError):
            with_plan(damaged, outline)
    assert with_plan(damaged.without_document, outline) is None
