"""A time limit that costs nothing where nothing is waited for: a timer costs as much as reading a small body."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from lindyn_service.eager import resume

T = TypeVar("T")


async def lazy_timeout(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do some work; the timer is set when it first waits.

    Raises:
        TimeoutError: it waited too long, and was cancelled.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    async with asyncio.timeout(seconds):
        return await resume(work, waits_for)
