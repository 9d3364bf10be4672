"""The limit on connections, and which of them are closed when it is reached."""

import logging
import sys
import time
from collections import OrderedDict
from enum import Enum
from typing import Protocol

WARN_SECONDS = 10.0
MAX_DEFAULT_LIMIT = 4_096
_MIN_DEFAULT_LIMIT = 16
_OWN_DESCRIPTORS = 64  # file descriptors of logs, listening sockets and Redis
_WORKER_DESCRIPTORS = 8

log = logging.getLogger(__name__)


class ConnectionKind(Enum):
    """The party that a connection waits for; when the limit is reached, connections are closed in this order."""

    IDLE = "waits for a request, or for the rest of a request that has been answered"
    SENDING = "waits for the rest of a request body"
    READING = "waits for its client to read the answer"
    SERVED = "waits for the service, and is never closed for that"


class Connection(Protocol):
    """A connection that can be closed."""

    def end(self) -> None:
        """Close the connection immediately."""
        ...


class Connections:
    """The open connections of a service, limited in number.

    Args:
        limit: largest number of open connections.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kinds: dict[Connection, ConnectionKind] = {}
        self._waiting: dict[ConnectionKind, OrderedDict[Connection, None]] = {
            kind: OrderedDict() for kind in ConnectionKind
        }
        self._warned = -WARN_SECONDS

    def add(self, connection: Connection) -> bool:
        """Register a connection; at the limit, close the connection that has waited longest for its client.

        Returns:
            False if the limit is reached and all connections wait for the service.
        """
        if len(self._kinds) >= self._limit:
            self._warn()
            victim = self._longest_waiting()
            if victim is None:
                return False
            self.remove(victim)
            victim.end()
        self._kinds[connection] = ConnectionKind.IDLE
        self._waiting[ConnectionKind.IDLE][connection] = None
        return True

    def set_kind(self, connection: Connection, kind: ConnectionKind) -> None:
        """Note what a connection waits for; its wait begins anew if that has changed."""
        previous = self._kinds.get(connection)
        if previous is not None and previous is not kind:
            del self._waiting[previous][connection]
            self._kinds[connection] = kind
            self._waiting[kind][connection] = None

    def remove(self, connection: Connection) -> None:
        """Unregister a connection."""
        kind = self._kinds.pop(connection, None)
        if kind is not None:
            del self._waiting[kind][connection]

    def _longest_waiting(self) -> Connection | None:
        for kind in (ConnectionKind.IDLE, ConnectionKind.SENDING, ConnectionKind.READING):
            for connection in self._waiting[kind]:
                return connection
        return None

    def _warn(self) -> None:
        now = time.monotonic()
        if now - self._warned >= WARN_SECONDS:
            self._warned = now
            log.warning(
                "%d connections are open, the limit (LINDYN_MAX_CONNECTIONS): each new one closes the connection that "
                "has waited longest for its client, and is refused if none waits for a client",
                self._limit,
            )


def connection_limit(workers: int) -> int:
    """Return the default limit on connections, by the limit of open files; a connection that sends a file needs two."""
    if sys.platform == "win32":
        return MAX_DEFAULT_LIMIT
    import resource  # noqa: PLC0415 (not on Windows)

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return MAX_DEFAULT_LIMIT
    left = (limit - _OWN_DESCRIPTORS - _WORKER_DESCRIPTORS * workers) // 2
    return max(_MIN_DEFAULT_LIMIT, min(MAX_DEFAULT_LIMIT, left))
