"""The worker processes of anyio's pool, of which it has no public view; in one place, for when it changes."""

from collections import deque
from contextlib import nullcontext
from typing import cast

from anyio import CapacityLimiter, to_process
from anyio.abc import Process

# Ours is the only limit. This one does not even yield, so what `idle` says still holds when anyio takes
# the worker.
UNLIMITED = cast(CapacityLimiter, nullcontext())


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


def next_idle() -> int | None:
    """Process id of the one that anyio hands out next, if there is one."""
    nothing: deque[tuple[Process, float]] = deque()
    waiting = to_process._process_pool_idle_workers.get(nothing)  # pyright: ignore[reportPrivateUsage]
    return next((process.pid for process, _ in reversed(waiting) if process.returncode is None), None)
