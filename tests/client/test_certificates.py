"""Certificates of the environment: read for TLS, and errors that name them."""

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import PATIENCE_SECONDS, Service, clean_environment
from support.stub_server import BOTH, FAR, ask_sync, server

import lindyn

pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = [
        "openssl",
        "req",
        "-x509",
        *curve,
        "-nodes",
        "-days",
        "2",
        *names,
        "-keyout",
        path,
        "-out",
        f"{path}.crt",
    ]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def https(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with server(context=context) as (url, _):
        yield url


@BOTH
def test_certificates_of_the_environment_are_used(
    ask: Callable[..., Any], https: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remedy = "name a file by SSL_CERT_FILE$"
    trusted = "trusted certificates, those of the package certifi, "
    with pytest.raises(lindyn.UnreachableError, match=f"{trusted}.*{remedy}"):
        ask(https)
    monkeypatch.setenv("SSL_CERT_DIR", str(certificate.parent))
    with pytest.raises(lindyn.UnreachableError, match=f"those of SSL_CERT_DIR={certificate.parent}, .*{remedy}"):
        ask(https)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert ask(https) == {}


STALE = [
    ("SSL_CERT_FILE", "gone.pem"),
    ("SSL_CERT_DIR", "gone"),
    ("SSLKEYLOGFILE", "gone/keys"),
    ("SSL_CERT_FILE", "."),
]


@BOTH
@pytest.mark.parametrize(("name", "value"), STALE)
def test_missing_certificates_have_an_error_if_they_are_needed(
    ask: Callable[..., Any], https: str, name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / value
    monkeypatch.setenv(name, str(path))
    if name == "SSL_CERT_FILE":
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # which is not read beside it
    with server() as (url, _):
        assert ask(url) == {}
    with pytest.raises(lindyn.ConfigurationError, match=f"check their source: {name}={path}$"):
        ask(https)
    with server() as (proxy, _):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        assert ask(FAR) == {}
    monkeypatch.setenv("HTTP_PROXY", "https://127.0.0.1:9")
    with pytest.raises(lindyn.ConfigurationError, match=f"{name}={path}"):
        ask(FAR)


def test_an_empty_file_of_certificates_has_an_error(
    https: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    with pytest.raises(lindyn.ConfigurationError, match=f"SSL_CERT_FILE={empty}"):
        ask_sync(https)


PRIVATE = """
import asyncio, lindyn
with lindyn.Client.local(workers=1) as client:
    print(client.about()["name"])
async def ask():
    async with await lindyn.AsyncClient.local(workers=1) as client:
        print((await client.about())["name"])
asyncio.run(ask())
"""


@pytest.mark.live
def test_a_private_service_needs_neither_certificates_nor_proxies() -> None:
    wrong = {"SSL_CERT_FILE": "/nowhere/ca.pem", "HTTP_PROXY": "socks4://nowhere", "all_proxy": "http://::1:x"}
    ended = subprocess.run(
        [sys.executable, "-c", PRIVATE],
        env=clean_environment(**wrong),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("lindyn\nlindyn\n", "")


@pytest.mark.live
def test_plain_http_works_in_an_invalid_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    monkeypatch.setenv("HTTP_PROXY", "socks5://nowhere")
    monkeypatch.setenv("NO_PROXY", "::1/128,[::1]")
    assert ask_sync(service.url)["name"] == "lindyn"
    monkeypatch.setenv("LINDYN_URL", service.url + "\n")
    with lindyn.Client() as client:
        assert client.about()["name"] == "lindyn"
