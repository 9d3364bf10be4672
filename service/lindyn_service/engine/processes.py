"""The engine of one machine: warm worker processes of `anyio.to_process`.

anyio keeps the processes, hands out the idle one that was used last, starts one when none is idle, and kills
the one whose caller is cancelled. What it leaves to us: a bounded queue, a deadline, a second attempt after a
crash, and that no caller waits for a start (about a second) or is cancelled during one. That would leak the
process (anyio 4.16 drops it while it waits for READY), and uvloop then hangs when the loop is closed.

So a caller needs a slot, there are as many slots as warm workers, and a caller who finds none idle after all
waits. Workers are started only by tasks of the engine, which nothing cancels, and then add their slot.
"""

import logging
import math
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self, TypeVar, TypeVarTuple

from anyio import (
    BrokenWorkerProcess,
    CancelScope,
    CapacityLimiter,
    Event,
    WouldBlock,
    create_task_group,
    current_time,
    fail_after,
    move_on_after,
    sleep,
    to_process,
)
from anyio.abc import TaskGroup

from lindyn_service.engine import pool, worker
from lindyn_service.engine.backlog import Backlog
from lindyn_service.errors import BusyError, DeadlineError, ShuttingDownError, WorkerLostError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ATTEMPTS = 2
KEEP_WARM_SECONDS = 10.0  # anyio ends workers that were idle for 300 s; also finds dead and hung ones
START_SECONDS = 60.0  # above anyio's own 20 s for READY, so that this never cancels a start there
START_ATTEMPTS = 3
START_AGAIN_SECONDS = 1.0
TAKEN_SECONDS = 0.001

log = logging.getLogger(__name__)


