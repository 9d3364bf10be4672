"""What an engine promises, whatever machines it computes on."""

from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


Told = Callable[[float], None]
"""Is told seconds."""


class EngineLostError(Exception):
    """The engine has lost its machines for good; another one must be started."""


class Engine(Protocol):
    """Runs functions away from the event loop."""

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, told: Told | None = None) -> T:
        """Compute `function(*args)` elsewhere and wait for the result.

        The function may be run twice if the process that ran it dies, so it must be pure. Cancelling the
        caller stops the computation itself.

        Args:
            function: a function at the top of an importable module; it travels by name.
            args: what can be pickled, and small: it is pickled on the event loop.
            told: is told how many seconds of a processor a worker took for it, each time that one did: when it is done,
                when it failed, when it was stopped and when the worker died. Where that is not known, for how many
                seconds the worker was busy, without the wait for that worker.

        Returns:
            What the function returned. Large arrays belong in a file whose name is returned: pickles
            travel at about 0.2 GB/s.

        Raises:
            BusyError: too many callers wait already; raised at once.
            DeadlineError: no result in time; the computation was stopped.
            ShuttingDownError: the engine takes no more work, or stopped this work on its way out.
            WorkerLostError: the process died, and so did the one that tried again.
            EngineLostError: no call will succeed any more.
            Exception: whatever the function raised, as it is, with the remote traceback as a note.
        """
        ...
