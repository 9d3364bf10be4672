"""Requests to the service and their answers, blocking or awaited."""
