"""Access to the private process pool of `anyio.to_process`, kept in one module since anyio may change it."""

from collections import deque
from contextlib import nullcontext
from typing import cast

from anyio import CapacityLimiter, to_process
from anyio.abc import Process

# The slots of `WorkerPool` are the only limit. This limiter never yields to the event loop, so the result of `idle` is
# still valid when anyio takes the worker.
UNLIMITED = cast(CapacityLimiter, nullcontext())


def processes() -> set[Process]:
    """Return all worker processes of this event loop."""
    default: set[Process] = set()
    return to_process._process_pool_workers.get(default)  # pyright: ignore[reportPrivateUsage]


def living() -> set[int]:
    """Return the process ids of the workers that have not ended."""
    return {process.pid for process in processes() if process.returncode is None}


def idle() -> set[int]:
    """Return the process ids of the living workers that anyio regards as idle."""
    default: deque[tuple[Process, float]] = deque()
    idle_workers = to_process._process_pool_idle_workers.get(default)  # pyright: ignore[reportPrivateUsage]
    return {process.pid for process, _ in idle_workers if process.returncode is None}


def next_idle() -> int | None:
    """Return the process id of the idle worker that anyio uses next, or None."""
    default: deque[tuple[Process, float]] = deque()
    idle_workers = to_process._process_pool_idle_workers.get(default)  # pyright: ignore[reportPrivateUsage]
    return next((process.pid for process, _ in reversed(idle_workers) if process.returncode is None), None)
