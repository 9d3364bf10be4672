"""Bodies that are under way together within one bound, however many send them."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lindyn_service.configuration.settings import Settings
from lindyn_service.errors import BusyError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_DIGITS = 20


class BodyBudget:
    """Args: most_bytes: so many may be held at once."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0

    def check(self, more_bytes: int) -> None:
        """Raise BusyError where there is no room for so many more."""
        if self.held_bytes + more_bytes > self.most_bytes:
            raise BusyError(
                f"bodies of {self.held_bytes} bytes are being received, the limit for all together is "
                f"{self.most_bytes}; send it again later"
            )


class Held:
    """The bytes of one body, as far as they have arrived."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.bytes = 0

    def add(self, more_bytes: int) -> None:
        """Count some that arrived.

        Raises:
            BusyError: there is no room for them.
        """
        self._budget.check(more_bytes)
        self._budget.held_bytes += more_bytes
        self.bytes += more_bytes

    def give_back(self) -> None:
        """Nobody needs them any more."""
        self._budget.held_bytes -= self.bytes
        self.bytes = 0


class Bodies:
    """Pure ASGI middleware around all that reads bodies; the bytes are given back when the request ends, at the latest.

    Args:
        app: what reads them.
        settings: their bounds.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._largest_bytes = settings.max_body_bytes
        self._budget = BodyBudget(max(settings.max_bodies_bytes, settings.max_body_bytes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held = scope["state"]["held"] = Held(self._budget)
        unread = True

        async def counted() -> Message:
            nonlocal unread
            if unread:
                unread = False
                self._refuse_early(scope)
            message = await receive()
            more_bytes = len(message.get("body", b""))
            if held.bytes + more_bytes <= self._largest_bytes:  # else whoever reads it says that it is too large
                held.add(more_bytes)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            held.give_back()

    def _refuse_early(self, scope: Scope) -> None:
        """A body that says that it will not find room; one that is too large in any case has an answer of its own."""
        for name, value in scope["headers"]:
            if (
                name == b"content-length"
                and len(value) < _DIGITS
                and value.isdigit()
                and int(value) <= self._largest_bytes
            ):
                self._budget.check(int(value))


def letting_go(
    read: Callable[Concatenate[Request, _P], Awaitable[_T]],
) -> Callable[Concatenate[Request, _P], Awaitable[_T]]:
    """Have what reads a body give its bytes back when it is done: what it returns holds its own."""

    @wraps(read)
    async def reading(request: Request, /, *arguments: _P.args, **more: _P.kwargs) -> _T:
        try:
            return await read(request, *arguments, **more)
        finally:
            request.scope["state"]["held"].give_back()

    return reading
