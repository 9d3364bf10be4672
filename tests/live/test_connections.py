"""Idle connections: they end after a while, and make room for new ones if there are too many."""

import itertools
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.holding import Posted, held
from support.keys import KeysFile
from support.processes import PATIENCE_SECONDS, Service, eventually, trajectory
from support.service import problem
from support.sockets import HEAD, HEALTH, answers, connect, is_held, receive_all

from lindyn_service.server.connections import MAX_DEFAULT_LIMIT, ConnectionKind, Connections, connection_limit

POST = b"POST /v1/trajectories HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SHORT = {"head_seconds": 1, "body_seconds": 1, "stalled_seconds": 1}
MOST = 12
FILES = 'lindyn_request_seconds_count{method="GET",route="/explorer/{digest}/{path:path}",status="200"}'


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(tcp=True, **SHORT) as service:
        yield service


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keys = KeysFile(tmp_path_factory.mktemp("keys") / "keys")
    keys.add("ada")
    with Service(tcp=True, api_keys_file=keys.path, **SHORT) as service:
        yield service


SENT = {
    "empty lines": (b"", b"\r\n"),
    "empty lines after a request": (HEALTH, b"\r\n"),
    "one byte of a body": (POST + b"Content-Length: 1000000\r\n\r\n{", b""),
    "a body that drips": (POST + b"Content-Length: 1000000\r\n\r\n{", b" "),
    "half a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", b""),
    "half the size of a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n5", b""),
    "chunks that drip": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "an extension that drips": (POST + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"),
    "a trailer that drips": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a"),
    "a body nobody asked for": (HEAD + b"Content-Length: 1000000000\r\n\r\n", b" "),
    "a body that is promised": (POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", b""),
    "a head that drips": (HEALTH + HEAD, b"a"),
}


def drips_until_it_ends(connection: socket.socket, drop: bytes) -> bytes:
    """Send a byte now and then until the connection ends, and return the response."""
    heard, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    connection.settimeout(0.1)
    while time.monotonic() < deadline:
        try:
            connection.sendall(drop)
            part = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return heard
        if not part:
            return heard
        heard += part
    raise AssertionError("the connection goes on")


@pytest.mark.parametrize("name", SENT)
def test_idle_connections_end(service: Service, with_keys: Service, name: str) -> None:
    first, drop = SENT[name]
    for each in (service, with_keys):
        with connect(each) as connection:
            connection.sendall(first)
            heard = drips_until_it_ends(connection, drop)
        if first.startswith(POST) and each is service:
            assert b'"code":"slow-body"' in heard
        if first.startswith(POST) and each is with_keys:
            assert b'"code":"unauthorized"' in heard


def test_a_connection_whose_answer_is_not_read_ends() -> None:
    """The remaining bytes are too few to make the service wait before it sends them."""
    with Service(tcp=True, **SHORT) as service:
        asked = b"GET /explorer/%b/vendor/swagger-ui-dist/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n"
        digest = re.search(rb"explorer/(\w+)/", service.get("/").content)[1]
        for answered, end in enumerate((b"Connection: close\r\n\r\n", b"\r\n"), start=1):
            with connect(service, SO_RCVBUF=4096) as connection:
                connection.sendall(asked % digest + end)
                eventually(lambda answered=answered: service.metric(FILES) == answered)
                eventually(lambda connection=connection: not is_held(service, connection))


@pytest.fixture
def crowded() -> Iterator[Service]:
    with Service(tcp=True, max_connections=MOST, head_seconds=600, body_seconds=600) as service:
        yield service


WAITING = {
    "nothing": b"",
    "half a head": HEAD,
    "half a body": POST + b"Content-Length: 1000\r\n\r\n{",
    "half a body nobody asked for": HEAD + b"Content-Length: 1000\r\n\r\n{",
}


@pytest.mark.parametrize("name", WAITING)
def test_new_connections_replace_the_longest_idle_ones(crowded: Service, name: str) -> None:
    """The log says so, but not for each connection."""
    before = crowded.process.num_fds()
    with ExitStack() as stack:
        first = stack.enter_context(connect(crowded))
        for _ in range(5 * MOST):
            stack.enter_context(connect(crowded)).sendall(WAITING[name])
            assert crowded.get("/healthz").status_code == 200
        assert crowded.process.num_fds() <= before + MOST
        assert receive_all(first) == b""
    assert 0 < crowded.log().count("LINDYN_MAX_CONNECTIONS") < 4 * MOST


def test_connections_with_requests_are_kept() -> None:
    """If all connections have requests, new ones are told that the service is busy."""
    document = trajectory(seed=5)
    with Service(max_connections=MOST) as service:
        with held(service, document) as first, connect(service) as idle:
            served = [Posted(service, document) for _ in range(MOST - 1)]
            assert receive_all(idle) == b""
            eventually(lambda: all(each.is_read() for each in served))
            with connect(service) as late:
                (answer,) = answers(receive_all(late))
            problem(answer, 503, "busy")
        assert {first.result().status_code, *(each.answer().status_code for each in served)} == {200}


class Mock:
    def __init__(self) -> None:
        self.ended = False

    def end(self) -> None:
        self.ended = True


def test_the_order_in_which_connections_end() -> None:
    connections, all_ = Connections(4), [Mock() for _ in range(8)]
    for one, kind in zip(
        all_[:4],
        (ConnectionKind.READING, ConnectionKind.SENDING, ConnectionKind.IDLE, ConnectionKind.SERVED),
        strict=True,
    ):
        assert connections.add(one)
        connections.set_kind(one, kind)
    order = []
    for late in all_[4:7]:
        assert connections.add(late)
        connections.set_kind(late, ConnectionKind.SERVED)
        order += [i for i, one in enumerate(all_) if one.ended and i not in order]
    assert order == [2, 1, 0]
    assert not connections.add(all_[7])
    connections.remove(all_[4])
    assert connections.add(all_[7])


def test_the_longest_idle_connection_of_a_kind_ends_first() -> None:
    connections, all_ = Connections(3), [Mock() for _ in range(6)]
    for one in all_[:3]:
        connections.add(one)
    connections.set_kind(all_[0], ConnectionKind.IDLE)
    for late, first in zip(all_[3:], all_[:3], strict=True):
        connections.add(late)
        assert first.ended


def test_the_default_limit_leaves_file_descriptors_for_other_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    for limit, workers in itertools.product((256, 1024, 4096, 20_000, resource.RLIM_INFINITY), (2, 8, 64)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        most = connection_limit(workers)
        assert 16 <= most <= MAX_DEFAULT_LIMIT
        assert limit == resource.RLIM_INFINITY or most == 16 or 2 * most + 8 * workers < limit
    assert most == MAX_DEFAULT_LIMIT
