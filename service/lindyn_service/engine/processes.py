"""The engine of one machine: a bounded queue, a deadline and a second attempt after a crash, over a crew of workers."""

import logging
import math
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Self, TypeVar, TypeVarTuple

from anyio import BrokenWorkerProcess, CancelScope, Event, current_time, move_on_after

from lindyn_service.engine import worker
from lindyn_service.engine.admission import AdmissionQueue
from lindyn_service.engine.base import Told
from lindyn_service.engine.processor_time import Meter
from lindyn_service.engine.worker_pool import WorkerPool
from lindyn_service.errors import BusyError, DeadlineError, ShuttingDownError, WorkerLostError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ATTEMPTS = 2

log = logging.getLogger(__name__)


class ProcessEngine:
    """Runs functions in local worker processes, as `Engine` promises.

    Use it as an async context manager, as `Crew` asks. Entering starts and warms all workers.

    Args:
        workers: how many processes compute at the same time.
        queue: how many callers may wait beyond those.
        run_seconds: how long an attempt may run on a worker, the queue left out.
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
        run_seconds: float = math.inf,
        queue_seconds: float = math.inf,
        grace_seconds: float = 5.0,
        warm_up: Callable[[], object] = worker.prepare,
        observe: Callable[[str, float], None] = lambda _stage, _seconds: None,
    ) -> None:
        self.crashes = 0  # workers that died at a computation
        self._observe = observe
        self._workers = workers
        self._crew = WorkerPool(workers, warm_up)
        self._backlog = AdmissionQueue(workers, queue, queue_seconds)
        self._deadline_seconds = deadline_seconds
        self._run_seconds = run_seconds
        self._grace_seconds = grace_seconds
        self._calls: set[CancelScope] = set()
        self._closing = False
        self._drained = Event()

    @property
    def running(self) -> int:
        """How many calls have a worker."""
        return self._crew.running

    @property
    def waiting(self) -> int:
        """How many admitted calls have none yet."""
        return len(self._calls) - self.running

    @property
    def ended(self) -> int:
        """How many workers are gone."""
        return self._crew.ended

    @property
    def workers_alive(self) -> int:
        """How many warm worker processes there are."""
        return self._crew.alive

    def turns_away(self, coming: int) -> BusyError | None:
        """What to answer without looking at a request, where callers come faster than they are worth reading.

        Args:
            coming: how many requests are under way, which may want a worker soon.
        """
        calls = max(coming, len(self._calls))
        return self._busy_error() if self._backlog.turns_away(calls, current_time()) else None

    async def __aenter__(self) -> Self:
        await self._crew.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._crew.retire()
        with CancelScope(shield=True):
            with move_on_after(self._grace_seconds):
                await self._wait_for_calls()
            for call in self._calls:
                call.cancel()
            await self._wait_for_calls()
        await self._crew.__aexit__()

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, told: Told | None = None) -> T:
        """See `Engine.run`."""
        self._admit()
        with move_on_after(self._deadline_seconds) as scope:
            self._calls.add(scope)
            try:
                return await self._attempt(told, function, *args)
            finally:
                self._calls.remove(scope)
                self._crew.mend()
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
        if not self._crew.is_busy:
            with move_on_after(timeout_seconds), suppress(WorkerLostError):
                await self._attempt(None, os.getpid)
                return True
        return self._crew.is_busy

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

    async def _attempt(self, told: Told | None, function: Callable[[*Ts], T], *args: *Ts) -> T:
        for _ in range(ATTEMPTS):
            asked = current_time()
            async with self._crew.slot():
                began, meter = current_time(), Meter()
                self._observe("queue", began - asked)
                try:
                    with move_on_after(self._run_seconds):
                        return await self._crew.run(meter, function, *args)
                    raise DeadlineError(
                        f"The computation was not done after {self._run_seconds:g} s by itself. Ask for fewer times, "
                        "steps or quantities."
                    )
                except BrokenWorkerProcess:
                    self.crashes += 1
                    log.warning("a worker process died while it ran %r", function)
                finally:
                    seconds = current_time() - began
                    self._observe("compute", seconds)
                    if told is not None:
                        taken = meter.seconds()
                        told(seconds if taken is None else taken)
        raise WorkerLostError(
            f"The worker process died {ATTEMPTS} times at this computation, perhaps for lack of memory. "
            "Ask for fewer times or quantities, or a smaller network."
        )

    async def _wait_for_calls(self) -> None:
        if self._calls:
            await self._drained.wait()
