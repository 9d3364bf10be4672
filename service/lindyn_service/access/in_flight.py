"""How many there are now, of each kind."""

from collections import Counter
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@contextmanager
def counting(counts: Counter[K], kind: K) -> Generator[None]:
    """Count one more for the length of the block; a kind of which there is none is forgotten."""
    counts[kind] += 1
    try:
        yield
    finally:
        counts[kind] -= 1
        if not counts[kind]:
            del counts[kind]
