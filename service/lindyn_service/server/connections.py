"""How many connections there are, and which end where too many come."""

import logging
import sys
import time
from collections import OrderedDict
from enum import Enum
from typing import Protocol

WARN_SECONDS = 10.0
MOST_BY_DEFAULT = 4_096
_LEAST_BY_DEFAULT = 16
_OWN_DESCRIPTORS = 64  # of logs, sockets that listen, Redis
_WORKER_DESCRIPTORS = 8

log = logging.getLogger(__name__)


class ConnectionKind(Enum):
    """What a connection waits for; in this order they end where too many come."""

    IDLE = "a request, or the rest of one that was answered"
    SENDING = "the rest of a body"
    READING = "its client to read"
    SERVED = "the service, for which it is not ended"


class Connection(Protocol):
    """What can be ended."""

    def end(self) -> None:
        """End at once."""
        ...


class Connections:
    """The connections of a service, of which there is a bound.

    Args:
        most: so many may be at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kinds: dict[Connection, ConnectionKind] = {}
        self._waiting: dict[ConnectionKind, OrderedDict[Connection, None]] = {
            kind: OrderedDict() for kind in ConnectionKind
        }
        self._warned = -WARN_SECONDS

    def enter(self, one: Connection) -> bool:
        """Let one more in, in the place of the one that waits longest where there are too many; tells whether it is in.

        Where all others are being served, it is not.
        """
        full = len(self._kinds) >= self._most
        if full:
            self._warn()
            longest = self._longest()
            if longest is None:
                return False
            self.leave(longest)
            longest.end()
        self._kinds[one] = ConnectionKind.IDLE
        self._waiting[ConnectionKind.IDLE][one] = None
        return True

    def place(self, one: Connection, kind: ConnectionKind) -> None:
        """Note what a connection waits for; it waits since it was first noted so."""
        before = self._kinds.get(one)
        if before is not None and before is not kind:
            del self._waiting[before][one]
            self._kinds[one] = kind
            self._waiting[kind][one] = None

    def leave(self, one: Connection) -> None:
        """Forget a connection."""
        kind = self._kinds.pop(one, None)
        if kind is not None:
            del self._waiting[kind][one]

    def _longest(self) -> Connection | None:
        for kind in (ConnectionKind.IDLE, ConnectionKind.SENDING, ConnectionKind.READING):
            for one in self._waiting[kind]:
                return one
        return None

    def _warn(self) -> None:
        now = time.monotonic()
        if now - self._warned >= WARN_SECONDS:
            self._warned = now
            log.warning(
                "%d connections, the limit (LINDYN_MAX_CONNECTIONS): each new one ends the one that waits longest for "
                "its client, and is refused where none does",
                self._most,
            )


def connection_limit(workers: int) -> int:
    """As many as leave enough descriptors for the rest of a service; one that is answered from a file needs two."""
    if sys.platform == "win32":
        return MOST_BY_DEFAULT
    import resource  # noqa: PLC0415 (not on Windows)

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return MOST_BY_DEFAULT
    left = (limit - _OWN_DESCRIPTORS - _WORKER_DESCRIPTORS * workers) // 2
    return max(_LEAST_BY_DEFAULT, min(MOST_BY_DEFAULT, left))
