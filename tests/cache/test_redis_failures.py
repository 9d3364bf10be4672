"""Failures of Redis: each is a miss in bounded time, and the cache recovers with Redis."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from valkey_process import ValkeyProcess

from lindyn_service.cache import circuit_breaker
from lindyn_service.cache.redis_cache import MAX_CONNECTIONS, RedisCache

pytestmark = [pytest.mark.anyio, pytest.mark.live]

Connect = Callable[..., RedisCache]


async def assert_missing(cache: RedisCache) -> None:
    await cache.put("a", b"2")
    assert await cache.get("a") is None
    assert not await cache.ping()
    async with cache.lease("a", 60) as mine:
        assert mine
    assert cache.state == "degraded"


async def recovery(cache: RedisCache) -> None:
    async with asyncio.timeout(300):
        while not await cache.ping():  # noqa: ASYNC110 -- nobody outside sets an Event
            await asyncio.sleep(0.01)
    assert cache.state == "ok"


async def test_a_server_that_does_not_listen(connect: Connect, tmp_path: Path) -> None:
    await assert_missing(connect(f"unix://{tmp_path}/none"))


async def test_a_server_that_is_killed_and_restarted(
    cache: RedisCache, server: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.gather(*(cache.put(str(number), b"1") for number in range(50)))
    server.kill()
    await assert_missing(cache)
    await asyncio.sleep(0.1)
    await assert_missing(cache)
    server.start()
    await recovery(cache)
    await cache.put("a", b"1")
    assert await cache.get("a") == b"1"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


async def test_a_server_that_is_killed_during_calls(connect: Connect, server: ValkeyProcess) -> None:
    """Callers do not wait for a timeout."""
    cache = connect(server.url, timeout_seconds=3600)
    server.freeze()
    calls = [asyncio.create_task(cache.get("a")) for _ in range(50)]
    await anyio.wait_all_tasks_blocked()
    server.kill()
    assert await asyncio.gather(*calls) == [None] * 50


async def test_a_frozen_server_costs_one_timeout(connect: Connect, server: ValkeyProcess) -> None:
    """One call goes to the server, and none of the following calls."""
    cache = connect(server.url, timeout_seconds=1, retry_seconds=3600)
    await cache.put("a", b"1")
    others = [server.calls(name) for name in ("set", "ping", "eval")]
    server.freeze()
    assert await cache.get("a") is None
    for _ in range(100):
        await assert_missing(cache)
    server.thaw()
    assert server.calls("get") <= 1
    assert [server.calls(name) for name in ("set", "ping", "eval")] == others


async def test_a_frozen_server_costs_one_timeout_per_retry(
    connect: Connect, server: ValkeyProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=lambda: clock.now))
    cache = connect(server.url, timeout_seconds=1, retry_seconds=0.2)
    server.freeze()
    assert await cache.get("a") is None
    clock.now += 0.25
    assert await asyncio.gather(*(cache.get("a") for _ in range(100))) == [None] * 100
    server.thaw()
    assert server.calls("get") <= 2


async def test_a_frozen_server_causes_no_queue(connect: Connect, server: ValkeyProcess) -> None:
    """Callers that wait for a connection when the first calls fail do not try, nor do later ones."""
    cache = connect(server.url, timeout_seconds=1, retry_seconds=3600)
    await asyncio.gather(*(cache.get("a") for _ in range(MAX_CONNECTIONS)))
    connections, calls = server.client.info("stats")["total_connections_received"], server.calls("get")
    server.freeze()
    found = await asyncio.gather(*(cache.get("a") for _ in range(2 * MAX_CONNECTIONS)))
    found += await asyncio.gather(*(cache.get("a") for _ in range(100)))
    assert found == [None] * len(found)
    server.thaw()
    assert server.client.info("stats")["total_connections_received"] == connections
    assert server.calls("get") <= calls + MAX_CONNECTIONS


async def test_a_server_that_freezes_during_a_large_value(connect: Connect, server: ValkeyProcess) -> None:
    cache = connect(server.url, timeout_seconds=1)
    await cache.put("a", bytes(1 << 20))
    server.freeze()
    await cache.put("a", bytes(1 << 20))  # more than the socket buffers
    assert cache.state == "degraded"
    server.thaw()
    await recovery(cache)
    assert await cache.get("a") == bytes(1 << 20)


async def test_closing_does_not_wait_for_a_frozen_server(connect: Connect, server: ValkeyProcess) -> None:
    cache = connect(server.url, timeout_seconds=1)
    await cache.put("a", b"1")
    server.freeze()
    call = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    await cache.aclose()  # would last for ever
    assert await call is None


async def test_a_full_server(connect: Connect, start_server: Callable[..., ValkeyProcess]) -> None:
    server = start_server(maxmemory="1", maxmemory_policy="noeviction")
    cache = connect(server.url)
    await cache.put("a", b"1")
    assert cache.state == "degraded"
    assert server.client.dbsize() == 0
    server.client.config_set("maxmemory", "0")
    await recovery(cache)
    await cache.put("a", b"1")
    assert await cache.get("a") == b"1"


async def test_a_server_that_forbids_commands(cache: RedisCache, server: ValkeyProcess) -> None:
    await cache.put("a", b"1")
    server.client.execute_command("ACL", "SETUSER", "default", "-get")
    assert await cache.get("a") is None
    assert cache.state == "degraded"
    server.client.execute_command("ACL", "SETUSER", "default", "+get")
    await recovery(cache)
    assert await cache.get("a") == b"1"


async def test_a_server_that_is_loading(connect: Connect, server: ValkeyProcess) -> None:
    pipe = server.client.pipeline(transaction=False)
    for number in range(100_000):  # which take five minutes, unless they are let go
        pipe.set(str(number), bytes(range(100)))  # that does not compress
    pipe.execute()
    server.client.save()
    server.kill()
    server.start(key_load_delay="3000", loading_process_events_interval_bytes="1024")
    cache = connect(server.url)
    await assert_missing(cache)
    server.client.config_set("key-load-delay", "0")
    await recovery(cache)


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\n", b"$5\r\nab", b""], ids=repr)
async def test_a_server_of_another_protocol(connect: Connect, tmp_path: Path, reply: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "socket"):
        await assert_missing(connect(f"unix://{tmp_path}/socket"))
