"""Points of fits: what they are computed from, their addresses, and a job that is resumed."""

import orjson
import pytest
from support.fits import LIMITS, admitted, computed, request
from support.job_resources import InlineEngine, job_resources
from support.processes import RedisServer

from lindyn.wire.job import Job
from lindyn_service.jobs.execution import JobExecution
from lindyn_service.jobs.fit_plan import FitPlan
from lindyn_service.jobs.worker_functions import compute, outline
from lindyn_service.translate.fit_document import FIT as KIND
from lindyn_service.translate.table import result_as_json

TIMES = [0.5, 1.0, 2.0, 4.0, 8.0]
MODELS = [
    {"name": "rich", "set": {"network.lambda": 0.0}},
    {"name": "given", "set": {"network.scale": 0.3}, "free": []},
]
FIT = request(TIMES, [3.3, 3.0, 2.0, 0.4, 0.1], sigma=0.1, starts=2, models=MODELS)
FIT["base"]["network"]["lambda"] = 0.5


def plan(document=FIT):
    return FitPlan(admitted(document), LIMITS.result_bytes)


def test_descents_come_first_and_the_others_need_those_of_their_model():
    found = plan()
    assert found.total == (2 + 2 + 1) + 3 + (3 + 2)
    stages = outline(found).stages
    assert stages == [list(range(5)), list(range(5, 13))]
    assert [found.needs[number] for number in (5, 6, 7)] == [range(2), range(2, 4), range(4, 5)]
    assert [found.needs[number] for number in range(8, 13)] == 3 * [range(2)] + 2 * [range(2, 4)]


def test_addresses_do_not_depend_on_other_models():
    whole, alone = plan(), plan({**FIT, "models": []})
    keys = whole.keys(range(whole.total))
    assert len(set(keys)) == whole.total
    assert set(alone.keys(range(alone.total))) < set(keys)
    other = plan(request(TIMES, [3.3, 3.0, 2.0, 0.4, 0.2], sigma=0.1, starts=2))
    assert not set(other.keys(range(other.total))) & set(keys)


def test_a_call_ends_after_the_point_at_which_its_time_is_over():
    assert len(plan().compute([0, 1], 0.0, {})) == 1


class Counting(InlineEngine):
    """Notes which points are computed, and which records come with them."""

    def __init__(self) -> None:
        self.computed: list[int] = []
        self.needed: dict[int, set[int]] = {}

    async def run(self, function, request, asked, *others, report_seconds=None):
        found = await super().run(function, request, asked, *others)
        if asked is compute:
            numbers = others[0][: len(found[0].records)]
            self.computed += numbers
            self.needed |= {number: set(others[2]) for number in numbers}
        return found


async def stored(resources) -> tuple[Job, bytes]:
    document = orjson.dumps(admitted(FIT).model_dump(by_alias=True), option=orjson.OPT_SERIALIZE_NUMPY)
    return await resources.store.create(KIND, document, plan().total, None), document


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.live
async def test_a_job_is_the_same_as_its_points_and_computes_only_what_is_missing():
    first, second = Counting(), Counting()
    with RedisServer() as server:
        async with job_resources(server.url, first) as resources:
            job, document = await stored(resources)
            await JobExecution(job, document, LIMITS, resources).run()
            done = await resources.store.get(job.id)
            assert (done.state, done.completed, done.total) == ("done", 13, 13)
            result = orjson.loads(result_as_json(await resources.results.find(job.id)))
            for key in server.keys("record:")[:6]:  # what a cache may forget
                server.client.delete(key)
        async with job_resources(server.url, second) as resources:
            job, document = await stored(resources)
            await JobExecution(job, document, LIMITS, resources).run()
            again = orjson.loads(result_as_json(await resources.results.find(job.id)))
    assert sorted(first.computed) == list(range(13))
    assert all(first.needed[number] >= set(plan().needs[number]) for number in range(5, 13))
    assert len(second.computed) == 6
    assert {**again, "job": ""} == {**result, "job": ""}
    here = plan()
    records = computed(here)
    alone = orjson.loads(result_as_json(here.table("", [records[i] for i in range(here.total)]).pack()))
    assert alone == {**result, "job": ""}
