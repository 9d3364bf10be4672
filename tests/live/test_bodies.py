"""Bodies that arrive at the same time: one limit for all of them, and release of their bytes."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from support.processes import Service, eventually, trajectory
from support.service import problem
from support.sockets import answer, connect, receive_all

from lindyn_service.errors import BusyError
from lindyn_service.http.body_budget import BodyBudget, BodyReservation

MEBIBYTE = 2**20
MOST = 8 * MEBIBYTE
HALF = MOST // 2
POST = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
PATHS = ["/v1/trajectories", "/v1/sweeps"]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(embedded_cache=True, max_body_bytes=MOST, max_bodies_bytes=MOST, body_seconds=600) as service:
        yield service


def post(service: Service, path: str, size: int) -> httpx.Response:
    """Send a body of blanks, which is accepted if there is room, and is not JSON."""
    with service.client() as client:
        return client.post(path, content=bytes([32]) * size, headers={"Content-Type": "application/json"})


@contextmanager
def under_way(service: Service, path: str, size: int) -> Iterator[socket.socket]:
    """A body of which all bytes but the last have arrived."""
    with connect(service) as connection:
        connection.sendall(POST % (path.encode(), size + 1) + b" " * size)
        yield connection


def is_free(service: Service) -> bool:
    return post(service, "/v1/limits", MOST).status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_all_bodies_together_have_a_limit(service: Service, path: str) -> None:
    eventually(lambda: is_free(service))
    with under_way(service, path, HALF), under_way(service, path, HALF - 1000):
        refused = eventually(lambda: (got := post(service, path, 2000)).status_code == 503 and got)
        assert str(MOST) in problem(refused, 503, "busy")["detail"]
        with connect(service) as connection:  # one that does not say how long it is
            connection.sendall(CHUNKED % path.encode() + b"7d0\r\n" + b" " * 2000)
            problem(answer(connection), 503, "busy")
        assert post(service, path, 100).status_code == 400
    eventually(lambda: is_free(service))


@pytest.mark.parametrize("path", PATHS)
def test_bytes_of_ended_requests_are_released(service: Service, path: str) -> None:
    """By the last byte, by invalid HTTP, or by a disconnect."""
    for rest in (b" ", b"x", b""):
        with under_way(service, path, MOST - 10) as connection:
            eventually(lambda: post(service, path, 2000).status_code == 503)
            connection.sendall(rest)
            if rest:
                connection.shutdown(socket.SHUT_WR)
                receive_all(connection)
        eventually(lambda: is_free(service))


def test_a_body_over_its_own_limit_has_a_different_error(service: Service) -> None:
    eventually(lambda: is_free(service))
    with connect(service) as connection:
        connection.sendall(POST % (b"/v1/limits", MOST + 1) + b" " * (MOST + 1))
        problem(answer(connection), 413, "body-too-large")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("size", [MOST + 1, 10**18])
def test_a_body_that_announces_too_many_bytes_is_refused_before_it_is_sent(
    service: Service, path: str, expects: bytes, size: int
) -> None:
    with connect(service) as connection:
        head = POST % (path.encode(), size)
        connection.sendall(head.replace(b"Content-Length", expects + b"Content-Length"))
        connection.settimeout(10)
        problem(answer(connection), 413, "body-too-large")


def test_a_large_body_counts_until_its_answer_is_there(service: Service) -> None:
    """A worker may need it again."""
    eventually(lambda: is_free(service))
    document = json.dumps(trajectory(seed=78)).ljust(MOST - 100)
    with connect(service) as connection:
        connection.sendall(POST % (b"/v1/trajectories", len(document)) + document.encode())
        assert answer(connection).status_code == 200
        assert is_free(service)


def test_memory_is_bounded_while_many_bodies_arrive() -> None:
    """Thirty bodies of 16 MiB at once, with room for two."""
    size = 16 * MEBIBYTE
    with Service(max_body_bytes=size, max_bodies_bytes=2 * size) as service:
        before = service.process.memory_info().rss
        largest = 0
        with ExitStack() as stack:
            for _ in range(30):
                connection = stack.enter_context(connect(service))
                connection.sendall(CHUNKED % b"/v1/limits" + b"%x\r\n" % size)
                for _ in range(15):
                    connection.sendall(b" " * MEBIBYTE)
                    largest = max(largest, service.process.memory_info().rss)
        assert largest - before < 4 * size
        assert service.post(trajectory()).status_code == 200


def test_the_limit_is_at_least_one_body() -> None:
    with Service(max_body_bytes=MEBIBYTE, max_bodies_bytes=1) as service:
        assert post(service, "/v1/limits", MEBIBYTE).status_code == 400


def test_bodies_are_counted() -> None:
    budget = BodyBudget(10)
    one, two = BodyReservation(budget), BodyReservation(budget)
    one.add(6)
    with pytest.raises(BusyError, match="6 bytes"):
        two.add(5)
    two.add(4)
    one.release()
    one.release()
    assert budget.reserved_bytes == 4
    two.release()
    assert budget.reserved_bytes == 0
