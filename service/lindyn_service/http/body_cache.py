"""Cache of request bodies by their digest: a body that was answered before is answered again without being parsed."""

from dataclasses import dataclass

from cachetools import LRUCache

from lindyn_service.translate.encode import Format

MAX_BODIES = 4096

BodyKey = tuple[str, bytes, Format, bytes]
"""Path, content type, format of the answer, and digest of the body."""


@dataclass(frozen=True)
class SolverRecord:
    """How a request was answered: its operation, the method, and the estimated cost."""

    operation: str
    solver: str
    flops: int


@dataclass(frozen=True)
class CachedRequest:
    """The content address of a request, the format of its answer, and how it was solved."""

    key: str
    form: Format
    solver: SolverRecord


class BodyCache:
    """The requests that were answered last, by the digests of their bodies; the bodies themselves are not kept."""

    def __init__(self) -> None:
        self._requests: LRUCache[BodyKey, CachedRequest] = LRUCache(MAX_BODIES)

    def get(self, key: BodyKey) -> CachedRequest | None:
        """Return the request that a body stands for, if it is known."""
        return self._requests.get(key)

    def put(self, key: BodyKey, request: CachedRequest) -> None:
        """Store a request whose seeds are all explicit; any other draws new ones each time."""
        self._requests[key] = request
