"""The cache in this process, bounded in bytes."""

from cachetools import LRUCache


class MemoryCache:
    """Keeps what was used last.

    Args:
        max_bytes: the most bytes all values together may have; names and bookkeeping come on top.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)

    @property
    def entries(self) -> int:
        """How many values there are."""
        return len(self._values)

    @property
    def size_bytes(self) -> int:
        """How many bytes they have together."""
        return int(self._values.currsize)

    def get(self, name: str) -> bytes | None:
        """Return the value of `name`, which is from now on the one used last."""
        return self._values.get(name)

    def put(self, name: str, value: bytes) -> None:
        """Keep `value` and drop those unused for longest; one above `max_bytes` is not kept."""
        self._values.pop(name, None)
        if len(value) <= self._max_bytes:
            self._values[name] = value
