"""Blocking calls with a deadline that holds even if the other side keeps sending bytes."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar, cast

import httpx

T = TypeVar("T")


def call_with_deadline(seconds: float, call: Callable[[], T]) -> T | None:
    """Call a function, and abandon it after some time.

    Timeouts of sockets limit each wait for bytes, so that a peer which sends a few now and then never exceeds them.
    Therefore the function is called in a thread; an abandoned thread ends by its own timeouts.

    Args:
        seconds: the deadline; infinity needs no thread.
        call: the function.

    Returns:
        The return value of the function, or None if it was abandoned.

    Raises:
        Exception: the function raised it before the deadline.
    """
    if seconds > threading.TIMEOUT_MAX:
        return call()
    outcome: Future[T] = Future()
    thread = threading.Thread(target=copy_context().run, args=(_settle, outcome, call), name="lindyn-wait", daemon=True)
    thread.start()
    wait([outcome], seconds)
    if not outcome.done():
        return None
    thread.join()
    return outcome.result()


class DeadlineStream(httpx.SyncByteStream):
    """A response stream that raises a timeout with the first bytes after a deadline."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, seconds: float) -> None:
        self._stream = cast(httpx.SyncByteStream, stream)
        self._deadline = time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the stream did not end before its deadline")
            yield piece

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def _settle(outcome: Future[T], call: Callable[[], T]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:
        outcome.set_exception(error)
