"""Clients that offer an upgrade to another protocol (RFC 9110, section 7.8) are answered in HTTP/1.1."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.processes import PATIENCE_SECONDS, Service, trajectory

BODY = json.dumps(trajectory(), indent=1).encode()
CHUNKED = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:])) + b"0\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
WEBSOCKET = (
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)
OFFERS = [
    H2C,
    WEBSOCKET,
    "connection: upgrade\r\nupgrade: h2c",
    "Upgrade: h2c, websocket\r\nConnection: Upgrade",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
    "Connection: upgrade\r\nUpgrade: something/7",
    "Connection: Upgrade\r\nUpgrade:",
    "Upgrade: h2c",
]

JAVA = """
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpClient.Version;
import java.nio.file.Path;

class Ask {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newBuilder().version(Version.HTTP_2).build();
        var request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[1])))
            .build();
        for (int i = 0; i < 3; i++) {
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


@pytest.fixture(scope="module", params=["tcp", "unix"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with Service(tcp=request.param == "tcp") as service:
        yield service


@pytest.fixture(scope="module")
def answer(service: Service) -> bytes:
    with service.client() as client:
        return client.post("/v1/trajectories", content=BODY, headers={"Content-Type": "application/json"}).content


def post(offer: str, framing: str = f"Content-Length: {len(BODY)}", version: str = "1.1") -> bytes:
    head = f"POST /v1/trajectories HTTP/{version}\r\nHost: localhost\r\n{offer}\r\nContent-Type: application/json\r\n"
    return f"{head}{framing}\r\n\r\n".encode()


def said(service: Service, *parts: bytes) -> bytes:
    """All bytes that the service sends to these parts, which are sent one by one, until the connection ends."""
    address = urlsplit(service.url)
    if address.port is None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{service.folder}/http")
    else:
        connection = socket.create_connection((address.hostname, address.port))
    with connection:
        connection.settimeout(60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("offer", OFFERS)
def test_the_body_arrives(service: Service, answer: bytes, offer: str) -> None:
    for parts in (
        [post(offer) + BODY + HEALTH],
        [post(offer), BODY, HEALTH],
        [post(offer)[:40], post(offer)[40:-3], post(offer)[-3:] + BODY[:1], BODY[1:], HEALTH],
    ):
        heard = said(service, *parts)
        assert heard.count(b"HTTP/1.1 200 OK") == 2
        assert answer in heard
        assert heard.endswith(b'{"status":"ok"}')
        assert b"upgrade" not in heard.lower()


def test_in_pieces(service: Service, answer: bytes) -> None:
    heard = said(service, post(H2C, "Transfer-Encoding: chunked") + CHUNKED + HEALTH)
    assert heard.count(b"HTTP/1.1 200 OK") == 2
    assert answer in heard


def test_byte_by_byte(service: Service, answer: bytes) -> None:
    sent = post(H2C) + BODY + HEALTH
    assert answer in said(service, *(sent[i : i + 1] for i in range(len(sent))))


def test_one_after_the_other(service: Service, answer: bytes) -> None:
    heard = said(service, (post(H2C) + BODY) * 3 + post("X: y") + BODY + post(WEBSOCKET) + BODY + HEALTH)
    assert heard.count(answer) == 5
    assert heard.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_last_request_of_a_connection(service: Service, answer: bytes, version: str) -> None:
    offer = "Connection: close, Upgrade\r\nUpgrade: h2c"
    heard = said(service, post(offer, version=version) + BODY)
    assert heard.startswith(b"HTTP/1.1 200 OK")
    assert heard.endswith(answer)


def test_with_an_expectation(service: Service, answer: bytes) -> None:
    heard = said(service, post(f"{H2C}\r\nExpect: 100-continue"), BODY, HEALTH)
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert answer in heard


@pytest.mark.parametrize("offer", OFFERS)
def test_without_a_body(service: Service, offer: str) -> None:
    heard = said(service, f"GET /v1/about HTTP/1.1\r\nHost: localhost\r\n{offer}\r\n\r\n".encode() + HEALTH)
    assert heard.count(b"HTTP/1.1 200 OK") == 2


def test_invalid_requests_remain_invalid(service: Service) -> None:
    """The head is not parsed again in a way that accepts what was refused first."""
    both = f"Content-Length: {len(BODY)}\r\nTransfer-Encoding: chunked"
    assert said(service, post(H2C, both) + CHUNKED).startswith(b"HTTP/1.1 400")
    twice = f"Content-Length: {len(BODY)}\r\nContent-Length: 1"
    assert said(service, post(H2C, twice) + BODY).startswith(b"HTTP/1.1 400")
    heard = said(service, post(H2C, "Content-Length: 2") + b"{}" + HEALTH)
    assert heard.startswith(b"HTTP/1.1 422")
    assert heard.endswith(b'{"status":"ok"}')


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("options", [[], ["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"]])
def test_curl(service: Service, answer: bytes, tmp_path: Path, options: list[str]) -> None:
    if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("needs a curl that speaks HTTP/2")
    (tmp_path / "body").write_bytes(BODY)
    way = [] if urlsplit(service.url).port else ["--unix-socket", f"{service.folder}/http"]
    command = ["curl", "-sS", "--http2", *way, *options, "-H", "Content-Type: application/json"]
    command += ["--noproxy", "*", "--data-binary", f"@{tmp_path}/body", f"{service.url}/v1/trajectories"]
    assert subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_SECONDS).stdout == answer


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_java(service: Service, answer: bytes, tmp_path: Path) -> None:
    if urlsplit(service.url).port is None:
        pytest.skip("Java's client knows TCP only")
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "Ask.java").write_text(JAVA)
    command = ["java", tmp_path / "Ask.java", f"{service.url}/v1/trajectories", tmp_path / "body"]
    asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    assert asked.stdout == f"200 {answer.decode()}\n" * 3
