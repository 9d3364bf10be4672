"""The HTTP contract, version 1: models of requests and replies. It imports only pydantic and numpy."""
