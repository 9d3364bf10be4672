"""Cancellation of work when the client disconnects."""

from collections.abc import Awaitable
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

_T = TypeVar("_T")


async def unless_disconnected(request: Request, work: Awaitable[_T]) -> _T:
    """Await the work for a request whose body was received; cancel it as soon as the client disconnects.

    Raises:
        ClientDisconnect: the client disconnected.
        Exception: what the work raised.
    """
    results: list[_T] = []
    failure: Exception | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            results.append(await work)
        except Exception as error:
            failure = error  # raised below: the task group would wrap it in a group
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not results:
        raise ClientDisconnect
    return results[0]
