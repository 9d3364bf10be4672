"""Answers of valid requests, from the caches or from the engine."""
