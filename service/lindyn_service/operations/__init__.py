"""The kinds of requests: who computes them, and what they cost."""