class ProcessEngine:
    """Runs functions in local worker processes, as `Engine` promises.

    Use it as an async context manager, once, and one at a time in an event loop: anyio's pool belongs to the
    loop, and leaving the context empties it. Entering starts and warms all workers.

    Args:
        workers: how many processes compute at the same time.
        queue: how many callers may wait beyond those.
        queue_seconds: how long a queue may last before it is kept short.
        deadline_seconds: how long a call may take from its admission, time in the queue included.
        grace_seconds: how long admitted work may go on when the context is left.
        warm_up: runs once in each new worker, such as a small computation that imports what later ones need.
        observe: is told the seconds of each attempt in `queue` and in `compute`.
    """

    def __init__(
        self,
        workers: int,
        queue: int,
        deadline_seconds: float,
        *,
        queue_seconds: float = math.inf,
        grace_seconds: float = 5.0,
        warm_up: Callable[[], object] = worker.prepare,
        observe: Callable[[str, float], None] = lambda _stage, _seconds: None,
    ) -> None:
        self.crashes, self.ended = 0, 0  # workers that died at a computation; all that are gone
        self._observe = observe
        self._workers = workers
        self._backlog = Backlog(workers, queue, queue_seconds)
        self._deadline_seconds = deadline_seconds
        self._grace_seconds = grace_seconds
        self._warm_up = warm_up
        self._warm: set[int] = set()  # process ids
        self._starting = 0
        self._running = 0
        self._calls: set[CancelScope] = set()
        self._closing = False
        self._drained = Event()
        self._slots = CapacityLimiter(0)
        self._tasks: TaskGroup

    @property
    def running(self) -> int:
        """How many calls have a worker."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many admitted calls have none yet."""
        return len(self._calls) - self._running

    @property
    def workers_alive(self) -> int:
        """How many warm worker processes there are."""
        return len(self._warm & pool.living())

    def turns_away(self, coming: int) -> BusyError | None:
        """What to answer without looking at a request, where callers come faster than they are worth reading.

        Args:
            coming: how many requests are under way, which may want a worker soon.
        """
        calls = max(coming, len(self._calls))
        return self._busy_error() if self._backlog.turns_away(calls, current_time()) else None

    async def __aenter__(self) -> Self:
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        try:
            async with create_task_group() as starts:
                for _ in range(self._workers):
                    starts.start_soon(self._add_first)
        except BaseException:
            await self._close()
            raise
        self._mend()
        self._tasks.start_soon(self._keep_warm)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        with CancelScope(shield=True), move_on_after(self._grace_seconds):
            await self._wait_for_calls()
        await self._close()

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """See `Engine.run`."""
        self._admit()
        with move_on_after(self._deadline_seconds) as scope:
            self._calls.add(scope)
            try:
                return await self._attempt(function, *args)
            finally:
                self._calls.remove(scope)
                self._mend()
                if self._closing and not self._calls:
                    self._drained.set()
        if current_time() < scope.deadline:
            raise ShuttingDownError("The service shut down before the computation was done. Send it again.")
        raise DeadlineError(
            f"The computation was not done after {self._deadline_seconds:g} s, time in the queue included. "
            "Ask for fewer times or quantities."
        )

    async def probe(self, timeout_seconds: float) -> bool:
        """Tell whether a worker answers in time, or all of them are busy with live work.

        An idle worker that does not answer is killed and replaced, so allow seconds, not milliseconds.
        """
        if self._closing:
            return False
        if not self._busy():
            with move_on_after(timeout_seconds), suppress(WorkerLostError):
                await self._attempt(os.getpid)
                return True
        return self._busy()

    def _busy(self) -> bool:
        return self._running > 0 and self._slots.available_tokens < 1

    def _admit(self) -> None:
        if self._closing:
            raise ShuttingDownError("The service is shutting down and takes no new work. Send it again later.")
        may_wait = self._backlog.may_wait(len(self._calls), current_time())
        if len(self._calls) >= self._workers + may_wait:
            self._backlog.refuse(current_time())
            raise self._busy_error()

    def _busy_error(self) -> BusyError:
        may_wait = self._backlog.may_wait(len(self._calls), current_time())
        return BusyError(
            f"{self.running} computations run and {self.waiting} wait; at most {self._workers} run and "
            f"{may_wait} wait. Try again in {BusyError.retry_after_seconds} s."
        )

    async def _attempt(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        for _ in range(ATTEMPTS):
            asked = current_time()
            async with self._slot():
                began = current_time()
                self._observe("queue", began - asked)
                try:
                    return await to_process.run_sync(
                        worker.call, function, args, cancellable=True, limiter=pool.UNLIMITED
                    )
                except BrokenWorkerProcess:
                    self.crashes += 1
                    log.warning("a worker process died while it ran %r", function)
                finally:
                    self._observe("compute", current_time() - began)
        raise WorkerLostError(
            f"The worker process died {ATTEMPTS} times at this computation, perhaps for lack of memory. "
            "Ask for fewer times or quantities, or a smaller network."
        )

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        """Hold a slot, from a moment when a worker is idle."""
        self._mend()
        async with self._slots:
            while not pool.has_idle():  # `_start` took it for a moment, or it died just now
                await sleep(TAKEN_SECONDS)
                self._mend()
            self._running += 1
            try:
                yield
            finally:
                self._running -= 1
                self._count()  # before the slot goes to the next caller, who would find no worker

    def _count(self) -> None:
        """Take the slots of workers that died."""
        self.ended += len(self._warm - pool.living())
        self._warm &= pool.living()
        self._slots.total_tokens = min(len(self._warm), self._workers)

    def _mend(self) -> None:
        """Start a worker for each that died."""
        self._count()
        missing = self._workers - len(self._warm) - self._starting
        if missing > 0 and not self._closing:
            self._touch_idle()  # at the same time: anyio starts a process only when none is idle
            for _ in range(missing):
                self._starting += 1
                self._tasks.start_soon(self._start)

    def _touch_idle(self) -> None:
        """Let all idle workers answer, at the same time, since anyio hands out the last used first."""
        with suppress(WouldBlock):
            while True:
                slot = object()
                self._slots.acquire_on_behalf_of_nowait(slot)
                self._tasks.start_soon(self._touch, slot)

    async def _touch(self, slot: object) -> None:
        try:
            if pool.has_idle():
                await self._visit(os.getpid)
        except Exception:
            log.warning("an idle worker process did not answer", exc_info=True)
        self._count()
        self._slots.release_on_behalf_of(slot)
        self._mend()

    async def _start(self) -> None:
        """Add a worker; try for as long as it takes, since without workers nothing is answered."""
        try:
            await self._add_worker()
        except Exception:
            log.warning("a worker process did not start", exc_info=True)
            await sleep(START_AGAIN_SECONDS)
        finally:
            self._starting -= 1
        self._mend()

    async def _add_first(self) -> None:
        """Add a worker at the start of the engine, which fails if no worker can live, not if one is killed."""
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
            return await to_process.run_sync(function, *args, cancellable=True, limiter=pool.UNLIMITED)

    async def _keep_warm(self) -> None:
        while True:
            await sleep(KEEP_WARM_SECONDS)
            self._mend()
            self._touch_idle()

    async def _wait_for_calls(self) -> None:
        if self._calls:
            await self._drained.wait()

    async def _close(self) -> None:
        """End all work and all worker processes."""
        self._closing = True
        with CancelScope(shield=True):
            for call in self._calls:
                call.cancel()
            await self._wait_for_calls()
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        with CancelScope(shield=True):
            left = list(pool.processes())  # the pool forgets those whose caller, such as a probe, notices first
            for process in left:
                with suppress(ProcessLookupError):
                    process.kill()
            for process in left:
                await process.aclose()
