"""The Dask engine, on a cluster of this machine."""

import asyncio

import pytest

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
