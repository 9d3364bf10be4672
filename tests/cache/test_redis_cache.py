import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import anyio
import pytest
from valkey_process import ValkeyProcess, eventually

from lindyn_service.cache.envelope import seal
from lindyn_service.cache.redis_cache import MAX_CONNECTIONS, RedisCache

pytestmark = [pytest.mark.anyio, pytest.mark.live]

Connect = Callable[..., RedisCache]


@pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=str
)
@pytest.mark.parametrize("value", [b"", b"\0\r\n", bytes(range(256)) * 4000])
async def test_stored_values_are_returned(cache: RedisCache, value: bytes) -> None:
    await cache.put("a", b"before")
    await cache.put("a", value)
    assert await cache.get("a") == value
    assert await cache.get("b") is None
    assert cache.state == "ok"
    assert await cache.ping()


async def test_processes_share_values_within_a_namespace(connect: Connect, server: ValkeyProcess) -> None:
    one, two, other = connect(server.url), connect(server.url), connect(server.url, namespace="other")
    await one.put("a", b"1")
    assert (await two.get("a"), await other.get("a")) == (b"1", None)


async def test_values_expire(connect: Connect, server: ValkeyProcess) -> None:
    await connect(server.url, time_to_live_seconds=7).put("a", b"1")
    (key,) = server.client.keys()
    assert 0 < server.client.pttl(key) <= 7000


async def test_a_value_that_is_too_large_is_not_stored(connect: Connect, server: ValkeyProcess) -> None:
    cache = connect(server.url, max_value_bytes=3)
    await cache.put("a", b"1234")
    await cache.put("b", b"123")
    assert (await cache.get("a"), await cache.get("b")) == (None, b"123")


async def test_many_values_are_looked_up_at_once(cache: RedisCache) -> None:
    await cache.put_many({"a": b"1", "c": b"3"})
    assert await cache.get_many(["a", "b", "c"], 1000) == [b"1", None, b"3"]
    assert await cache.get_many(["b", "d"], 1000) == [None, None]
    assert await cache.get_many(["b", "c"], 1) == [None]  # the second would exceed the limit


async def test_missing_values_have_no_reply_each(cache: RedisCache, server: ValkeyProcess) -> None:
    """One number is read instead, since the client takes long to read a reply with a part for each name."""
    assert await cache.get_many([str(number) for number in range(1000)], 1000) == [None] * 1000
    used = server.client.info("commandstats")
    assert not {"cmdstat_mget", "cmdstat_eval"}.intersection(used)


@pytest.mark.parametrize(
    "spoilt", [b"", b"foreign", seal("b", b"1"), seal("a", b"1")[:-1]], ids=["empty", "foreign", "name", "cut"]
)
async def test_a_damaged_value_is_deleted(cache: RedisCache, server: ValkeyProcess, spoilt: bytes) -> None:
    await cache.put("a", b"1")
    (key,) = server.client.keys()
    server.client.set(key, spoilt)
    assert await cache.get("a") is None
    assert server.client.keys() == []
    assert cache.state == "ok"


async def test_a_key_of_another_type_is_deleted(cache: RedisCache, server: ValkeyProcess) -> None:
    await cache.put("a", b"1")
    (key,) = server.client.keys()
    server.client.delete(key)
    server.client.rpush(key, "x")
    assert await cache.get("a") is None
    assert server.client.keys() == []
    assert cache.state == "ok"


async def test_many_callers_share_few_connections(cache: RedisCache, server: ValkeyProcess) -> None:
    names = [str(number) for number in range(200)]
    await asyncio.gather(*(cache.put(name, name.encode()) for name in names))
    assert await asyncio.gather(*(cache.get(name) for name in names)) == [name.encode() for name in names]
    assert 1 < server.clients() <= MAX_CONNECTIONS
    assert server.client.info("stats")["total_connections_received"] <= MAX_CONNECTIONS + 2


async def test_a_cancelled_caller_returns_at_once_and_leaves_no_reply(cache: RedisCache, server: ValkeyProcess) -> None:
    await asyncio.gather(*(cache.put(str(number), b"%d" % number) for number in range(MAX_CONNECTIONS)))
    before = server.clients()
    server.freeze()
    calls = [asyncio.create_task(cache.get(str(number))) for number in range(MAX_CONNECTIONS)]
    await anyio.wait_all_tasks_blocked()
    for call in calls:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in ended)
    assert len(cache._calls) == MAX_CONNECTIONS  # these go on, since nobody has answered them
    server.thaw()
    for number in range(MAX_CONNECTIONS):
        assert await cache.get(str(number)) == b"%d" % number
    assert (cache.state, server.clients()) == ("ok", before)


async def test_cancelled_callers_never_mix_up_replies(cache: RedisCache, server: ValkeyProcess) -> None:
    draw = random.Random(1)
    values = {str(number): draw.randbytes(draw.choice((10, 1000, 100_000))) for number in range(50)}
    for name, value in values.items():
        await cache.put(name, value)
    answered = cancelled = 0

    async def call() -> None:
        nonlocal answered, cancelled
        name = draw.choice(list(values))
        task = asyncio.create_task(cache.get(name))
        if draw.random() < 0.5:
            for _ in range(draw.choice((1, 2, 3, 5, 10, 30, 100))):  # of the loop: the first ones are before any answer
                await asyncio.sleep(0)
            task.cancel()
        with suppress(asyncio.CancelledError):
            assert await task == values[name]
            answered += 1
            return
        cancelled += 1

    for _ in range(15):
        await asyncio.gather(*(call() for _ in range(60)))
    assert answered > 50
    assert cancelled > 50
    for name, value in values.items():
        assert await cache.get(name) == value
    assert cache.state == "ok"
    assert server.clients() <= MAX_CONNECTIONS


async def test_memory_is_bounded_and_leases_outlive_values(
    connect: Connect, start_server: Callable[..., ValkeyProcess]
) -> None:
    server = start_server(maxmemory="8mb", maxmemory_policy="volatile-lru")
    cache, other = connect(server.url), connect(server.url)
    async with cache.lease("a", 60) as mine:
        assert mine
        for number in range(150):
            await cache.put(str(number), bytes(200_000))
        assert server.client.info("stats")["evicted_keys"] > 50
        assert server.client.info("memory")["used_memory"] < 9 << 20
        assert await cache.get("149") is not None
        async with other.lease("a", 60) as theirs:
            assert not theirs
    assert cache.state == "ok"


async def test_closing_waits_for_calls_and_closes_all_connections(connect: Connect, server: ValkeyProcess) -> None:
    cache = connect(server.url)
    await cache.put("a", b"1")
    call = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    await cache.aclose()
    assert await call == b"1"
    await cache.put("b", b"1")
    assert (await cache.get("a"), await cache.ping()) == (None, False)
    async with cache.lease("a", 60) as mine:
        assert mine
    eventually(lambda: server.clients() == 0)
    assert server.client.dbsize() == 1


def test_an_invalid_url_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisCache("localhost", namespace="", max_value_bytes=1, time_to_live_seconds=1, timeout_seconds=1)
