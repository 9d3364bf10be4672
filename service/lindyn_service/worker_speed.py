"""What a second of a worker counts as."""

FLOPS_PER_SECOND = 2e10
"""Of one worker, in products of large matrices; whatever else it does counts as what it would do in that time."""
