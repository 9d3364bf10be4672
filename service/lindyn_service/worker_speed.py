"""The exchange rate between processor time and estimated work."""

FLOPS_PER_SECOND = 2e10
"""Speed of one worker at products of large matrices; other work is charged as if it ran at this speed."""
