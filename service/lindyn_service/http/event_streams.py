"""How many streams of events there may be, so that there is always room for requests that end."""

from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Request

from lindyn_service.access.in_flight import counting
from lindyn_service.errors import BusyError, RateLimitedError
from lindyn_service.http.authentication import CallerDep

_AGAIN_SECONDS = 5


class EventStreams:
    """The streams of one process.

    Args:
        connections: that the process may have, of which streams take half at most.
        requests_at_once: of one key, of which its streams take half at most; 0: no limit, and a quarter of all streams.
    """

    def __init__(self, connections: int, requests_at_once: int) -> None:
        self.most = max(1, connections // 2)
        self.most_of_one = max(1, requests_at_once // 2 if requests_at_once else self.most // 4)
        self._open: Counter[str | None] = Counter()

    @contextmanager
    def open(self, name: str | None) -> Generator[None]:
        """Count a stream for the length of the block; callers without a name share all of them.

        Raises:
            RateLimitedError: there are too many of this name.
            BusyError: there are too many.
        """
        if name is not None and self._open[name] >= self.most_of_one:
            raise RateLimitedError(
                f"{self._open[name]} streams of events are open with the key of {name}, at most {self.most_of_one} may "
                "be; close one, or ask for the state of the job (GET /v1/jobs/{id})",
                _AGAIN_SECONDS,
            )
        if self._open.total() >= self.most:
            raise BusyError(
                f"{self.most} streams of events are open, which is the limit; ask for the state of the job instead "
                "(GET /v1/jobs/{id}), or try again later"
            )
        with counting(self._open, name):
            yield


async def _stream(request: Request, caller: CallerDep) -> AsyncGenerator[None]:
    streams: EventStreams = request.app.state.streams
    with streams.open(caller.name):
        yield


StreamDep = Annotated[None, Depends(_stream)]
"""Room for a stream, until it ends."""
