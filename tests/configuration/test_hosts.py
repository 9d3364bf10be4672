"""Lists of host names and of origins of web pages: those that no request has are refused at the start."""

import pytest

from lindyn_service.configuration.environment import load
from lindyn_service.configuration.hosts import split_list
from lindyn_service.configuration.settings import SettingsError


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("cors_origins", "https://lab.example/", "https://lab.example/"),
        ("cors_origins", "https://lab.example/explorer", "https://lab.example/explorer"),
        ("cors_origins", "lab.example", "lab.example"),
        ("cors_origins", "//lab.example", "//lab.example"),
        ("cors_origins", "localhost:3000", "localhost:3000"),
        ("cors_origins", "https://", "https://"),
        ("cors_origins", "https://*.lab.example", "https://*.lab.example"),
        ("cors_origins", "https://me:pass@lab.example", "https://me:pass@lab.example"),
        ("cors_origins", "https://lab.example:", "https://lab.example:"),
        ("cors_origins", "https://lab.example:443", "https://lab.example:443"),
        ("cors_origins", "http://lab.example:80", "http://lab.example:80"),
        ("cors_origins", "https://a.example https://b.example", "https://a.example https://b.example"),
        ("cors_origins", "https://a.example,b.example", "b.example"),
        ("cors_origins", "*,b.example", "b.example"),
        ("allowed_hosts", "https://lab.example", "https://lab.example"),
        ("allowed_hosts", "lab.example:8000", "lab.example:8000"),
        ("allowed_hosts", "lab.example/", "lab.example/"),
        ("allowed_hosts", "*.lab.example", "*.lab.example"),
        ("allowed_hosts", "a.example b.example", "a.example b.example"),
        ("allowed_hosts", "a.example, b.example:80", "b.example:80"),
    ],
)
def test_names_that_no_browser_sends_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, wrong: str
) -> None:
    monkeypatch.setenv(f"LINDYN_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        load()
    said = str(caught.value)
    kind = "origins such as https://lab.example" if name == "cors_origins" else "names of hosts such as lab.example"
    assert said.startswith(f"LINDYN_{name.upper()}: got {value!r}, expected {kind}")
    assert f"or *, and {wrong!r} is none" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("cors_origins", "*", {"*"}),
        ("cors_origins", "https://a.example, http://127.0.0.1:30", {"https://a.example", "http://127.0.0.1:30"}),
        ("cors_origins", "HTTPS://Lab.Example,", {"https://lab.example"}),
        ("cors_origins", "http://[::1]:3000", {"http://[::1]:3000"}),
        ("cors_origins", "http://lab.example:443", {"http://lab.example:443"}),
        ("cors_origins", "moz-extension://0a1b-2c", {"moz-extension://0a1b-2c"}),
        ("cors_origins", "null", {"null"}),
        ("allowed_hosts", "*", {"*"}),
        ("allowed_hosts", "Lab.Example, my_host.lan, ::1, 10.0.0.1", {"lab.example", "my_host.lan", "::1", "10.0.0.1"}),
    ],
)
def test_names_that_browsers_send_are_accepted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, meant: set[str]
) -> None:
    monkeypatch.setenv(f"LINDYN_{name.upper()}", value)
    assert split_list(getattr(load(), name)) == meant
