import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import psutil
import pytest

sys.path.append(str(Path(__file__).parent / "servers"))

from valkey_process import ValkeyProcess, eventually

from lindyn_service.cache.redis_cache import RedisCache


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def start_server() -> Iterator[Callable[..., ValkeyProcess]]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(ValkeyProcess(settings))


@pytest.fixture
def server(start_server: Callable[..., ValkeyProcess]) -> ValkeyProcess:
    return start_server()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., RedisCache]]:
    """Make caches that are closed when the test ends."""
    defaults = {
        "namespace": "test",
        "max_value_bytes": 1 << 20,
        "time_to_live_seconds": 600,
        "timeout_seconds": 60,
        "retry_seconds": 0.05,
    }
    async with AsyncExitStack() as stack:

        def make(url: str, **options: object) -> RedisCache:
            cache = RedisCache(url, **{**defaults, **options})
            stack.push_async_callback(cache.aclose)
            return cache

        yield make


@pytest.fixture
def cache(connect: Callable[..., RedisCache], server: ValkeyProcess) -> RedisCache:
    return connect(server.url)


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Hold every test to leaving no child process behind."""
    before = set(psutil.Process().children())
    yield
    eventually(lambda: set(psutil.Process().children()) <= before)
