"""Answers of one process, with an engine that the test controls."""

from contextlib import suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.documents import document

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.engine.accounting import Account
from lindyn_service.errors import DeadlineError, NotApplicableError, RateLimitedError
from lindyn_service.operations.execute import Address, ComputedAnswer
from lindyn_service.operations.registry import TRAJECTORY, normalise

pytestmark = pytest.mark.anyio

BODY = b'{"method":"exact"}'


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Engine:
    """An engine that answers at once, never or with an error, and always reports the same busy time."""

    def __init__(self, seconds=0.0, error=None, busy_seconds=0.0):
        self.seconds = seconds
        self.error = error
        self.busy_seconds = busy_seconds
        self.calls = 0

    async def run(self, function, *args, report_seconds):
        self.calls += 1
        try:
            await anyio.sleep(self.seconds)
            if self.error is not None:
                raise self.error
        finally:
            report_seconds(self.busy_seconds)
        return ComputedAnswer("exact", BODY)


class Paying:
    """An account that records its charges, slowly, as a shared account may be."""

    def __init__(self):
        self.spent, self.charged = [], []

    async def spend(self, flops):
        self.spent.append(flops)

    async def charge(self, seconds, spent, *, done):
        await checkpoint()
        self.charged.append((seconds, spent, done))

    @property
    def account(self):
        return Account(self.spend, self.charge)


def answers(engine, deadline_seconds=60.0):
    return AnswerService(engine, MemoryCache(2**20), None, RequestLimits(2**30, 2**30, 1e12, deadline_seconds))


def known(asked=None):
    normal, key = normalise(TRAJECTORY, read(TrajectoryRequest, asked or document()))
    return normal, Address(key, TRAJECTORY.cost(normal), repeatable=True)


async def test_joining_a_computation_does_not_use_the_quota_of_its_owner():
    engine, asked, outcomes = Engine(), anyio.Event(), []
    normal, address = known()

    async def charge(seconds, spent, *, done):
        assert (seconds, spent > 0, done) == (0.0, True, True)

    async def refuse(_flops):
        await asked.wait()
        raise RateLimitedError("ada has used it up", 60)

    async def allow(flops):
        assert flops > 0

    async def ask(service, spend):
        try:
            outcomes.append((await service.answer(TRAJECTORY, normal, address, "json", Account(spend, charge))).body)
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


async def test_the_deadline_includes_all_steps():
    normal, address = known()
    async with answers(Engine(seconds=60), deadline_seconds=0.05) as service:
        with pytest.raises(DeadlineError, match=r"after 0\.05 s"):
            await service.answer(TRAJECTORY, normal, address, "json")


async def test_the_first_caller_is_charged_for_the_time_of_the_worker():
    engine, began, joined = Engine(seconds=0.01, busy_seconds=7.0), Paying(), Paying()
    normal, address = known()
    async with answers(engine) as service, anyio.create_task_group() as tasks:
        tasks.start_soon(service.answer, TRAJECTORY, normal, address, "json", began.account)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(service.answer, TRAJECTORY, normal, address, "json", joined.account)
    (flops,) = began.spent
    assert began.charged == [(7.0, flops, True)]
    assert (joined.spent, joined.charged) == ([], [])
    assert engine.calls == 1


async def test_failed_computations_are_charged():
    paying, engine = Paying(), Engine(error=NotApplicableError("no"), busy_seconds=3.0)
    normal, address = known()
    async with answers(engine) as service:
        with pytest.raises(NotApplicableError):
            await service.answer(TRAJECTORY, normal, address, "json", paying.account)
    assert paying.charged == [(3.0, paying.spent[0], False)]


@pytest.mark.parametrize("deadline_seconds", [0.05, 60.0], ids=["deadline", "left"])
async def test_cancelled_computations_are_charged(deadline_seconds):
    paying, engine = Paying(), Engine(seconds=60, busy_seconds=3.0)
    normal, address = known()
    async with answers(engine, deadline_seconds) as service:
        with anyio.move_on_after(0.1), suppress(DeadlineError):
            await service.answer(TRAJECTORY, normal, address, "json", paying.account)
    assert paying.charged == [(3.0, paying.spent[0], False)]


async def test_json_costs_more_than_npz():
    """Encoding text takes tens of nanoseconds per number."""
    asked = document(quantities=["output"]) | {"times": {"start": 0.0, "stop": 1.0, "num": 10_000}}
    spent = []
    for form in ("npz", "json"):
        paying = Paying()
        normal, address = known(asked)
        async with answers(Engine()) as service:
            await service.answer(TRAJECTORY, normal, address, form, paying.account)
        spent += paying.spent
    assert spent[1] - spent[0] > 10_000 * 4 * 500
