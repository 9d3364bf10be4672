"""The Dask engine, on a cluster of this machine."""

import asyncio
import os

import pytest

from lindyn_service.engine import dask
from lindyn_service.engine.base import EngineLostError
from lindyn_service.engine.dask import DaskEngine

pytestmark = pytest.mark.live


def test_all_threads_are_used_and_their_queues_filled():
    async def main():
        async with DaskEngine(None, 2) as engine:
            told = []
            assert await engine.run(max, 1, 2, report_seconds=told.append) == 2
            assert [seconds >= 0 for seconds in told] == [True]
            return engine.width()

    assert asyncio.run(main()) == 4


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.5)

    async def main():
        async with DaskEngine("tcp://127.0.0.1:1"):
            pass

    with pytest.raises(EngineLostError, match=r"tcp://127\.0\.0\.1:1 does not answer"):
        asyncio.run(main())


def test_workers_keep_memory_that_blocks_use_again():
    """An array that is mapped anew has a page fault for each of its pages when it is filled."""

    def page_faults() -> int:  # local, so that the worker gets its code
        import resource

        import numpy as np

        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(100):
            np.ones(2**17)
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

    async def main():
        async with DaskEngine(None, 1) as engine:
            return await engine.run(page_faults)

    pages = 2**20 // os.sysconf("SC_PAGE_SIZE")
    assert asyncio.run(main()) < 10 * pages  # of 100 times as many
