import asyncio
import textwrap
from collections.abc import Callable

import anyio
import pytest
from valkey_process import ValkeyProcess, eventually, python

from lindyn_service.cache.redis_cache import RedisCache

pytestmark = [pytest.mark.anyio, pytest.mark.live]

Connect = Callable[..., RedisCache]
LEASES = "test:leases"

HOLDER = textwrap.dedent("""
    import asyncio, sys
    from lindyn_service.cache.redis_cache import RedisCache

    async def main():
        cache = RedisCache(
            sys.argv[1], namespace="test", max_value_bytes=1, time_to_live_seconds=1, timeout_seconds=60
        )
        async with cache.lease("a", 5) as mine:
            print(mine, flush=True)
            await asyncio.sleep(3600)

    asyncio.run(main())
""")


@pytest.fixture
def other(connect: Connect, server: ValkeyProcess) -> RedisCache:
    return connect(server.url)


async def until(condition: Callable[[], object]) -> None:
    """Wait for the effect of a server or a background task."""
    async with asyncio.timeout(300):
        while not condition():  # noqa: ASYNC110 -- nobody sets an Event
            await asyncio.sleep(0.01)


def ends(server: ValkeyProcess, name: str = "a") -> int:
    """End of a lease, in milliseconds of the server's clock."""
    return int(server.client.hget(LEASES, name)[32:])


def now(server: ValkeyProcess) -> int:
    seconds, microseconds = server.client.time()
    return seconds * 1000 + microseconds // 1000


async def is_free(cache: RedisCache, name: str = "a") -> bool:
    async with cache.lease(name, 60) as mine:
        return mine


async def test_a_lease_has_one_holder(cache: RedisCache, other: RedisCache) -> None:
    async with cache.lease("a", 60) as mine:
        assert mine
        assert not await is_free(other)
        assert not await is_free(cache)
        assert await is_free(other, "b")
    assert await is_free(other)
    assert await is_free(cache)


async def test_a_lease_from_before_the_clock_was_set_back_is_void(cache: RedisCache, server: ValkeyProcess) -> None:
    """Its holder is dead, and the clock would reach its end only in a day."""
    a_day_ahead = (int(server.client.time()[0]) + 86_400) * 1000
    server.client.hset(LEASES, "a", "0" * 32 + str(a_day_ahead))
    assert await is_free(cache)


async def test_a_living_holder_keeps_its_lease_after_the_clock_was_set_back(
    cache: RedisCache, server: ValkeyProcess
) -> None:
    async with cache.lease("a", 3) as mine:
        assert mine
        token = server.client.hget(LEASES, "a")[:32]
        server.client.hset(LEASES, "a", token + b"99999999999999")
        await until(lambda: ends(server) < 99999999999999)  # it has renewed
        assert not await is_free(cache)


async def test_one_of_many_callers_gets_the_lease(cache: RedisCache, other: RedisCache) -> None:
    done = asyncio.Event()
    answers: list[bool] = []

    async def ask(one: RedisCache) -> None:
        async with one.lease("a", 60) as mine:
            answers.append(mine)
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        for one in (cache, other) * 20:
            tasks.create_task(ask(one))
        await until(lambda: len(answers) == 40)
        done.set()
    assert sum(answers) == 1


async def test_namespaces_have_separate_leases(connect: Connect, cache: RedisCache, server: ValkeyProcess) -> None:
    async with cache.lease("a", 60):
        assert await is_free(connect(server.url, namespace="other"))


async def test_a_living_holder_keeps_its_lease(cache: RedisCache, other: RedisCache, server: ValkeyProcess) -> None:
    async with cache.lease("a", 3):
        first_end = ends(server)
        await until(lambda: now(server) > first_end)
        assert not await is_free(other)
    assert await is_free(other)
    assert server.client.hlen(LEASES) == 0


async def test_a_lease_ends_after_its_holder_is_killed(other: RedisCache, server: ValkeyProcess) -> None:
    with python(HOLDER, server.url) as (_, line):
        assert line == "True"
        assert not await is_free(other)
    assert not await is_free(other)
    end = ends(server)
    await until(lambda: now(server) > end)
    assert await is_free(other)


async def test_taking_a_lease_removes_those_that_have_ended(cache: RedisCache, server: ValkeyProcess) -> None:
    server.client.hset(LEASES, mapping={"dead": "t" * 32 + "1795000", "nonsense": "x", "empty": ""})
    async with cache.lease("a", 60):
        assert server.client.hkeys(LEASES) == [b"a"]


async def test_a_key_of_another_type_is_replaced(cache: RedisCache, server: ValkeyProcess) -> None:
    server.client.set(LEASES, "x")
    async with cache.lease("a", 60) as mine:
        assert mine
        assert server.client.hkeys(LEASES) == [b"a"]
    assert cache.state == "ok"


async def test_a_lost_lease_is_logged(
    cache: RedisCache, server: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with cache.lease("a", 6):
        anothers = b"t" * 32 + str(now(server) + 5_900).encode()
        server.client.hset(LEASES, "a", anothers)
        await until(lambda: caplog.messages)
        assert "lost the lease of a" in caplog.text
    assert server.client.hget(LEASES, "a") == anothers


async def test_a_lease_that_redis_lost_is_taken_again(
    cache: RedisCache, other: RedisCache, server: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with cache.lease("a", 3):
        server.client.delete(LEASES)
        await until(lambda: server.client.hexists(LEASES, "a"))
        assert not await is_free(other)
    assert await is_free(other)
    assert not caplog.messages


async def test_releasing_does_not_affect_the_lease_of_another(cache: RedisCache, server: ValkeyProcess) -> None:
    async with cache.lease("a", 60):
        server.client.hset(LEASES, "a", "t" * 32 + "9795000000000")
    assert server.client.hget(LEASES, "a") == b"t" * 32 + b"9795000000000"


async def test_an_error_in_the_block_passes_and_releases(cache: RedisCache, other: RedisCache) -> None:
    with pytest.raises(ZeroDivisionError):
        async with cache.lease("a", 60):
            raise ZeroDivisionError
    assert await is_free(other)


async def test_cancelling_the_block_releases_the_lease(cache: RedisCache, other: RedisCache) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), cache.lease("a", 60):
            await asyncio.sleep(60)
    assert await is_free(other)


async def test_cancelling_the_acquisition_releases_the_lease(cache: RedisCache, server: ValkeyProcess) -> None:
    assert await cache.ping()
    server.freeze()
    asking = asyncio.create_task(is_free(cache))
    await anyio.wait_all_tasks_blocked()
    asking.cancel()
    await anyio.wait_all_tasks_blocked()
    server.thaw()
    with pytest.raises(asyncio.CancelledError):
        await asking
    eventually(lambda: server.calls("eval") == 2)
    assert server.client.hlen(LEASES) == 0


async def test_a_holder_survives_the_loss_of_redis(connect: Connect, server: ValkeyProcess) -> None:
    cache = connect(server.url)
    async with cache.lease("a", 0.15) as mine:
        assert mine
        server.kill()
        await until(lambda: cache.state == "degraded")
    server.start()
