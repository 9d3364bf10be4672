"""Cancellable calls: the worker of a cancelled caller is interrupted, and killed only if it does not stop.

Killing the worker immediately would be costly: its replacement takes a second of processor time to start, so that a few
clients that send requests and disconnect could keep all workers restarting.
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

SIGNAL_INTERVAL_SECONDS = 0.02
INTERRUPT_SECONDS = 0.5  # after it the worker is killed; native code delays the handling of signals


@dataclass
class _Call(Generic[T]):
    """The state of a call, which runs in a task that the cancellation of its caller does not reach."""

    meter: Meter
    scope: CancelScope = field(default_factory=CancelScope)
    done: Event = field(default_factory=Event)
    process: int | None = None
    result: T | None = None
    error: Exception | None = field(default_factory=lambda: BrokenWorkerProcess("the call did not finish"))


async def run(tasks: TaskGroup, function: Callable[[*Ts], T], args: tuple[*Ts], meter: Meter) -> T:
    """Run a function in the idle worker that anyio uses next.

    A cancelled caller waits until the worker has stopped; after `INTERRUPT_SECONDS` the worker is killed.

    Args:
        tasks: a task group that outlives the caller.
        function: the function to run.
        args: the arguments of the function.
        meter: measures the processor time of the worker.

    Raises:
        BrokenWorkerProcess: the worker died.
        Exception: any exception of the function.
    """
    call = _Call[T](meter)
    tasks.start_soon(_run_call, call, function, args)
    try:
        await call.done.wait()
    except get_cancelled_exc_class():
        with CancelScope(shield=True):
            await _stop(call)
        raise
    if call.error is not None:
        raise call.error
    return call.result  # pyright: ignore[reportReturnType] (the type that the function returns)


async def _run_call(call: _Call[T], function: Callable[[*Ts], T], args: tuple[*Ts]) -> None:
    try:
        with call.scope:
            call.process = anyio_pool.next_idle()
            call.meter.start(call.process)
            work = to_process.run_sync(worker.call, function, args, cancellable=True, limiter=anyio_pool.UNLIMITED)
            call.result = await start_process(work)
            call.error = None
    except Exception as error:
        call.error = error
    finally:
        call.meter.sample()
        call.done.set()


async def _stop(call: _Call[T]) -> None:
    if call.process is not None and not call.done.is_set():
        with move_on_after(INTERRUPT_SECONDS):
            while not call.done.is_set():  # a worker ignores signals until it runs the function
                with suppress(ProcessLookupError):
                    os.kill(call.process, signal.SIGUSR1)
                with move_on_after(SIGNAL_INTERVAL_SECONDS):
                    await call.done.wait()
    call.meter.sample()
    call.scope.cancel()
    await call.done.wait()
