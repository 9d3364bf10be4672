"""Sources of answers: memory, the shared cache, the other format, another request, or a computation."""

import json
from contextlib import suppress

import anyio
import numpy as np
import pytest
from support.answering import BODY, InProcessEngine, SharedCache, addressed, ask, service_of
from support.documents import document

from lindyn.wire import npz
from lindyn_service.answers.service import RequestLimits
from lindyn_service.errors import NotApplicableError, ShuttingDownError, TooLargeError
from lindyn_service.methods.cost import Cost
from lindyn_service.operations.execute import Address, ComputedAnswer
from lindyn_service.operations.registry import BALANCE, TRAJECTORY

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_computed_answer_is_stored_with_its_method():
    engine = InProcessEngine()
    async with service_of(engine) as service:
        computed = await ask(service)
        kept = await ask(service)
        key = addressed()[1].key
        assert service.in_memory("trajectories", key, "json") == computed.body
        assert service.in_memory("trajectories", key, "npz") is None
    assert (computed.source, kept.source) == ("miss", "hit")
    assert computed.body == kept.body
    assert json.loads(kept.body)["method"] == computed.method == kept.method == "exact"
    assert engine.computations == 1


async def test_concurrent_requests_share_one_computation():
    engine, found = InProcessEngine(is_open=False), []

    async def read():
        found.append(await ask(service))

    async with service_of(engine) as service, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        engine.open.set()
    assert sorted(answer.source for answer in found) == ["coalesced"] * 4 + ["miss"]
    assert len({(answer.body, answer.method) for answer in found}) == 1
    assert engine.computations == 1


async def test_other_requests_and_formats_have_separate_computations():
    engine = InProcessEngine(ComputedAnswer("exact", BODY), is_open=False)
    async with service_of(engine) as service, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, service, "json")
        tasks.start_soon(ask, service, "npz")
        tasks.start_soon(ask, service, "json", document(time_constant=2.0))
        await anyio.wait_all_tasks_blocked()
        engine.open.set()
    assert engine.computations == 3


async def test_a_computation_continues_while_any_request_waits():
    engine, answers = InProcessEngine(is_open=False), []

    async def leave(scope):
        with scope:
            await ask(service)

    async def stay():
        answers.append(await ask(service))

    async with service_of(engine) as service, anyio.create_task_group() as tasks:
        first, second = anyio.CancelScope(), anyio.CancelScope()
        tasks.start_soon(leave, first)
        tasks.start_soon(stay)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        assert engine.stopped == 0
        engine.open.set()
        await anyio.wait_all_tasks_blocked()
        assert [answer.source for answer in answers] == ["coalesced"]
        engine.open = anyio.Event()
        tasks.start_soon(leave, second)  # answered from memory
        await anyio.wait_all_tasks_blocked()
        assert engine.computations == 1


async def test_a_computation_without_waiting_requests_is_cancelled_and_restarted():
    engine = InProcessEngine(is_open=False)
    async with service_of(engine) as service:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, service)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert engine.stopped == 1
        engine.open.set()
        assert (await ask(service)).source == "miss"


async def test_an_error_reaches_all_waiting_requests_and_is_not_stored():
    engine, errors = InProcessEngine(NotApplicableError("no method applies"), is_open=False), []

    async def fail():
        with pytest.raises(NotApplicableError) as caught:
            await ask(service)
        errors.append(caught.value)

    async with service_of(engine) as service:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            tasks.start_soon(fail)
            await anyio.wait_all_tasks_blocked()
            engine.open.set()
        assert len(errors) == 2
        assert engine.computations == 1
        engine.result = None
        assert (await ask(service)).source == "miss"


async def test_a_stopping_service_accepts_no_new_work():
    service = service_of(InProcessEngine())
    async with service:
        pass
    with pytest.raises(ShuttingDownError):
        await ask(service)


def numbers(body, form):
    """Times, loss and output of an answer."""
    if form == "npz":
        arrays = npz.unpack(body, largest_bytes=10**6)[1]
        return [arrays[name] for name in ("times", "loss", "output")]
    found = json.loads(body)
    return [np.array(each) for each in (found["times"], found["quantities"]["loss"], found["quantities"]["output"])]


