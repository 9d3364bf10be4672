"""Answers that are too large for memory and Redis: files in a folder of bounded size."""
