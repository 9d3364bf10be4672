"""Waiting for a job ends at the timeout, with or without events of the service meanwhile."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import lindyn
from lindyn._transport import job_events

pytestmark = pytest.mark.live

ID = "0" * 32
JOB = {"id": ID, "kind": "sweep", "state": "running", "completed": 1, "total": 3, "created": 1.0}
NET_SECONDS = 60.0  # limit for a wait that would not end
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
EVENT = f"event: progress\ndata: {json.dumps(JOB)}\nid: 1\n\n".encode()


class Service(ThreadingHTTPServer):
    """A service whose job never ends.

    Attributes:
        events: what a stream begins with, and what it says again and again from then on.
        asked: how often for the state.
        answers: how many questions for the state it answers before it says nothing any more.
    """

    daemon_threads = True
    events: tuple[bytes, bytes] = (HEAD + b"\r\n", b"")
    answers = 1_000_000

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = 0
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Ignore clients that have disconnected."""


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.close_connection = True
        if not self.path.endswith("/events"):
            self._state()
            return
        first, again = self.server.events
        self.wfile.write(first)
        while first and not self.server.over.wait(0.01):
            self.wfile.write(again)

    def _state(self) -> None:
        self.server.asked += 1
        if self.server.asked > self.server.answers:
            self.server.over.wait()
            return
        body = json.dumps(JOB).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(job_events, "SILENCE_SECONDS", 0.2)  # so that streams are listened to in waits of a second
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def blocking(url: str, seconds: float) -> object:
    with lindyn.Client(url) as client:
        return client.job(ID).wait(timeout_seconds=seconds)


def awaiting(url: str, seconds: float) -> object:
    async def wait() -> object:
        async with lindyn.AsyncClient(url) as client:
            return await (await client.job(ID)).wait(timeout_seconds=seconds)

    return asyncio.run(wait())


def waits(service: Service, wait: Callable[[str, float], object], seconds: float) -> None:
    """Check that waiting raises TimeoutError."""
    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(wait, service.url, seconds)
        try:
            error = outcome.exception(NET_SECONDS)
        finally:
            service.over.set()
    assert isinstance(error, TimeoutError)
    assert f"has not ended after {seconds:g} s and continues" in str(error)


both = pytest.mark.parametrize("wait", [blocking, awaiting])


@both
@pytest.mark.parametrize(
    "events",
    [
        (HEAD + b"\r\n" + EVENT, b": ping\n\n"),
        (CHUNKED + b"%x\r\n%b\r\n" % (len(EVENT), EVENT), b"8\r\n: ping\n\n\r\n"),
        (HEAD + b"\r\n", EVENT),
        (HEAD + b"\r\n", b""),
        (CHUNKED + b"1;", b"x"),
        (HEAD + b"X-Slow: ", b"x"),
        (b"", b""),
        (HEAD + b"\r\n", b"data: {}\n\n"),
        (HEAD + b"\r\n", b"data: []\n\n"),
        (HEAD + b"\r\n", b"data: nothing of the kind\n\n"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n", b"not gzip"),
    ],
    ids=[
        "pings",
        "chunked pings",
        "the same event",
        "silence",
        "a head of a chunk that drips",
        "a head that drips",
        "a stream that ends at once",
        "an event without a state",
        "an event that is a list",
        "an event that is no JSON",
        "what cannot be decompressed",
    ],
)
def test_waiting_ends_for_any_behaviour_of_the_stream(service, wait, events):
    service.events = events
    waits(service, wait, 1.2)


@both
@pytest.mark.parametrize("seconds", [0, 0.05, 1])
def test_waiting_ends_without_answers_about_the_state(service, wait, seconds):
    service.answers = 1  # to `client.job`
    waits(service, wait, seconds)


@both
def test_a_short_wait_requests_the_state_once(service, wait):
    waits(service, wait, 0)
    assert service.asked == 2


@both
def test_waiting_ends_after_the_state_is_no_longer_answered(service, wait):
    service.answers, service.events = 3, (b"", b"")
    waits(service, wait, 1)
