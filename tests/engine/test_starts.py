"""Workers that end before they are ready, and pools that close while workers start."""

import math
import operator
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import engine_workload as workload
import pytest
from anyio import to_process

from lindyn_service.engine import worker_pool
from lindyn_service.engine.processes import ProcessEngine

pytestmark = [pytest.mark.anyio, pytest.mark.live]

LONG = 300.0
PATIENCE_SECONDS = 60.0  # only ends a test that fails


@pytest.mark.usefixtures("light_libraries")
async def test_a_process_that_ends_before_it_is_ready_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    async def killed_at_first(*arguments: Any, **options: Any) -> Any:
        started.append(await anyio.open_process(*arguments, **options))
        if len(started) == 1:
            started[0].kill()
            await started[0].wait()
        return started[-1]

    monkeypatch.setattr(to_process, "open_process", killed_at_first)
    async with ProcessEngine(1, 0, LONG) as engine:
        assert await engine.run(operator.add, 2, 3) == 5
    assert len(started) == 2


@pytest.mark.usefixtures("light_libraries")
async def test_a_worker_that_exits_while_it_starts_does_not_end_the_service() -> None:
    with pytest.raises(anyio.BrokenWorkerProcess):
        await ProcessEngine(1, 0, LONG, warm_up=partial(sys.exit, 3)).__aenter__()


@pytest.mark.usefixtures("light_libraries")
async def test_a_pool_that_closes_does_not_wait_for_workers_that_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_pool, "START_SECONDS", math.inf)
    released = tmp_path / "0"
    release = threading.Timer(PATIENCE_SECONDS, released.touch)
    release.start()
    try:
        async with ProcessEngine(3, 0, LONG, warm_up=partial(workload.announce_and_wait, str(tmp_path))) as engine:
            while _number_in(tmp_path) < 3:  # noqa: ASYNC110 -- nobody outside sets an Event
                await anyio.sleep(0.01)
            assert engine.workers_alive == 1
        assert not released.exists()
    finally:
        release.cancel()
    assert not [record for record in caplog.records if record.name == worker_pool.log.name]


def _number_in(folder: Path) -> int:
    return len(list(folder.iterdir()))
