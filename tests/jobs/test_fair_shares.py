"""Who computes next, by what was done for whom."""

from collections import Counter
from contextlib import ExitStack

import anyio
import pytest

from lindyn_service.jobs.fair_shares import FairShares

pytestmark = pytest.mark.anyio


async def turns(shares: FairShares, jobs: dict[str, tuple[str | None, float]], most: int) -> list[str]:
    """In which order jobs get turns that take so many seconds of theirs, all of them asking all the time."""
    order: list[str] = []
    ready = anyio.Event()

    async def ask(name: str, share, seconds: float) -> None:
        await ready.wait()
        while len(order) < most:
            async with shares.turn(share):
                order.append(name)
                share.charge(seconds)
                await anyio.lowlevel.checkpoint()

    with ExitStack() as stack:
        async with anyio.create_task_group() as tasks:
            for name, (owner, seconds) in jobs.items():
                share = stack.enter_context(shares.join(owner))
                for _ in range(2):  # one asks while the other has its turn, as the chunks of a job do
                    tasks.start_soon(ask, name, share, seconds)
            ready.set()
    return order[:most]


async def test_four_jobs_of_one_owner_get_what_one_of_another_gets():
    jobs = {f"a{i}": ("ada", 1.0) for i in range(4)} | {"b": ("bob", 1.0)}
    counted = Counter(await turns(FairShares(lambda: 1), jobs, 80))
    assert abs(counted["b"] - 40) <= 2
    assert all(abs(counted[f"a{i}"] - 10) <= 2 for i in range(4))


async def test_shares_are_of_seconds_not_of_turns():
    counted = Counter(await turns(FairShares(lambda: 1), {"slow": ("ada", 9.0), "fast": ("bob", 1.0)}, 100))
    assert abs(counted["fast"] - 9 * counted["slow"]) <= 9


async def test_callers_without_a_key_share_one_share():
    jobs = {"x": (None, 1.0), "y": (None, 1.0), "b": ("bob", 1.0)}
    counted = Counter(await turns(FairShares(lambda: 1), jobs, 80))
    assert abs(counted["b"] - 40) <= 2
    assert abs(counted["x"] - counted["y"]) <= 2


async def test_who_comes_later_starts_from_where_the_others_are():
    shares = FairShares(lambda: 1)
    with shares.join("ada") as old:
        old.charge(1e6)
        counted = Counter(await turns(shares, {"b": ("bob", 1.0), "a": ("ada", 1.0)}, 40))
    assert abs(counted["a"] - 20) <= 2


async def test_no_more_turns_than_the_width_and_none_is_lost_by_cancelling():
    shares, under_way, most = FairShares(lambda: 2), 0, 0
    with shares.join("ada") as share:

        async def one() -> None:
            nonlocal under_way, most
            async with shares.turn(share):
                under_way += 1
                most = max(most, under_way)
                await anyio.lowlevel.checkpoint()
                under_way -= 1

        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(one)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        under_way = 0
        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(one)
        assert (most, share.seconds) == (2, pytest.approx(0))
