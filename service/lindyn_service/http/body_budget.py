"""Common limit on the bytes of all request bodies in flight."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lindyn.wire.wording import cut
from lindyn_service.configuration.settings import Settings
from lindyn_service.errors import BodyTooLargeError, BusyError
from lindyn_service.http.state import context_of

_MAX_DIGITS = 20  # of Content-Length: converting longer numbers takes long, and none of them is within the limit


class BodyBudget:
    """The bytes that all bodies in flight may hold together.

    Args:
        max_bytes: the limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.reserved_bytes = 0

    def check(self, n_bytes: int) -> None:
        """Raise BusyError if reserving these bytes would exceed the limit."""
        if self.reserved_bytes + n_bytes > self.max_bytes:
            raise BusyError(
                f"the request bodies in flight hold {self.reserved_bytes} bytes, the limit for all together is "
                f"{self.max_bytes}; send the request again later"
            )


class BodyReservation:
    """The bytes of a budget that one body holds, which grow as it arrives."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.bytes = 0

    def add(self, n_bytes: int) -> None:
        """Reserve bytes that have arrived.

        Raises:
            BusyError: the budget has no room for them.
        """
        self._budget.check(n_bytes)
        self._budget.reserved_bytes += n_bytes
        self.bytes += n_bytes

    def release(self) -> None:
        """Return all reserved bytes to the budget."""
        self._budget.reserved_bytes -= self.bytes
        self.bytes = 0


class BodyBudgetMiddleware:
    """Pure ASGI middleware that reserves the bytes of a body as it arrives, and releases them when the request ends.

    Args:
        app: the middleware and routes that read bodies.
        settings: limits of one body and of all together.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_body_bytes = settings.max_body_bytes
        self._budget = BodyBudget(max(settings.max_bodies_bytes, settings.max_body_bytes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reservation = BodyReservation(self._budget)
        context_of(scope).release_body = reservation.release
        unread = True

        async def receive_within_budget() -> Message:
            nonlocal unread
            if unread:
                unread = False
                self._check_content_length(scope)
            message = await receive()
            n_bytes = len(message.get("body", b""))
            if reservation.bytes + n_bytes <= self._max_body_bytes:  # otherwise the reader raises BodyTooLargeError
                reservation.add(n_bytes)
            return message

        try:
            await self._app(scope, receive_within_budget, send)
        finally:
            reservation.release()

    def _check_content_length(self, scope: Scope) -> None:
        """Refuse a body by its announced length, before the client sends it.

        Raises:
            BodyTooLargeError: it is over the limit of one body.
            BusyError: the budget has no room for it.
        """
        for name, value in scope["headers"]:
            if name != b"content-length" or not value.isdigit():
                continue
            digits = value.lstrip(b"0") or b"0"
            if len(digits) > _MAX_DIGITS or int(digits) > self._max_body_bytes:
                raise BodyTooLargeError(
                    f"the body has {cut(digits.decode())} bytes, more than {self._max_body_bytes} bytes, the limit; "
                    "send fewer samples, or npz, which is smaller than JSON"
                )
            self._budget.check(int(digits))
