"""A real server for each module, and the event loop of the service."""

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from support.job_resources import job_store
from support.processes import RedisServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def emptied(server: RedisServer) -> None:
    """The server holds nothing, and may hold as much as it wants."""
    server.client.config_set("maxmemory", 0)
    server.client.flushall()


@pytest.fixture
async def stores(server):
    """Makes stores, which are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(**changes):
            store = job_store(server.url, **changes)
            stack.push_async_callback(store.aclose)
            return store

        yield make
