"""The engine for one machine: a worker pool with a bounded queue, a deadline and a second attempt after a crash."""

import logging
import math
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Self, TypeVar, TypeVarTuple

from anyio import BrokenWorkerProcess, CancelScope, Event, current_time, move_on_after

from lindyn_service.engine import worker
from lindyn_service.engine.admission import AdmissionQueue
from lindyn_service.engine.base import ReportSeconds
from lindyn_service.engine.processor_time import Meter
from lindyn_service.engine.worker_pool import WorkerPool
from lindyn_service.errors import BusyError, DeadlineError, ShuttingDownError, WorkerLostError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ATTEMPTS = 2

log = logging.getLogger(__name__)


class ProcessEngine:
    """An `Engine` that runs functions in local worker processes.

    Use it as an async context manager, once, as `WorkerPool` requires. Entering it starts and warms the workers.

    Args:
        workers: number of worker processes.
        queue: number of callers that may wait in addition.
        deadline_seconds: time limit of a call from its admission, including its time in the queue.
        run_seconds: time limit of an attempt on a worker, without its time in the queue.
        queue_seconds: time of continuous queueing after which the queue is kept short.
        grace_seconds: time for admitted calls to finish when the context is exited.
        warm_up: runs once in each new worker, such as a small computation that imports what later ones need.
        observe: receives the stage (`queue` or `compute`) and its seconds for each attempt.
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
        self.crashes = 0  # number of workers that died during a computation
        self._observe = observe
        self._workers = workers
        self._pool = WorkerPool(workers, warm_up)
        self._admission = AdmissionQueue(workers, queue, queue_seconds)
        self._deadline_seconds = deadline_seconds
        self._run_seconds = run_seconds
        self._grace_seconds = grace_seconds
        self._calls: set[CancelScope] = set()
        self._closing = False
        self._drained = Event()

    @property
    def running(self) -> int:
        """The number of calls that run on a worker."""
        return self._pool.running

    @property
    def waiting(self) -> int:
        """The number of admitted calls that wait for a worker."""
        return len(self._calls) - self.running

    @property
    def ended(self) -> int:
        """The number of worker processes that have ended so far."""
        return self._pool.ended

    @property
    def workers_alive(self) -> int:
        """The number of warm worker processes."""
        return self._pool.alive

    def overload_error(self, arriving: int) -> BusyError | None:
        """Return the error for a request that is to be refused unread due to lasting overload, otherwise None.

        Args:
            arriving: number of requests in flight, each of which may need a worker soon.
        """
        calls = max(arriving, len(self._calls))
        return self._busy_error() if self._admission.refuses_unread(calls, current_time()) else None

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._pool.stop_replenishing()
        with CancelScope(shield=True):
            with move_on_after(self._grace_seconds):
                await self._wait_for_calls()
            for call in self._calls:
                call.cancel()
            await self._wait_for_calls()
        await self._pool.__aexit__()

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, report_seconds: ReportSeconds | None = None) -> T:
        """See `Engine.run`."""
        self._admit()
        with move_on_after(self._deadline_seconds) as scope:
            self._calls.add(scope)
            try:
                return await self._attempt(report_seconds, function, *args)
            finally:
                self._calls.remove(scope)
                self._pool.replenish()
                if self._closing and not self._calls:
                    self._drained.set()
        if current_time() < scope.deadline:
            raise ShuttingDownError("The service shut down before the computation was done. Send the request again.")
        raise DeadlineError(
            f"The computation was not done after {self._deadline_seconds:g} s, time in the queue included. "
            "Ask for fewer or earlier times, fewer quantities, or smaller widths."
        )

    async def probe(self, timeout_seconds: float) -> bool:
        """Return whether an idle worker responds in time, or all workers are busy with calls.

        An idle worker that does not respond is killed and replaced, so allow seconds, not milliseconds.
        """
        if self._closing:
            return False
        if not self._pool.is_busy:
            with move_on_after(timeout_seconds), suppress(WorkerLostError):
                await self._attempt(None, os.getpid)
                return True
        return self._pool.is_busy

    def _admit(self) -> None:
        if self._closing:
            raise ShuttingDownError(
                "The service is shutting down and accepts no new work. Send the request again later."
            )
        queue_limit = self._admission.queue_limit(len(self._calls), current_time())
        if len(self._calls) >= self._workers + queue_limit:
            self._admission.note_refusal(current_time())
            raise self._busy_error()

    def _busy_error(self) -> BusyError:
        queue_limit = self._admission.queue_limit(len(self._calls), current_time())
        return BusyError(
            f"{self.running} computations run and {self.waiting} wait; at most {self._workers} run and "
            f"{queue_limit} wait. Try again in {BusyError.retry_after_seconds} s."
        )

    async def _attempt(self, report_seconds: ReportSeconds | None, function: Callable[[*Ts], T], *args: *Ts) -> T:
        for _ in range(ATTEMPTS):
            queued_at = current_time()
            async with self._pool.slot():
                started_at, meter = current_time(), Meter()
                self._observe("queue", started_at - queued_at)
                try:
                    with move_on_after(self._run_seconds):
                        return await self._pool.run(meter, function, *args)
                    raise DeadlineError(
                        f"The computation was not done after {self._run_seconds:g} s on a worker. Ask for fewer "
                        "or earlier times, fewer quantities, or smaller widths."
                    )
                except BrokenWorkerProcess:
                    self.crashes += 1
                    log.warning("a worker process died while it ran %r", function)
                finally:
                    elapsed = current_time() - started_at
                    self._observe("compute", elapsed)
                    if report_seconds is not None:
                        processor = meter.seconds()
                        report_seconds(elapsed if processor is None else processor)
        raise WorkerLostError(
            f"The worker process died {ATTEMPTS} times during this computation, perhaps for lack of memory. "
            "Ask for fewer times or quantities, or a smaller network."
        )

    async def _wait_for_calls(self) -> None:
        if self._calls:
            await self._drained.wait()
