"""Counter of current holders per key."""

from collections import Counter
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@contextmanager
def counting(counts: Counter[K], key: K) -> Generator[None]:
    """Count one holder of `key` for the duration of the block; a key without holders is removed from the counter."""
    counts[key] += 1
    try:
        yield
    finally:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]
