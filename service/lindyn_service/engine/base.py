"""The interface of engines, which run computations outside the event loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


ReportSeconds = Callable[[float], None]
"""Receives the seconds that a worker spent on a call."""


class EngineLostError(Exception):
    """The engine has lost its workers permanently and must be replaced."""


class Engine(Protocol):
    """Runs functions in other processes."""

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, report_seconds: ReportSeconds | None = None) -> T:
        """Run `function(*args)` in a worker and wait for the result.

        The function may run twice if the worker process dies, so it must be pure. Cancelling the caller stops the
        computation.

        Args:
            function: a function at the top level of an importable module, since it is pickled by name.
            args: picklable and small arguments, since they are pickled on the event loop.
            report_seconds: called once per attempt with the processor time of the worker, whether the attempt
                succeeded, failed, was cancelled or lost its worker. Where processor time is not known, it receives
                the elapsed time without the wait for a worker.

        Returns:
            The return value of the function. Large arrays belong in a file whose name is returned, since pickles are
            transferred at about 0.2 GB/s.

        Raises:
            BusyError: the queue is full; raised immediately.
            DeadlineError: there was no result in time, and the computation was stopped.
            ShuttingDownError: the engine accepts no more work, or stopped this work when it was shut down.
            WorkerLostError: the worker process died, and so did that of the second attempt.
            EngineLostError: the engine is lost, and no call will succeed any more.
            Exception: any exception of the function, with the traceback of the worker as a note.
        """
        ...
