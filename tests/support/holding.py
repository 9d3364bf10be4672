"""Work that lasts until the test says so: the process that does it is suspended, whatever the speed of the machine."""

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
    """Let processes stand still for the length of the block; they may be killed in it."""
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
    """Ask for what a worker is handed, and what it cannot begin before the block ends."""
    eventually(lambda: service.readiness()["ready"])
    workers = service.workers()
    with suspended(workers):
        before = service.metric(QUEUED)
        asked = ask()
        _wait_until_handed(service, workers, before)
        yield asked


@contextmanager
def held(service: Service, document: Mapping[str, Any], **options: Any) -> Iterator[Future[httpx.Response]]:
    """Post a request that a worker is handed, and that it cannot begin before the block ends."""
    with handed(service, lambda: service.post_later(document, **options)) as answer:
        yield answer


def _wait_until_handed(service: Service, workers: Sequence[psutil.Process], before: float) -> None:
    """A worker that was being asked whether it lives when it was suspended must first say so."""

    def handed() -> bool:
        with suppress(AssertionError):
            return bool(eventually(lambda: service.metric(QUEUED) > before, HANDED_SECONDS))
        for worker in workers:
            worker.resume()
            worker.suspend()
        return False

    eventually(handed)


class Posted:
    """A request to a service on a unix socket whose client knows when it was read, and may leave."""

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
    """Post the same to each service in turn; all of them have gone as far as they can without an answer."""
    posted = [Posted(services[i % len(services)], document) for i in range(count)]
    eventually(lambda: all(each.is_read() for each in posted))
    for service in services:
        service.get("/healthz")  # whoever was read before has had its turn
    return posted


def job_workers(service: Service) -> list[psutil.Process]:
    """The workers of jobs, by their lower priority."""

    def of_jobs(process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return process.nice() > 0
        return False

    return [worker for worker in service.workers() if of_jobs(worker)]


@contextmanager
def jobs_held(service: Service, client: httpx.Client) -> Iterator[None]:
    """Let no job go on for the length of the block; a first one has started its workers."""
    finished(client, submit(client, sweep(seeds=1)))
    with suspended(eventually(lambda: job_workers(service))):
        yield


@contextmanager
def held_midway(
    workers: Callable[[], Sequence[psutil.Process]], server: RedisServer, client: httpx.Client, job: str, points: int
) -> Iterator[None]:
    """Hold a job when some of its points are stored and others are not.

    Args:
        workers: finds the processes that compute it, or none as long as they are not there.
        server: that keeps the points.
        client: of the service.
        job: its id.
        points: how many there are at least, those of jobs before it included.
    """
    found = eventually(workers)
    eventually(lambda: len(server.keys("point:")) >= points, pause_seconds=0.001)
    with suspended(found):
        assert state(client, job)["state"] == "running"
        yield