@pytest.mark.parametrize(("first", "second"), [("json", "npz"), ("npz", "json")])
@pytest.mark.parametrize("place", ["memory", "shared"])
@pytest.mark.parametrize("by_key", [False, True])
async def test_an_answer_in_the_other_format_is_converted(first, second, place, by_key):
    shared = SharedCache()
    engine, other_engine = InProcessEngine(), InProcessEngine()
    async with service_of(engine, shared) as service, service_of(other_engine, shared) as other:
        computed = await ask(service, first)
        reader, counted = (service, engine) if place == "memory" else (other, other_engine)
        if by_key:
            converted = await reader.find(TRAJECTORY, addressed()[1].key, second)
        else:
            converted = await ask(reader, second)
        assert (converted.source, converted.method, counted.conversions) == ("hit", "exact", 1)
        for left, right in zip(numbers(computed.body, first), numbers(converted.body, second), strict=True):
            assert np.array_equal(left, right)
        again = await ask(reader, second)
        assert (again.source, again.body, counted.conversions) == ("hit", converted.body, 1)
    assert engine.computations + other_engine.computations == 1


async def test_an_answer_of_another_process_has_its_method():
    shared, idle = SharedCache(), InProcessEngine(NotApplicableError("not asked"))
    async with service_of(InProcessEngine(), shared) as service, service_of(idle, shared) as other:
        computed = await ask(service, asked=document(method="flow"))
        found = await ask(other, asked=document(method="flow"))
        assert (found.source, found.method, found.body) == ("hit", "flow", computed.body)
        key = addressed(document(method="flow"))[1].key
        assert other.in_memory("trajectories", key, "json") == computed.body
    assert idle.computations == 0


async def test_values_of_earlier_versions_are_not_answers():
    """Their values were plain answers, under names without a prefix."""
    shared = SharedCache()
    request, address = addressed()
    shared.values[f"trajectories:{address.key}.json"] = b'{"method":"flow"}'
    async with service_of(InProcessEngine(), shared) as service:
        assert await service.find(TRAJECTORY, address.key, "json") is None
        assert (await service.answer(TRAJECTORY, request, address, "json")).source == "miss"


@pytest.mark.parametrize("dies", [False, True])
async def test_requests_wait_for_the_computation_of_another_process(dies):
    shared, answers = SharedCache(), []
    busy, waiting = InProcessEngine(is_open=False), InProcessEngine()

    async def wait():
        answers.append(await ask(other))

    async with (
        service_of(busy, shared) as service,
        service_of(waiting, shared) as other,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(suppressed, service)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert (len(answers), waiting.computations) == (0, 0)
        if dies:
            busy.result = NotApplicableError("lost")  # its lease ends without a value
        busy.open.set()
    (answer,) = answers
    assert (answer.source, waiting.computations) == (("miss", 1) if dies else ("coalesced", 0))


async def suppressed(service):
    with suppress(NotApplicableError):
        await ask(service)


async def test_a_failing_cache_only_causes_computations():
    shared, engine, other_engine = SharedCache(), InProcessEngine(), InProcessEngine()
    shared.failing = True
    async with service_of(engine, shared) as service, service_of(other_engine, shared) as other:
        first, second = await ask(service), await ask(other)
        assert (first.source, second.source, first.body == second.body) == ("miss", "miss", True)
        assert (await ask(service)).source == "hit"
        assert await service.find(TRAJECTORY, "0" * 64, "json") is None
        shared.failing = False
        assert (await ask(other, "npz")).source == "hit"  # converted from memory
    assert (engine.computations, other_engine.computations) == (1, 1)


@pytest.mark.parametrize(
    ("limits", "unit"),
    [
        (RequestLimits(10, 2**30, 1e12, 60.0), "bytes of answer"),
        (RequestLimits(2**30, 10, 1e12, 60.0), "bytes of working memory"),
        (RequestLimits(2**30, 2**30, 10, 60.0), "floating-point operations"),
    ],
)
async def test_a_request_over_a_limit_is_refused_before_it_is_computed(limits, unit):
    engine = InProcessEngine()
    async with service_of(engine, SharedCache(), limits=limits) as service:
        with pytest.raises(TooLargeError, match=f"{unit}, the limit is 10; {TRAJECTORY.remedy}"):
            await ask(service)
    assert engine.computations == 0


async def test_only_trajectories_are_converted():
    engine = InProcessEngine(ComputedAnswer("none", b"{}"))
    address = Address("0" * 64, Cost(1.0, 1, 1), repeatable=True)
    async with service_of(engine, SharedCache()) as service:
        for form in ("json", "npz"):
            answer = await service.answer(BALANCE, addressed()[0], address, form)
            assert (answer.source, answer.method) == ("miss", "none")
    assert (engine.computations, engine.conversions) == (2, 0)
