"""Coroutines that are begun by hand, up to where they first wait."""

import threading
from collections.abc import Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# uvloop starts one process at a time. The loop of another thread (jobs have one) that wants to start one meanwhile gets
# a RuntimeError, and could not be closed any more, since uvloop forgets to close what it had prepared.
_starting = threading.Lock()

_NOTHING: AbstractContextManager[Any] = nullcontext()


@coroutine
def resume(
    work: Coroutine[Any, Any, T],
    waits_for: Any,  # noqa: ANN401 (an event loop's own)
    within: AbstractContextManager[Any] = _NOTHING,
) -> Generator[Any, Any, T]:
    """Go on with a coroutine that was begun, as `await` does.

    Args:
        work: the coroutine.
        waits_for: what it waits for first.
        within: entered for each of its steps, and left while it waits.
    """
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:
                with within:
                    waits_for = work.throw(error)
            else:
                with within:
                    waits_for = work.send(sent)
    except StopIteration as end:
        return end.value


async def start_process(call: Coroutine[Any, Any, T]) -> T:
    """Await a call that may start a process between two of its waits: each step alone in this process."""
    with _starting:
        waits_for = call.send(None)
    return await resume(call, waits_for, _starting)
