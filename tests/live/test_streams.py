"""Streams of events and lists of jobs, in a service with other requests."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.jobs import slow_sweep, submit
from support.lag import loop_hold
from support.processes import RedisServer, Service, eventually, trajectory
from support.service import problem

from lindyn.wire.problem import Problem
from lindyn_service.jobs.store import JobStore

pytestmark = pytest.mark.live

STREAMS = 300
MAX_HELD = 400  # times as long as for /healthz: a tenth of a second where that takes .25 ms


@contextmanager
def stream(service: Service, job: str) -> Iterator[socket.socket]:
    """A stream of events of a job, whose head and first event have arrived."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(f"{service.folder}/http")
        connection.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: service\r\n\r\n".encode())
        read_until(connection, b"event: progress")
        yield connection


def read_until(connection: socket.socket, wanted: bytes) -> None:
    read = b""
    while wanted not in read:
        more = connection.recv(65536)
        assert more, read
        read += more


def test_many_streams_do_not_delay_requests():
    with (
        RedisServer() as server,
        Service(redis_url=server.url, job_workers=1, max_connections=1000) as service,
        service.client() as client,
        ExitStack() as streams,
    ):
        job = submit(client, slow_sweep())
        before = len(server.client.client_list())
        connections = [streams.enter_context(stream(service, job)) for _ in range(STREAMS)]
        assert len(server.client.client_list()) - before < 20
        with loop_hold(service) as hold:
            assert service.post(trajectory(seed=3)).status_code == 200
            assert client.get(f"/v1/jobs/{job}").status_code == 200
        assert hold.ratio < MAX_HELD
        client.delete(f"/v1/jobs/{job}")
        for connection in connections:
            read_until(connection, b"event: cancelled")


def test_streams_leave_connections_for_requests():
    with (
        RedisServer() as server,
        Service(redis_url=server.url, job_workers=1, max_connections=8) as service,
        service.client() as client,
        ExitStack() as streams,
    ):
        job = submit(client, slow_sweep())
        connections = [streams.enter_context(stream(service, job)) for _ in range(4)]
        refused = client.get(f"/v1/jobs/{job}/events")
        assert "4 streams" in problem(refused, 503, "busy")["detail"]
        assert service.post(trajectory(seed=3)).status_code == 200
        connections[0].close()

        def there_is_room() -> bool:
            with client.stream("GET", f"/v1/jobs/{job}/events") as again:
                return again.status_code == 200

        eventually(there_is_room)
        client.delete(f"/v1/jobs/{job}")


async def failed_jobs(url: str, count: int, detail: str) -> None:
    store = JobStore(
        url,
        namespace="lindyn",
        max_active=1,
        max_active_per_owner=0,
        max_bytes=2**30,
        keep_seconds=3600,
        timeout_seconds=60,
    )
    failure = Problem(type="/problems/too-large", code="too-large", title="Too large", status=422, detail=detail)
    for _ in range(count):
        job = await store.create("sweep", b"{}", 1, None)
        await store.finish(job.id, "failed", failure)
    await store.aclose()


def test_a_long_list_of_jobs_does_not_delay_requests():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        asyncio.run(failed_jobs(server.url, 1000, "long " * 600))
        with loop_hold(service) as hold:
            answer = client.get("/v1/jobs")
        assert hold.ratio < MAX_HELD / 4
        jobs = answer.json()["jobs"]
        assert len(jobs) == 1000
        assert {len(job["problem"]["detail"]) for job in jobs} == {203}
        assert len(client.get(f"/v1/jobs/{jobs[0]['id']}").json()["problem"]["detail"]) == 3000
