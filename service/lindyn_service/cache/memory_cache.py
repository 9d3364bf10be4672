"""An in-process LRU cache with a limit in bytes."""

from collections.abc import Sized
from typing import Generic, TypeVar

from cachetools import LRUCache

V = TypeVar("V", bound=Sized)


class MemoryCache(Generic[V]):
    """A cache that evicts the least recently used values; the length of a value is its size in bytes.

    Args:
        max_bytes: limit on the total size of all values, without names and bookkeeping.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: LRUCache[str, V] = LRUCache(max_bytes, getsizeof=len)

    @property
    def entries(self) -> int:
        """The number of values."""
        return len(self._values)

    @property
    def size_bytes(self) -> int:
        """The total size of all values."""
        return int(self._values.currsize)

    def get(self, name: str) -> V | None:
        """Return the value of `name`, or None, and mark it as the most recently used."""
        return self._values.get(name)

    def put(self, name: str, value: V) -> None:
        """Store `value` and evict the least recently used ones; a value larger than `max_bytes` is not stored."""
        self._values.pop(name, None)
        if len(value) <= self._max_bytes:
            self._values[name] = value
