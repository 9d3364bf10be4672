"""The reaction to an internal error that ends a background task: the service logs it and stops, to be restarted."""

import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class FatalError:
    """Records the first fatal error and stops the service.

    Attributes:
        error: the error that ended a task without which the service cannot go on, or None.
        stop: stops the service; set by the server that runs the application.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.stop: Callable[[], None] = lambda: None

    def record(self, error: BaseException) -> None:
        """Record an error and stop the service; may be called in any thread."""
        log.critical(
            "a background task of the service failed; stopping, so that the service is restarted", exc_info=error
        )
        self.error = self.error or error
        self.stop()

    def has_occurred(self) -> bool:
        """Return whether an error was recorded."""
        return self.error is not None

    async def watch(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task without which the service cannot go on, and record its error if it fails."""
        try:
            await work()
        except Exception as error:
            self.record(error)
