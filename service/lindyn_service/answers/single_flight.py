"""Single flight: simultaneous requests for the same result share one computation."""

from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from lindyn_service.errors import DeadlineError, RateLimitedError, ShuttingDownError

T = TypeVar("T")


@dataclass
class _Flight(Generic[T]):
    """A computation in flight, and its waiters."""

    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    waiters: int = 0
    result: T | None = None
    error: Exception | None = None


class SingleFlight(Generic[T]):
    """The computations in flight, by name; an async context manager.

    Args:
        deadline_seconds: time limit of each computation.
    """

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._closed = False
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def obtain(self, name: Hashable, work: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Start a computation or join the one in flight; returns its result and whether it was joined.

        When its last waiter is cancelled, the computation is cancelled.

        Raises:
            DeadlineError: the computation exceeded its time limit.
            ShuttingDownError: the service takes no new work, or stopped this computation.
            Exception: raised by the computation.
        """
        while (flight := self._flights.get(name)) is not None:
            with suppress(RateLimitedError):  # this error concerns only the caller who started the computation
                return await self._wait(flight, name), True
        if self._closed:
            raise ShuttingDownError("the service is shutting down and takes no new work; send it again later")
        flight = self._flights[name] = _Flight[T]()
        self._tasks.start_soon(self._run, flight, name, work)
        return await self._wait(flight, name), False

    async def _run(self, flight: _Flight[T], name: Hashable, work: Callable[[], Awaitable[T]]) -> None:
        flight.scope.deadline = anyio.current_time() + self._deadline_seconds
        try:
            with flight.scope:
                flight.result = await work()
            if flight.scope.cancelled_caught and anyio.current_time() >= flight.scope.deadline:
                flight.error = DeadlineError(
                    f"there was no answer after {self._deadline_seconds:g} s, which includes waiting for a worker or "
                    "for another process that computes the same; ask for fewer times or quantities, or try again later"
                )
        except Exception as error:
            flight.error = error
        finally:
            self._forget(flight, name)
            flight.done.set()

    async def _wait(self, flight: _Flight[T], name: Hashable) -> T:
        flight.waiters += 1
        try:
            await flight.done.wait()
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.done.is_set():
                flight.scope.cancel()
                self._forget(flight, name)  # no request may join a cancelled computation
        if flight.error is not None:
            raise flight.error
        if flight.result is None:
            raise ShuttingDownError("the service is shutting down and stopped this computation; send it again")
        return flight.result

    def _forget(self, flight: _Flight[T], name: Hashable) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
