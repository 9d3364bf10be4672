"""Heads beyond the limits, and invalid HTTP: refused with the same shape of error, before any key is checked."""

import itertools
from collections.abc import Iterator

import httpx
import pytest
from support.keys import KeysFile
from support.lag import loop_hold
from support.processes import Service, eventually
from support.service import problem
from support.sockets import HEAD, HEALTH, answer, answers, connect, exchange, receive_all, send

from lindyn_service.http.security_headers import DEFAULTS

MEBIBYTE = 2**20
CHUNKED = (
    b"POST /v1/trajectories HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with keys, on TCP."""
    keys = KeysFile(tmp_path_factory.mktemp("keys") / "keys")
    keys.add("ada")
    with Service(tcp=True, api_keys_file=keys.path) as service:
        yield service


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """Check a refusal, which has the usual shape and ends its connection."""
    problem(answer, status, code)
    for name, value in DEFAULTS.items():
        assert answer.headers[name] == value
    assert answer.headers["connection"] == "close"
    assert {"date", "x-request-id", "x-lindyn-version"} <= set(answer.headers)


LARGE = {
    "one line": [HEAD, b"X: ", b"a" * 90_000, b"\r\n\r\n"],
    "a name": [HEAD, b"a" * 90_000],
    "many lines": [HEAD, *(b"X-%d: 1\r\n" % i for i in range(100)), b"\r\n"],
    "lines of some size": [HEAD, *(b"X-%d: %b\r\n" % (i, b"a" * 4_000) for i in range(20)), b"\r\n"],
    "a request id": [HEAD, b"X-Request-ID: ", b"a" * 66_000, b"\r\n\r\n"],
    "a method after another request": [HEALTH, HEAD, b"X: ", b"a" * 90_000],
}


@pytest.mark.parametrize("name", LARGE)
def test_heads_over_the_limit_are_refused(service: Service, name: str) -> None:
    for parts in (LARGE[name], [b"".join(LARGE[name])]):
        *before, last = answers(exchange(service, *parts))
        refused(last, 431, "head-too-large")
        assert [answer.status_code for answer in before] == [200] * (HEALTH in parts[0])


def test_heads_within_the_limit_are_read(service: Service) -> None:
    lines = [b"X-%d: %b\r\n" % (i, b"a" * 600) for i in range(98)]
    (only,) = answers(exchange(service, HEAD, *lines, b"Connection: close\r\n\r\n"))
    assert only.status_code == 200


@pytest.mark.parametrize("target", [b"/healthz?" + b"a&" * 5_000, b"/" + b"a" * 9_000, b"/" + b"%2e" * 100_000])
def test_targets_over_the_limit_are_refused(service: Service, target: bytes) -> None:
    (only,) = answers(exchange(service, b"GET ", target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    refused(only, 414, "target-too-long")
    assert len(service.log().splitlines()[-1]) < 1_000


@pytest.mark.timed
@pytest.mark.parametrize("line", [b"", b"X: 1\r\n"])
def test_an_endless_head_takes_no_memory(service: Service, line: bytes) -> None:
    """Of half a gigabyte, nearly nothing is kept, and other requests are not delayed."""
    before = service.process.memory_info().rss
    parts = itertools.repeat(line * 50_000 or b"a" * 300_000, 1_500)
    with loop_hold(service) as hold, connect(service) as connection:
        sent = send(connection, itertools.chain([HEAD + b"X: "], parts))
        heard = receive_all(connection)
    assert hold.ratio < 300
    assert service.process.memory_info().rss - before < 30 * MEBIBYTE
    assert service.get("/healthz").status_code == 200
    assert sent > 65_536
    assert not heard or answers(heard)[0].status_code == 431  # a client that only sends may not hear it


ENDLESS = {
    "an extension of a chunk": b"1;" + b"a" * 200_000,
    "a trailer": b"0\r\nX: " + b"a" * 200_000,
    "trailers": b"0\r\n" + b"X: 1\r\n" * 200,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_chunk_extensions_and_trailers_are_limited(name: str) -> None:
    with Service() as service:
        (only,) = answers(exchange(service, CHUNKED, ENDLESS[name]))
        refused(only, 431, "head-too-large")


def test_trailers_do_not_change_the_head() -> None:
    with Service() as service:
        trailer = b"2\r\n{}\r\n0\r\nAccept: application/x-npz\r\nX-Request-ID: trailing\r\nHost: b\r\n\r\n"
        (first, health) = answers(exchange(service, CHUNKED + trailer + HEAD + b"Connection: close\r\n\r\n"))
        assert (first.status_code, health.status_code) == (422, 200)
        assert "id=trailing" not in service.log()


NO_HTTP = {
    "nothing that is known": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "words": b"hello, world\r\n\r\n",
    "another method": b"BREW /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a line without a colon": HEAD + b"X\r\n\r\n",
    "a control character": HEAD + b"X: \x00\r\n\r\n",
    "two Host headers": HEAD + b"Host: localhost\r\n\r\n",
    "two different Host headers": HEAD + b"X: y\r\nHOST: evil.example\r\n\r\n",
    "no Host header": b"GET /healthz HTTP/1.1\r\nX: y\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: x\r\n\r\n",
    "a target that is none": b"GET \xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", NO_HTTP)
def test_invalid_http_is_refused(service: Service, name: str) -> None:
    (only,) = answers(exchange(service, NO_HTTP[name]))
    refused(only, 400, "malformed-request")


def test_an_old_request_needs_no_host(service: Service) -> None:
    (only,) = answers(exchange(service, b"GET /healthz HTTP/1.0\r\n\r\n"))
    assert only.status_code == 200


def test_earlier_requests_of_a_connection_are_answered_first(service: Service) -> None:
    found = answers(exchange(service, HEALTH * 3 + b"hello\r\n\r\n" + HEALTH))
    assert [answer.status_code for answer in found] == [200, 200, 200, 400]


def test_an_invalid_body_gets_one_answer() -> None:
    with Service() as service:
        (only,) = answers(exchange(service, CHUNKED + b"2\r\n{}\r\nx\r\n"))
        refused(only, 400, "malformed-request")
        with connect(service) as connection:
            connection.sendall(CHUNKED.replace(b"trajectories", b"nothing"))
            first = answer(connection)
            connection.sendall(b"x\r\n")
            assert (first.status_code, receive_all(connection)) == (404, b"")
        assert "Traceback" not in service.log()


def test_the_number_of_pipelined_requests_is_limited(service: Service) -> None:
    found = answers(exchange(service, HEALTH * 5_000))
    assert {answer.status_code for answer in found[:-1]} == {200}
    refused(found[-1], 400, "malformed-request")
    assert len(found) < 1_000
    found = answers(exchange(service, HEALTH * 90 + HEAD + b"Connection: close\r\n\r\n"))
    assert [answer.status_code for answer in found] == [200] * 91


def test_refused_heads_are_logged_and_counted(service: Service) -> None:
    head = b"GET /v1/about?a=b HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: too-much\r\n"
    exchange(service, head + b"X: " + b"a" * 90_000)
    line = eventually(lambda: next((line for line in service.log().splitlines() if "id=too-much" in line), None))
    assert " method=GET path=/v1/about route=none status=431 " in line


@pytest.mark.parametrize("path", ["/v1/sweeps", "/v1/trajectories", "/v1/nothing", "/nothing"])
def test_limits_are_checked_before_keys(service: Service, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n".encode()
    (only,) = answers(exchange(service, head, b"X: " + b"a" * 90_000))
    refused(only, 431, "head-too-large")
