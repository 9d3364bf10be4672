"""What the service does when a part of it ends by an error of ours: it says so, and stops, to be started again."""

import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class FatalError:
    """The first error of that kind, if there is one.

    Attributes:
        error: what ended a part without which the service cannot go on.
        stop: stops the service; set by what runs it.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.stop: Callable[[], None] = lambda: None

    def note(self, error: BaseException) -> None:
        """Stop the service for this error; may be called in any thread."""
        log.critical("a part of the service has ended by an error; stopping, to be started again", exc_info=error)
        self.error = self.error or error
        self.stop()

    async def watch(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work without which the service cannot go on."""
        try:
            await work()
        except Exception as error:
            self.note(error)
