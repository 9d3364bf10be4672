"""Timeout that arms its timer only if the coroutine suspends.

A timer for each body would add a tenth or more to the processor time of an answer to a known body; see
benchmarks/shortcuts.py.
"""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar, cast

from lindyn_service.eager import resume

T = TypeVar("T")


async def lazy_timeout(seconds: float, work: Coroutine[object, object, T]) -> T:
    """Run a coroutine; the timer is armed when it first suspends.

    Raises:
        TimeoutError: the coroutine took longer than `seconds`, and was cancelled.
    """
    try:
        awaited = work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    async with asyncio.timeout(seconds):
        return await resume(work, awaited)
