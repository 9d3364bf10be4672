"""Work is cancelled if its client disconnects, and otherwise unaffected."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi import Request
from starlette.requests import ClientDisconnect

from lindyn_service.errors import BusyError
from lindyn_service.http.client_disconnect import unless_disconnected

pytestmark = pytest.mark.anyio


class Connection:
    """Messages of a server about a client: some at once, then none."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.asked = anyio.Event()
        self.left = anyio.Event()

    async def receive(self):
        self.asked.set()
        if self.messages:
            return {"type": self.messages.pop(0)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def request(self):
        return Request({"type": "http", "headers": []}, self.receive)


async def test_results_are_returned():
    async def work():
        await checkpoint()
        return 7

    with anyio.fail_after(60):
        assert await unless_disconnected(Connection().request, work()) == 7


async def test_work_that_never_suspends_is_returned():
    async def work():
        return 7

    with anyio.fail_after(60):
        assert await unless_disconnected(Connection().request, work()) == 7


async def test_errors_are_raised_unchanged():
    error = BusyError("full")

    async def work():
        await checkpoint()
        raise error

    with anyio.fail_after(60), pytest.raises(BusyError) as caught:
        await unless_disconnected(Connection().request, work())
    assert caught.value is error


async def test_work_is_cancelled_if_the_client_disconnects():
    connection, ended = Connection(), anyio.Event()

    async def work():
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with anyio.create_task_group() as group:

        async def leave():
            await connection.asked.wait()
            connection.left.set()

        group.start_soon(leave)
        with anyio.fail_after(60), pytest.raises(ClientDisconnect):
            await unless_disconnected(connection.request, work())
    assert ended.is_set()


async def test_other_messages_do_not_cancel_work():
    """The end of a body may still arrive."""

    async def work():
        for _ in range(10):
            await checkpoint()
        return 7

    with anyio.fail_after(60):
        assert await unless_disconnected(Connection("http.request", "http.request").request, work()) == 7


async def test_cancelling_from_outside_cancels_the_work():
    began, ended = anyio.Event(), anyio.Event()

    async def work():
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(unless_disconnected, Connection().request, work())
            await began.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert ended.is_set()
