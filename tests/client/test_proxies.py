"""Proxies of the environment: used, or refused by name; requests to this machine use none."""

from collections.abc import Callable
from typing import Any

import pytest
from support.stub_server import BOTH, DEAD, FAR, formatted, server

import lindyn
from lindyn._transport.proxies import proxy_to

pytestmark = pytest.mark.usefixtures("plain_environment")


@BOTH
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "Http_Proxy"])
def test_an_unreachable_proxy_has_an_error(ask: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://me:hushed@127.0.0.1:9")
    with pytest.raises(
        lindyn.UnreachableError,
        match=rf"the proxy {name}=http://\*\*\*@127\.0\.0\.1:9: correct or unset {name}, or .* NO_PROXY=lab\.invalid$",
    ) as caught:
        ask(FAR)
    assert "hushed" not in formatted(caught.value)


@BOTH
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "all_proxy"])
def test_an_unreachable_https_proxy_has_an_error(
    ask: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:8")
    monkeypatch.setenv(name, DEAD)
    with pytest.raises(lindyn.UnreachableError, match=f"the proxy {name}={DEAD}: correct or unset {name}"):
        ask("https://lab.invalid")


@BOTH
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("socks4://127.0.0.1:9", "has an unsupported scheme; supported are http://, https://, socks5://"),
        ("socks://127.0.0.1:9", "has an unsupported scheme"),
        ("ftp://127.0.0.1:9", "has an unsupported scheme"),
        ("http://::1:3128", "is no address; that of an IPv6 host needs brackets"),
        ("http://[::1", "is no address"),
        ("http://127.0.0.1:port", "is no address"),
        ("127.0.0.1:port", "is no address"),
        ("http://127.0.0.1:99999", "names no host, or a port that does not exist"),
        ("http://", "names no host"),
    ],
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "all_proxy"])
def test_an_invalid_proxy_has_an_error(
    ask: Callable[..., Any], name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(lindyn.ConfigurationError, match=f"^{name}=.*{says}.*; correct or unset {name}"):
        ask(FAR)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_without_its_package_has_an_error(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:9")
    monkeypatch.setattr("lindyn._transport.proxies.find_spec", lambda _: None)
    with pytest.raises(lindyn.ConfigurationError, match=rf"ALL_PROXY={scheme}://.* pip install 'httpx\[socks\]'"):
        lindyn.Client(FAR)


@BOTH
def test_proxies_are_used(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with server(b'{"through": "the proxy"}') as (proxy, seen):
        monkeypatch.setenv("http_proxy", proxy.removeprefix("http://"))
        assert ask(FAR) == {"through": "the proxy"}
        assert seen[0][0] == f"{FAR}/v1/about"
    with server(b"<h1>no</h1>", 407) as (proxy, _):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.delenv("http_proxy")
        with pytest.raises(lindyn.UnexpectedReplyError, match=f"407 .* uses the proxy HTTP_PROXY={proxy}: correct"):
            ask(FAR)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(lindyn.UnreachableError, match=f"407.*HTTPS_PROXY={proxy}"):
            ask("https://lab.invalid")


@BOTH
@pytest.mark.parametrize("proxy", [DEAD, "socks4://nowhere", "nonsense:port"])
def test_requests_to_this_machine_use_no_proxy(
    ask: Callable[..., Any], proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    with server() as (url, seen):
        for host in ("127.0.0.1", "localhost", "LOCALHOST", "0.0.0.0", "[::ffff:127.0.0.1]"):
            assert ask(url.replace("127.0.0.1", host)) == {}
    assert len(seen) == 5
    for url in ("http://[::1]:8000", "https://127.8.9.10", "http://lab.localhost:8000", "http://localhost.:8000"):
        assert proxy_to(url) is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "left_out"),
    [
        ("*", FAR, True),
        ("lab.invalid", FAR, True),
        ("LAB.invalid.", FAR, True),
        (".invalid", FAR, True),
        ("*.invalid", FAR, True),
        ("ab.invalid", FAR, False),
        ("b.invalid, a.invalid,lab.invalid", FAR, True),
        ("lab.invalid:8000", FAR, True),
        ("lab.invalid:8001", FAR, False),
        ("lab.invalid:443", "https://lab.invalid", True),
        ("http://lab.invalid", FAR, True),
        ("https://lab.invalid", FAR, False),
        ("all://lab.invalid", FAR, True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.1.2.3:80", "http://10.1.2.3", True),
        ("2001:db8::/32", "http://[2001:db8::7]", True),
        ("2001:db8::/32", "http://[2001:db9::7]", False),
        ("2001:DB8::7", "http://[2001:db8::7]", True),
        ("[2001:db8::7]", "http://[2001:db8::7]", True),
        ("[2001:db8::7]:80", "http://[2001:db8::7]", True),
        ("[2001:db8::7]:81", "http://[2001:db8::7]", False),
        ("::1/128,[::1],fe80::/10,[::1", FAR, False),
        ("", FAR, False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_respected(
    name: str, no_proxy: str, url: str, left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", DEAD)
    monkeypatch.setenv(name, no_proxy)
    assert (proxy_to(url) is None) == left_out
    lindyn.Client(url)


def test_blank_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", " "):
        monkeypatch.setenv("HTTP_PROXY", value)
        monkeypatch.setenv("ALL_PROXY", value)
        assert proxy_to(FAR) is None
