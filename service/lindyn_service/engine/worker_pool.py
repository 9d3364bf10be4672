"""Warm worker processes of `anyio.to_process`, as many as wanted, whatever happens to them.

anyio keeps the processes, hands out the idle one that was used last, starts one when none is idle, and kills
the one whose call is cancelled. What it leaves to us: that no caller waits for a start (about a second) or is
cancelled during one. That would leak the process (anyio 4.16 drops it while it waits for READY), and uvloop then
hangs when the loop is closed.

So a caller needs a slot, there are as many slots as warm workers, and a caller who finds none idle after all
waits. Workers are started only by tasks of the crew, which nothing cancels, and then add their slot.
"""

import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self, TypeVar, TypeVarTuple

from anyio import (
    BrokenWorkerProcess,
    CancelScope,
    CapacityLimiter,
    WouldBlock,
    create_task_group,
    fail_after,
    sleep,
    to_process,
)
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from lindyn_service.eager import start_process
from lindyn_service.engine import anyio_pool, cancellation, worker
from lindyn_service.engine.processor_time import Meter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

KEEP_WARM_SECONDS = 10.0  # anyio ends workers that were idle for 300 s; also finds dead and hung ones
START_SECONDS = 60.0  # above anyio's own 20 s for READY, so that this never cancels a start there
START_ATTEMPTS = 3
AT_ONCE = 6  # workers that start together: each takes seconds of a processor, and there may be one for all
START_AGAIN_SECONDS = 1.0
TAKEN_SECONDS = 0.001

log = logging.getLogger(__name__)


class WorkerPool:
    """Worker processes; an async context manager that starts and warms them, and in the end kills them.

    Inside, the first `AT_ONCE` are warm; where there are to be more, the others follow.

    Use it once, and one at a time in an event loop: anyio's pool belongs to the loop, and leaving the context
    empties it.

    Args:
        size: how many.
        warm_up: runs once in each new one.
    """

    def __init__(self, size: int, warm_up: Callable[[], object]) -> None:
        self.ended = 0  # workers that are gone
        self.running = 0  # slots that are held
        self._size = size
        self._warm_up = warm_up
        self._warm: set[int] = set()  # process ids
        self._starting = 0
        self._retiring = False
        self._slots = CapacityLimiter(0)
        self._tasks: TaskGroup

    @property
    def alive(self) -> int:
        """How many are warm."""
        return len(self._warm & anyio_pool.living())

    @property
    def is_busy(self) -> bool:
        """Whether some work, and no other is idle."""
        return self.running > 0 and self._slots.available_tokens < 1

    async def __aenter__(self) -> Self:
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        try:
            async with create_task_group() as starts:
                for _ in range(min(self._size, AT_ONCE)):
                    starts.start_soon(self._add_first)
        except BaseException:
            await self._close()
            raise
        self.mend()
        self._tasks.start_soon(self._keep_warm)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Hold a slot, from a moment when a worker is idle, which is the next that anyio hands out."""
        self.mend()
        async with self._slots:
            while not anyio_pool.idle():  # it was touched, or died, just now
                await sleep(TAKEN_SECONDS)
                self.mend()
            self.running += 1
            try:
                yield
            finally:
                self.running -= 1
                self._count()  # before the slot goes to the next caller, who would find no worker

    async def run(self, meter: Meter, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in the worker whose slot is held; see `leaving.run`."""
        return await cancellation.run(self._tasks, function, args, meter)

    def retire(self) -> None:
        """Start no more workers; those that work go on."""
        self._retiring = True

    def mend(self) -> None:
        """Start a worker for each that died, or that was not started yet; so many at once as may."""
        self._count()
        missing = min(self._size - len(self._warm), AT_ONCE) - self._starting
        if missing > 0 and not self._retiring:
            for _ in range(missing):
                self._starting += 1
                self._tasks.start_soon(self._start)

    def _count(self) -> None:
        """Take the slots of workers that died."""
        self.ended += len(self._warm - anyio_pool.living())
        self._warm &= anyio_pool.living()
        self._slots.total_tokens = min(len(self._warm), self._size)

    def _touch_idle(self) -> None:
        """Let all idle workers answer, at the same time, since anyio hands out the last used first."""
        with suppress(WouldBlock):
            while True:
                slot = object()
                self._slots.acquire_on_behalf_of_nowait(slot)
                self._tasks.start_soon(self._touch, slot)

    async def _touch(self, slot: object) -> None:
        try:
            if anyio_pool.idle():
                await self._visit(os.getpid)
        except Exception:
            log.warning("an idle worker process did not answer", exc_info=True)
        self._count()
        self._slots.release_on_behalf_of(slot)
        self.mend()

    async def _start(self) -> None:
        """Add a worker; try for as long as it takes, since without workers nothing is answered."""
        try:
            await self._until_no_warm_one_is_idle()
            await self._add_worker()
        except Exception:
            log.warning("a worker process did not start", exc_info=True)
            await sleep(START_AGAIN_SECONDS)
        finally:
            self._starting -= 1
        self.mend()

    async def _until_no_warm_one_is_idle(self) -> None:
        """Let every idle worker answer, since anyio starts a process only when none is idle.

        One whose slot a caller holds already is left to that caller. A start that took it would add nothing, and be
        made again: starts would then hand the worker to each other, and the caller wait for as long as that goes on.
        """
        while self._warm & anyio_pool.idle():
            self._touch_idle()
            await checkpoint()
            if self._warm & anyio_pool.idle():
                await sleep(TAKEN_SECONDS)

    async def _add_first(self) -> None:
        """Add a worker at the start of the crew, which fails if no worker can live, not if one is killed."""
        for _ in range(START_ATTEMPTS - 1):
            with suppress(BrokenWorkerProcess):
                return await self._add_worker()
            log.warning("a worker process died while it started")
        return await self._add_worker()

    async def _add_worker(self) -> None:
        self._warm.add(await self._visit(worker.warm, self._warm_up))

    async def _visit(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function of our own in an idle or else a new process; cancelling a start would leak it."""
        with fail_after(START_SECONDS, shield=True):
            call = to_process.run_sync(function, *args, cancellable=True, limiter=anyio_pool.UNLIMITED)
            return await start_process(call)

    async def _keep_warm(self) -> None:
        while True:
            await sleep(KEEP_WARM_SECONDS)
            self.mend()
            self._touch_idle()

    async def _close(self) -> None:
        self.retire()
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        with CancelScope(shield=True):
            left = list(anyio_pool.processes())  # the pool forgets those whose caller, such as a probe, notices first
            for process in left:
                with suppress(ProcessLookupError):
                    process.kill()
            for process in left:
                await process.aclose()
