"""A pool of warm worker processes on top of `anyio.to_process`, which replaces workers that die.

anyio keeps the processes, uses the idle process that was used last, starts one when none is idle, and kills the process
of a cancelled call. This module adds that no caller waits for a process to start (about a second) or is cancelled
meanwhile: that would leak the process (anyio 4.16 drops it while it waits for READY), and uvloop then hangs when the
event loop is closed.

So a caller needs a slot, there are as many slots as warm workers, and the holder of a slot waits for an idle worker.
Workers are started only by tasks of the pool, which nothing cancels, and which then add a slot.
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

KEEP_WARM_SECONDS = 10.0  # anyio ends workers that were idle for 300 s; pings also find workers that died or hang
START_SECONDS = 60.0  # above the 20 s that anyio waits for READY, so that a start is never cancelled
START_ATTEMPTS = 3
MAX_STARTING = 6  # workers that start concurrently: each needs seconds of a processor, and there may be only one
START_RETRY_SECONDS = 1.0
IDLE_POLL_SECONDS = 0.001
END_POLL_SECONDS = 0.01

log = logging.getLogger(__name__)


class WorkerPool:
    """A pool of worker processes; an async context manager that starts and warms them, and kills them on exit.

    When the context is entered, one worker is warm; further ones start in the background.

    A pool can be used once, and an event loop can have one pool at a time: the pool of anyio belongs to the event
    loop, and exiting the context empties it.

    Args:
        size: number of workers.
        warm_up: runs once in each new worker.
    """

    def __init__(self, size: int, warm_up: Callable[[], object]) -> None:
        self.ended = 0  # number of workers that have ended
        self.running = 0  # number of slots in use
        self._size = size
        self._warm_up = warm_up
        self._warm: set[int] = set()  # process ids
        self._starting = 0
        self._closing = False
        self._slots = CapacityLimiter(0)
        self._tasks: TaskGroup

    @property
    def alive(self) -> int:
        """The number of warm workers."""
        return len(self._warm & anyio_pool.living())

    @property
    def is_busy(self) -> bool:
        """Whether some workers run calls and no worker is idle."""
        return self.running > 0 and self._slots.available_tokens < 1

    async def __aenter__(self) -> Self:
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        try:
            await self._add_first()
        except BaseException:
            await self._close()
            raise
        self.replenish()
        self._tasks.start_soon(self._keep_warm)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a slot and an idle worker, and hold the slot for the duration of the block."""
        self.replenish()
        async with self._slots:
            while not anyio_pool.idle():  # the free worker is being pinged, or has just died
                await sleep(IDLE_POLL_SECONDS)
                self.replenish()
            self.running += 1
            try:
                yield
            finally:
                self.running -= 1
                self._update_slots()  # before the next caller gets the slot of a worker that died

    async def run(self, meter: Meter, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in an idle worker, for a caller that holds a slot; see `cancellation.run`."""
        return await cancellation.run(self._tasks, function, args, meter)

    def stop_replenishing(self) -> None:
        """Start no more workers; running calls go on."""
        self._closing = True

    def replenish(self) -> None:
        """Start workers that are missing, at most `MAX_STARTING` at a time."""
        self._update_slots()
        missing = min(self._size - len(self._warm), MAX_STARTING) - self._starting
        if missing > 0 and not self._closing:
            for _ in range(missing):
                self._starting += 1
                self._tasks.start_soon(self._start)

    def _update_slots(self) -> None:
        """Remove dead workers from the slot count."""
        self.ended += len(self._warm - anyio_pool.living())
        self._warm &= anyio_pool.living()
        self._slots.total_tokens = min(len(self._warm), self._size)

    def _ping_idle_workers(self) -> None:
        """Ping all idle workers concurrently, since anyio would use the same one for successive pings."""
        with suppress(WouldBlock):
            while True:
                slot = object()
                self._slots.acquire_on_behalf_of_nowait(slot)
                self._tasks.start_soon(self._ping, slot)

    async def _ping(self, slot: object) -> None:
        try:
            if anyio_pool.idle():
                await _run_without_slot(os.getpid)
        except Exception:
            log.warning("an idle worker process did not respond", exc_info=True)
        self._update_slots()
        self._slots.release_on_behalf_of(slot)
        self.replenish()

    async def _start(self) -> None:
        """Start a worker; after a failure, retry without a limit, since the service cannot compute without workers."""
        try:
            await self._occupy_idle_workers()
            await self._add_worker()
        except Exception as error:
            await sleep(START_RETRY_SECONDS)  # it ends here if the pool is being closed, which is no failure
            log.warning("a worker process did not start", exc_info=error)
        finally:
            self._starting -= 1
        self.replenish()

    async def _occupy_idle_workers(self) -> None:
        """Ping idle workers until none is idle, since anyio starts a process only then.

        A worker whose slot a caller holds is left to that caller. A start that used it would add no process and be
        repeated, so that several starts could keep passing the worker among them while the caller waits.
        """
        while self._warm & anyio_pool.idle():
            self._ping_idle_workers()
            await checkpoint()
            if self._warm & anyio_pool.idle():
                await sleep(IDLE_POLL_SECONDS)

    async def _add_first(self) -> None:
        """Add a worker when the pool starts; fails only if several attempts to start a process fail."""
        for _ in range(START_ATTEMPTS - 1):
            with suppress(BrokenWorkerProcess):
                return await self._add_worker()
            log.warning("a worker process died while it started")
        return await self._add_worker()

    async def _add_worker(self) -> None:
        self._warm.add(await _run_without_slot(worker.warm, self._warm_up))

    async def _keep_warm(self) -> None:
        while True:
            await sleep(KEEP_WARM_SECONDS)
            self.replenish()
            self._ping_idle_workers()

    async def _close(self) -> None:
        self.stop_replenishing()
        self._tasks.cancel_scope.cancel()
        with CancelScope(shield=True):
            await self._end_starts()
        await self._tasks.__aexit__(None, None, None)
        with CancelScope(shield=True):
            left = list(anyio_pool.processes())  # a copy, since callers that see their worker die remove it meanwhile
            for process in left:
                with suppress(ProcessLookupError):
                    process.kill()
            for process in left:
                await process.aclose()

    async def _end_starts(self) -> None:
        """Kill workers that are being warmed up, since their starts are not cancelled and take seconds."""
        killed: set[int] = set()
        while self._starting:
            for process in anyio_pool.processes():
                if process.pid not in self._warm | killed:
                    killed.add(process.pid)
                    with suppress(ProcessLookupError):
                        process.kill()
            await sleep(END_POLL_SECONDS)


async def start_early(warm_up: Callable[[], object]) -> None:
    """Start a worker before its pool exists; the next pool of this event loop uses it if its warm-up is equal.

    If it fails, the pool tries again and reports the failure. It must not be cancelled, see above.
    """
    with suppress(Exception):
        await _run_without_slot(worker.warm, warm_up)


async def _run_without_slot(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function in an idle or new process; shielded, since cancelling a start would leak the process."""
    with fail_after(START_SECONDS, shield=True):
        call = to_process.run_sync(function, *args, cancellable=True, limiter=anyio_pool.UNLIMITED)
        try:
            return await start_process(call)
        except (KeyboardInterrupt, SystemExit) as error:
            # of the worker: Ctrl-C reaches it, too, and it does not ignore it from the beginning
            raise BrokenWorkerProcess from error
        except ProcessLookupError as error:  # anyio kills a process that does not become ready, even if it has ended
            raise BrokenWorkerProcess from error
