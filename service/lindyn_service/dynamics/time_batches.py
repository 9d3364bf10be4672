"""Batches of times, whose arrays fit into the cache of one core."""

from collections.abc import Iterator

_MAX_ENTRIES = 2**18  # two megabytes per array
_MAX_TIMES = 256


def time_batches(n_times: int, n_entries: int, max_entries: int = _MAX_ENTRIES) -> Iterator[slice]:
    """Divide times into successive batches.

    Args:
        n_times: number of times.
        n_entries: number of entries of the largest array at one time.
        max_entries: number of entries of that array at all times of a batch, at most.
    """
    size = max(1, min(_MAX_TIMES, max_entries // max(1, n_entries)))
    for start in range(0, n_times, size):
        yield slice(start, start + size)
