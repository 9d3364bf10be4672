"""Coroutines whose first step runs before they are awaited."""

import threading
from collections.abc import Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from types import coroutine
from typing import TypeVar

T = TypeVar("T")

# uvloop can start only one process at a time. If the event loop of another thread (such as the scheduler of jobs) tries
# to start a process meanwhile, uvloop raises RuntimeError and leaks handles, after which that loop cannot be closed.
_process_start_lock = threading.Lock()

_NO_CONTEXT: AbstractContextManager[object] = nullcontext()


@coroutine
def resume(
    work: Coroutine[object, object, T],
    awaited: object,
    step_context: AbstractContextManager[object] = _NO_CONTEXT,
) -> Generator[object, object, T]:
    """Await a coroutine whose first step has already run.

    Args:
        work: the coroutine.
        awaited: the object that the first step yielded, for which the coroutine is waiting.
        step_context: a reusable context manager that is entered for each further step and exited while it waits.
    """
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:
                with step_context:
                    awaited = work.throw(error)
            else:
                with step_context:
                    awaited = work.send(sent)
    except StopIteration as end:
        return end.value


async def start_process(call: Coroutine[object, object, T]) -> T:
    """Await a call that may start a process; a lock keeps its steps apart from process starts of other event loops."""
    with _process_start_lock:
        awaited = call.send(None)
    return await resume(call, awaited, _process_start_lock)
