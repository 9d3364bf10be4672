"""The order of computations of different owners, by the time that each has used."""

from collections import Counter
from contextlib import ExitStack

import anyio
import pytest

from lindyn_service.jobs.fair_shares import FairShares

pytestmark = pytest.mark.anyio


async def turns(shares: FairShares, jobs: dict[str, tuple[str | None, float]], most: int) -> list[str]:
    """Order in which jobs get turns, if all of them always request one and each turn takes its number of seconds."""
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


async def test_owners_have_equal_shares_whatever_their_number_of_jobs():
    jobs = {f"a{i}": ("ada", 1.0) for i in range(4)} | {"b": ("bob", 1.0)}
    counted = Counter(await turns(FairShares(lambda: 1), jobs, 80))
    assert abs(counted["b"] - 40) <= 2
    assert all(abs(counted[f"a{i}"] - 10) <= 2 for i in range(4))


async def test_shares_are_measured_in_seconds():
    counted = Counter(await turns(FairShares(lambda: 1), {"slow": ("ada", 9.0), "fast": ("bob", 1.0)}, 100))
    assert abs(counted["fast"] - 9 * counted["slow"]) <= 9


async def test_callers_without_a_key_share_one_share():
    jobs = {"x": (None, 1.0), "y": (None, 1.0), "b": ("bob", 1.0)}
    counted = Counter(await turns(FairShares(lambda: 1), jobs, 80))
    assert abs(counted["b"] - 40) <= 2
    assert abs(counted["x"] - counted["y"]) <= 2


async def test_new_owners_start_at_the_level_of_the_others():
    shares = FairShares(lambda: 1)
    with shares.join("ada") as old:
        old.charge(1e6)
        counted = Counter(await turns(shares, {"b": ("bob", 1.0), "a": ("ada", 1.0)}, 40))
    assert abs(counted["a"] - 20) <= 2


async def test_the_number_of_turns_is_limited_and_cancelling_loses_none():
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
