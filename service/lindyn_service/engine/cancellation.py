"""Calls whose caller may leave: the worker is asked to stop, and is killed only if it does not.

To kill a worker at once costs everybody: the next one takes a second of a processor to start, so that a few callers who
ask and leave would keep all workers starting.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar, TypeVarTuple

from anyio import BrokenWorkerProcess, CancelScope, Event, get_cancelled_exc_class, move_on_after, to_process
from anyio.abc import TaskGroup

from lindyn_service.eager import start_process
from lindyn_service.engine import anyio_pool, worker
from lindyn_service.engine.processor_time import Meter

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

AGAIN_SECONDS = 0.02
HEED_SECONDS = 0.5  # a computation notices between two steps of Python; a start takes longer


@dataclass
class _Call(Generic[T]):
    """What a worker does, in a task that its caller does not cancel."""

    meter: Meter
    scope: CancelScope = field(default_factory=CancelScope)
    done: Event = field(default_factory=Event)
    process: int | None = None
    result: T | None = None
    error: Exception | None = field(default_factory=lambda: BrokenWorkerProcess("the call was not ended"))


async def run(tasks: TaskGroup, function: Callable[[*Ts], T], args: tuple[*Ts], meter: Meter) -> T:
    """Run a function in the idle worker that anyio hands out next.

    A caller who is cancelled waits until the worker has stopped, for `HEED_SECONDS`, and until it is killed then.

    Args:
        tasks: outlive the caller.
        function: what to run.
        args: its arguments.
        meter: notes the processor time of the worker.

    Raises:
        BrokenWorkerProcess: the worker died.
        Exception: what the function raised.
    """
    call = _Call[T](meter)
    tasks.start_soon(_follow, call, function, args)
    try:
        await call.done.wait()
    except get_cancelled_exc_class():
        with CancelScope(shield=True):
            await _stop(call)
        raise
    if call.error is not None:
        raise call.error
    return call.result  # pyright: ignore[reportReturnType] (that of the function)


async def _follow(call: _Call[T], function: Callable[[*Ts], T], args: tuple[*Ts]) -> None:
    try:
        with call.scope:
            call.process = anyio_pool.next_idle()
            call.meter.begin(call.process)
            work = to_process.run_sync(worker.call, function, args, cancellable=True, limiter=anyio_pool.UNLIMITED)
            call.result = await start_process(work)
            call.error = None
    except Exception as error:
        call.error = error
    finally:
        call.meter.note()
        call.done.set()


async def _stop(call: _Call[T]) -> None:
    if call.process is not None and not call.done.is_set():
        with move_on_after(HEED_SECONDS):
            while not call.done.is_set():  # a signal that comes before the worker begins is not heeded
                with suppress(ProcessLookupError):
                    os.kill(call.process, signal.SIGUSR1)
                with move_on_after(AGAIN_SECONDS):
                    await call.done.wait()
    call.meter.note()
    call.scope.cancel()
    await call.done.wait()
