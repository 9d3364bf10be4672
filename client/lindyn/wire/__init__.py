"""The HTTP contract, version 1: what the client and the service say to each other. Imports pydantic and numpy only."""
