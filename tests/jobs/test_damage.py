"""Damaged entries of jobs in Redis: the damaged job fails or is deleted, and all others continue."""

import logging
import math
from contextlib import suppress

import anyio
import orjson
import pytest
from support.job_resources import job_resources, job_store, stored_sweep
from support.jobs import LIMITS, sweep

from lindyn_service.jobs.errors import JobsUnavailableError, TooManyJobsError
from lindyn_service.jobs.scheduler import JobScheduler

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.usefixtures("emptied")]

GHOST = "0123456789abcdef" * 2


async def is_done(resources, body=None) -> None:
    """Post a job, and run it to its end."""
    with anyio.fail_after(300):
        while True:
            try:
                job, _ = await stored_sweep(resources.store, body or sweep(lams=(0.5,), seeds=2))
                while (await resources.store.get(job.id)).state not in ("done", "failed"):  # noqa: ASYNC110 (of a server)
                    await anyio.sleep(0.01)
                assert (await resources.store.get(job.id)).state == "done"
                return
            except (JobsUnavailableError, TooManyJobsError):  # what is damaged was there until now
                await anyio.sleep(0.01)


DAMAGE = {
    "bytes that are no text": lambda redis: redis.sadd("test:jobs:active", b"\xff"),
    "members that are no ids": lambda redis: redis.sadd("test:jobs:active", "", "x", "active", "../" * 99, "9" * 10**5),
    "many members": lambda redis: redis.sadd("test:jobs:active", *range(50_000)),
    "an id of no job": lambda redis: redis.sadd("test:jobs:active", GHOST),
    "active of a wrong type": lambda redis: redis.set("test:jobs:active", "x"),
    "jobs of a wrong type": lambda redis: redis.set("test:jobs", "x"),
    "owners' jobs of a wrong type": lambda redis: redis.set("test:jobs:of:", "x"),
    "counts of a wrong type": lambda redis: redis.set("test:jobs:ended", "x"),
    "counts that are none": lambda redis: redis.hset("test:jobs:ended", mapping={"done": "x", "failed": "-1"}),
    "sizes of a wrong type": lambda redis: redis.set("test:jobs:sizes", "x"),
    "sizes that are none": lambda redis: redis.hset("test:jobs:sizes", mapping={"total": "nan", GHOST: "x"}),
    "ended jobs of a wrong type": lambda redis: redis.set("test:jobs:finished", "x"),
    "leases of a wrong type": lambda redis: redis.set("test:leases", "x"),
    "a job of a wrong type": lambda redis: (redis.sadd("test:jobs:active", GHOST), redis.set(f"test:jobs:{GHOST}", 1)),
    "a job of nonsense": lambda redis: (
        redis.sadd("test:jobs:active", GHOST),
        redis.zadd("test:jobs", {GHOST: -math.inf, b"\xff": 1, "active": 2}),
        redis.hset(f"test:jobs:{GHOST}", mapping={b"\xff": b"\xff", "state": "running", "created": "nan"}),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_other_jobs_continue(server, damage, caplog):
    caplog.set_level(logging.WARNING)
    async with job_resources(server.url) as resources, anyio.create_task_group() as tasks:
        await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=1))
        tasks.start_soon(JobScheduler(resources, LIMITS).run)
        await is_done(resources)
        DAMAGE[damage](server.client)
        await is_done(resources)
        for ask in (
            resources.store.expire,
            resources.store.counts,
            lambda: resources.store.latest(None, 9),
            resources.store.active,
        ):
            with suppress(JobsUnavailableError):  # that finds the damage
                await ask()
            await ask()
        assert not await resources.store.active()
        tasks.cancel_scope.cancel()
    if damage.endswith("of a wrong type") and "leases" not in damage:  # which the next one who takes a lease replaces
        assert "deleting" in caplog.text


STORED = {
    "an unknown kind": ("figure-9.9", {"parameters": {}}, 1, "there is no kind of job called"),
    "an invalid request": ("sweep", {**sweep(), "axes": []}, 12, "damaged"),
    "a request of another version": ("sweep", {**sweep(), "depths": [1]}, 12, "damaged"),
    "other points": ("sweep", sweep(), 13, "13 points, and has 12 now"),
    "no parameters": ("figure-4.1", {}, 1, "damaged"),
    "bad parameters": ("figure-4.1", {"parameters": {"nothing": 1}}, 1, "invalid"),
    "damaged bytes": ("sweep", b"\xff{", 1, "damaged"),
    "no object": ("sweep", b"[]", 1, "damaged"),
    "no request": ("sweep", None, 1, "has lost the request"),
}


