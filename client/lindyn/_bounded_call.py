"""Blocking work with an end that holds whatever the other side does."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar, cast

import httpx

T = TypeVar("T")


def call_with_deadline(seconds: float, work: Callable[[], T]) -> T | None:
    """Do some work, and give it up after some time.

    Time-outs of sockets are about each wait for bytes: who sends some now and then is never late. So the work is done
    in a thread, which is left alone when time is up and ends by its own time-outs.

    Args:
        seconds: how long it may take; infinity does without a thread.
        work: what to do.

    Returns:
        What the work returns, or None if it was given up.

    Raises:
        Exception: what the work raised in time.
    """
    if seconds > threading.TIMEOUT_MAX:
        return work()
    outcome: Future[T] = Future()
    thread = threading.Thread(target=copy_context().run, args=(_settle, outcome, work), name="lindyn-wait", daemon=True)
    thread.start()
    wait([outcome], seconds)
    if not outcome.done():
        return None
    thread.join()
    return outcome.result()


class UntilThen(httpx.SyncByteStream):
    """The stream of an answer that ends, as by a time-out, with the first bytes that come too late."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, seconds: float) -> None:
        self._stream = cast(httpx.SyncByteStream, stream)
        self._end = time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if time.monotonic() > self._end:
                raise httpx.ReadTimeout("the time to listen is over")
            yield piece

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:
        outcome.set_exception(error)
