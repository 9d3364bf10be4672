"""Translation of messages to arrays and of results to bytes: the only package that uses both. It runs in workers."""