@pytest.mark.parametrize("stored", STORED)
async def test_a_stored_job_that_cannot_be_read_fails_alone(server, stored, caplog):
    kind, content, total, text = STORED[stored]
    async with job_resources(server.url) as resources, anyio.create_task_group() as tasks:
        request = content if isinstance(content, bytes) else orjson.dumps(content)
        job = await resources.store.create(kind, request, total, None)
        if content is None:
            server.client.delete(f"test:jobs:{job.id}:request")
        tasks.start_soon(JobScheduler(resources, LIMITS).run)
        await is_done(resources)
        found = await resources.store.get(job.id)
        while found.state != "failed":
            await anyio.sleep(0.01)
            found = await resources.store.get(job.id)
        assert (found.problem.code, found.problem.status) == ("damaged-job", 500)
        assert text in found.problem.detail
        assert "post" in found.problem.detail
        tasks.cancel_scope.cancel()
    assert not [record for record in caplog.records if record.exc_info]


ODD = [
    b":1\r\n",
    b":-9223372036854775808\r\n",
    b"$-1\r\n",
    b"$1\r\n\xff\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*1\r\n:1\r\n",
    b"*2\r\n*0\r\n$-1\r\n",
    b"+OK\r\n",
    b"-ERR no\r\n",
    b"-NOPERM no\r\n",
    b"-LOADING wait\r\n",
    b"nonsense\r\n",
]


async def odd_server(reply: bytes, port: list[int], *, task_status) -> None:
    """A server with the same reply to all commands."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port.append(listener.extra(anyio.abc.SocketAttribute.local_port))

    async def answer(stream) -> None:
        async with stream:
            try:
                while True:
                    await stream.receive()
                    await stream.send(reply)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    task_status.started()
    async with listener:
        await listener.serve(answer)


@pytest.mark.parametrize("reply", ODD)
async def test_unexpected_replies_count_as_an_unavailable_store(reply):
    """Each method returns a value or reports that the store is unavailable; the scheduler survives all of it."""
    port: list[int] = []
    async with anyio.create_task_group() as tasks:
        await tasks.start(odd_server, reply, port)
        url = f"redis://127.0.0.1:{port[0]}"
        async with job_resources(url, timeout_seconds=0.2) as resources:
            store = resources.store
            assert await resources.cache.get_many([GHOST], 1) == [None]
            asked = [
                store.active, store.counts, store.expire, lambda: store.latest(None, 9), lambda: store.get(GHOST),
                lambda: store.request(GHOST), lambda: store.result(GHOST), lambda: store.cancel(GHOST),
                lambda: store.start(GHOST), lambda: store.progress(GHOST, 1), lambda: store.is_cancelled(GHOST),
                lambda: store.admit(None), lambda: store.put_result(GHOST, b"x"), lambda: store.finish(GHOST, "done"),
            ]  # fmt: skip
            for ask in asked:
                try:
                    await ask()
                except JobsUnavailableError:
                    continue
            async with anyio.create_task_group() as running:
                runner = JobScheduler(resources, LIMITS)
                running.start_soon(runner.run)
                for _ in range(3):
                    runner.wake()
                    await anyio.sleep(0.01)
                running.cancel_scope.cancel()
        tasks.cancel_scope.cancel()


async def test_temporary_refusals_are_retried(server):
    store = job_store(server.url)
    for told, waits in (("READONLY x", True), ("MISCONF x", True), ("NOPERM x", False), ("ERR x", False)):
        server.client.flushall()
        code = f"#!lua\nreturn redis.error_reply('{told}')"
        with pytest.raises(JobsUnavailableError) as caught:
            await store._server.run(code, GHOST)
        assert (type(caught.value) is JobsUnavailableError) == waits, told
    await store.aclose()


async def test_counters_beyond_the_range_of_floats_count_as_zero(server):
    """They are exported as a metric, which is a float."""
    store = job_store(server.url)
    for value in ("9" * 401, "9" * 5_000, "-1", "nan", ""):
        server.client.hset("test:jobs:ended", "done", value)
        _, ended = await store.counts()
        assert ended["done"] == 0
    await store.aclose()
