"""Addresses and keys, as arguments or from the environment: used, or refused by name."""

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from support.stub_server import BOTH, DEAD, FAR, ask_sync, formatted, server

import lindyn

pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://h:port", r"'http://h:port', which is no address \(Invalid port: 'port'\)"),
        ("http://[::1", "which is no address"),
        ("http://h:99999", "whose port 99999 does not exist"),
        ("127.0.0.1:8000", "does not start with http:// or https://"),
        ("localhost:8000", "does not start with http:// or https://"),
        ("lab.example", "does not start with http:// or https://"),
        ("ftp://lab.example", "does not start with http:// or https://"),
        ("http://", "names no host"),
        ("http://a b", "whose host has a blank"),
        ("http://h/?a=1", "has a query or a fragment"),
        ("http://h/\x00", "which is no address"),
    ],
)
@pytest.mark.parametrize("kind", [lindyn.Client, lindyn.AsyncClient])
def test_a_missing_address_has_an_error(
    kind: Callable[..., Any], url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(lindyn.ConfigurationError, match=f"^url: got .*{says}.*; expected an address such as http://"):
        kind(url)
    if "\x00" not in url:
        monkeypatch.setenv("LINDYN_URL", url)
        with pytest.raises(lindyn.ConfigurationError, match=f"^LINDYN_URL: got .*{says}"):
            kind()


def test_blanks_around_an_address_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINDYN_URL", "http://h:8000\n")
    assert lindyn.Client().url == "http://h:8000"
    assert lindyn.Client(" https://lab.example/lindyn/ ").url == "https://lab.example/lindyn/"


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        "http://me:hushed@127.0.0.1:1",
        "http://me:hus/hed@127.0.0.1:1",
        "http://me:hushed@h:x",
        "me:hushed@127.0.0.1:1",
        "me:hus//hed@127.0.0.1:1",
        "http:me:hushed@127.0.0.1:1",
        "ftp://me:hushed@127.0.0.1:1",
    ],
)
def test_passwords_in_addresses_are_not_shown(ask: Callable[..., Any], url: str) -> None:
    with pytest.raises(lindyn.LindynError, match=r"\*\*\*@") as caught:
        ask(url)
    assert "hus" not in formatted(caught.value)


@BOTH
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_have_an_error(ask: Callable[..., Any], status: int) -> None:
    with (
        server(status=status, Location="https://lab.example/lindyn/v1/about") as (url, _),
        pytest.raises(
            lindyn.UnexpectedReplyError,
            match=rf"{status} and points to https://lab.example/lindyn/v1/about; .* give that address: "
            "'https://lab.example/lindyn'",
        ) as caught,
    ):
        ask(url)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("//other:8443/v1/about", "http://other:8443"),
        ("https://sso.example/login?to=x", "https://sso.example/login"),
    ],
)
def test_redirects_to_other_places(location: str, there: str) -> None:
    with server(status=302, Location=location) as (url, _), pytest.raises(lindyn.UnexpectedReplyError, match=there):
        ask_sync(f"{url}/prefix/..")


@pytest.mark.parametrize("given", ["{}\n", " {}", "\r\n{}\r\n", "\t{}\u00a0"])
@BOTH
def test_blanks_around_a_key_are_removed(ask: Callable[..., Any], given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as (url, seen):
        ask(url, api_key=given.format("lindyn_abc"))
        monkeypatch.setenv("LINDYN_API_KEY", given.format("lindyn_def"))
        ask(url)
        ask(url, api_key=" \n")  # as none
    assert [headers["Authorization"] for _, headers in seen] == [
        "Bearer lindyn_abc",
        "Bearer lindyn_def",
        "Bearer lindyn_def",
    ]


@pytest.mark.parametrize("bad", ["\n", "\r\n", "\x00", "\x7f", " ", "\t", "é", "ключ", "\ufeff", "\u200b", "\udcff"])
@BOTH
def test_keys_that_are_invalid_in_headers_are_refused(
    ask: Callable[..., Any], bad: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = f"hidden{bad}hushed"
    with pytest.raises(lindyn.ConfigurationError, match=r"^api_key: the key has .* copy the key again") as caught:
        ask(DEAD, api_key=key)
    for text in (formatted(caught.value), caplog.text, repr(pickle.loads(pickle.dumps(caught.value)))):
        assert "hidden" not in text
        assert "hushed" not in text
    if bad != "\x00":
        monkeypatch.setenv("LINDYN_API_KEY", key)
        with pytest.raises(lindyn.ConfigurationError, match=r"^LINDYN_API_KEY: the key has") as caught:
            ask(DEAD)
        assert "hushed" not in formatted(caught.value)


def test_errors_of_keys_name_the_position() -> None:
    with pytest.raises(lindyn.ConfigurationError, match="outside ASCII at position 3, and no header"):
        lindyn.Client(FAR, api_key="ab c")


@pytest.mark.parametrize("kind", [lindyn.Client, lindyn.AsyncClient])
@pytest.mark.parametrize("answers", ["xml", "NPZ", None])
def test_unknown_formats_of_answers_are_refused(kind: Callable[..., Any], answers: Any) -> None:
    with pytest.raises(lindyn.ConfigurationError, match=rf"^answers: got {answers!r}, expected 'npz' or 'json'$"):
        kind(FAR, answers=answers)


def test_a_key_of_another_type() -> None:
    with pytest.raises(lindyn.ConfigurationError, match=r"^api_key: got a bytes, expected text$"):
        lindyn.Client(FAR, api_key=b"hushed")


@BOTH
def test_keys_are_never_shown(ask: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = "hus" + "hed"  # tracebacks quote this line
    with pytest.raises(lindyn.UnreachableError) as caught:
        ask(DEAD, api_key=key)
    assert "hushed" not in formatted(caught.value) + caplog.text
    client = lindyn.Client(FAR, api_key=key)
    assert "hushed" not in repr(vars(client)) + repr(client._sender._settings)
