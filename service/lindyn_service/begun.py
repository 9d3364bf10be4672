"""Coroutines that are begun by hand, up to where they first wait."""

from collections.abc import Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


_NOTHING: AbstractContextManager[Any] = nullcontext()


@coroutine
def rest(
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
