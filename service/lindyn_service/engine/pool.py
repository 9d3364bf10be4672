"""The worker processes of anyio's pool, of which it has no public view; in one place, for when it changes."""

import threading
from collections import deque
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any, TypeVar, cast

from anyio import CapacityLimiter, to_process
from anyio.abc import Process

from lindyn_service.begun import rest

T = TypeVar("T")

# Ours is the only limit. This one does not even yield, so what `idle` says still holds when anyio takes
# the worker.
UNLIMITED = cast(CapacityLimiter, nullcontext())

# uvloop starts one process at a time. The loop of another thread (jobs have one) that wants to start one meanwhile gets
# a RuntimeError, and could not be closed any more, since uvloop forgets to close what it had prepared.
_starting = threading.Lock()


def processes() -> set[Process]:
    """All of this event loop."""
    nothing: set[Process] = set()
    return to_process._process_pool_workers.get(nothing)  # pyright: ignore[reportPrivateUsage]


def living() -> set[int]:
    """Process ids of those that have not ended."""
    return {process.pid for process in processes() if process.returncode is None}


def idle() -> set[int]:
    """Process ids of the living ones that anyio has to hand out."""
    nothing: deque[tuple[Process, float]] = deque()
    waiting = to_process._process_pool_idle_workers.get(nothing)  # pyright: ignore[reportPrivateUsage]
    return {process.pid for process, _ in waiting if process.returncode is None}


async def starting(call: Coroutine[Any, Any, T]) -> T:
    """Await a call of `to_process.run_sync`, which may start a process between two of its waits: each step alone."""
    with _starting:
        waits_for = call.send(None)
    return await rest(call, waits_for, _starting)
