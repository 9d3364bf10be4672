"""Coroutines that were begun by hand."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from lindyn_service.eager import resume

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Turn:
    """Notes when it is entered and left."""

    def __init__(self, seen):
        self._seen = seen

    def __enter__(self):
        self._seen.append("in")

    def __exit__(self, *_):
        self._seen.append("out")


async def test_each_step_is_within_and_no_wait_is():
    seen = []

    async def work():
        await checkpoint()
        seen.append("works")
        await anyio.Event().wait()

    begun = work()
    waits_for = begun.send(None)

    async def go_on():
        await resume(begun, waits_for, Turn(seen))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on)
        await anyio.wait_all_tasks_blocked()
        assert seen == ["in", "works", "out"]
        tasks.cancel_scope.cancel()
    assert seen == ["in", "works", "out", "in", "out"]


async def test_what_it_returns_or_raises_passes():
    async def work(divisor):
        await checkpoint()
        return 1 / divisor

    begun = work(4)
    assert await resume(begun, begun.send(None), Turn([])) == 0.25
    begun = work(0)
    with pytest.raises(ZeroDivisionError):
        await resume(begun, begun.send(None), Turn([]))
