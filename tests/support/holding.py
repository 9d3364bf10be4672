"""Work that lasts until the test ends it: the process is suspended, so that tests do not depend on its speed."""

import fcntl
import http.client
import socket
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import httpx
import psutil

from support.jobs import finished, state, submit, sweep
from support.processes import RedisServer, Service, eventually

T = TypeVar("T")

HANDED_SECONDS = 5.0
QUEUED = 'lindyn_stage_seconds_count{stage="queue"}'


@contextmanager
def suspended(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Suspend processes during the block, in which they may be killed."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def handed(service: Service, ask: Callable[[], T]) -> Iterator[T]:
    """Send a request that is assigned to a worker, which cannot begin it before the block ends."""
    eventually(lambda: service.readiness()["ready"])
    workers = service.workers()
    with suspended(workers):
        before = service.metric(QUEUED)
        asked = ask()
        _wait_until_handed(service, workers, before)
        yield asked


@contextmanager
def held(service: Service, document: Mapping[str, Any], **options: Any) -> Iterator[Future[httpx.Response]]:
    """Post a trajectory request that is assigned to a worker, which cannot begin it before the block ends."""
    with handed(service, lambda: service.post_later(document, **options)) as answer:
        yield answer


def _wait_until_handed(service: Service, workers: Sequence[psutil.Process], before: float) -> None:
    """Wait until the request is assigned; a worker suspended during a liveness check must first respond to it."""

    def handed() -> bool:
        with suppress(AssertionError):
            return bool(eventually(lambda: service.metric(QUEUED) > before, HANDED_SECONDS))
        for worker in workers:
            worker.resume()
            worker.suspend()
        return False

    eventually(handed)


class Posted:
    """A request to a service on a unix socket, whose client knows when it was read and may disconnect."""

    def __init__(
        self,
        service: Service,
        document: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        path: str = "/v1/trajectories",
    ) -> None:
        request = httpx.Request(
            "POST", f"http://service{path}", json=document, headers={"Accept": "*/*", **(headers or {})}
        )  # the same bytes as `Service.post` sends
        lines = [f"POST {path} HTTP/1.1".encode(), *(b": ".join(pair) for pair in request.headers.raw), b"", b""]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"{service.folder}/http")
        self._socket.sendall(b"\r\n".join(lines) + request.content)

    def is_read(self) -> bool:
        unread = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        return not any(unread)

    def leave(self) -> None:
        self._socket.close()

    def answer(self) -> httpx.Response:
        with self._socket, http.client.HTTPResponse(self._socket, method="POST") as response:
            response.begin()
            return httpx.Response(response.status, headers=response.getheaders(), content=response.read())


def post_and_wait_until_read(services: Sequence[Service], document: Mapping[str, Any], count: int) -> list[Posted]:
    """Post the same request to each service in turn, and wait until all of them have read it."""
    posted = [Posted(services[i % len(services)], document) for i in range(count)]
    eventually(lambda: all(each.is_read() for each in posted))
    for service in services:
        service.get("/healthz")  # the event loop has then handled the requests read before
    return posted


def job_workers(service: Service) -> list[psutil.Process]:
    """Workers of jobs, identified by a lower priority than that of the tests."""
    own = psutil.Process().nice()

    def of_jobs(process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return process.nice() > own
        return False

    return [worker for worker in service.workers() if of_jobs(worker)]


@contextmanager
def jobs_held(service: Service, client: httpx.Client) -> Iterator[None]:
    """Suspend the workers of jobs during the block; a first job has started them."""
    finished(client, submit(client, sweep(seeds=1)))
    with suspended(eventually(lambda: job_workers(service))):
        yield


@contextmanager
def held_midway(
    workers: Callable[[], Sequence[psutil.Process]], server: RedisServer, client: httpx.Client, job: str, points: int
) -> Iterator[None]:
    """Suspend a job when some of its points are stored and others are not.

    Args:
        workers: function that returns the processes which compute the job; empty before they exist.
        server: server that stores the points.
        client: client of the service.
        job: id of the job.
        points: minimum number of stored points, including those of earlier jobs.
    """
    processes = eventually(workers)
    eventually(lambda: len(server.keys("record:")) >= points, pause_seconds=0.001)
    with suspended(processes):
        assert state(client, job)["state"] == "running"
        yield
