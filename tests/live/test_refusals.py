"""A service that cannot be what it is asked to be says so in one sentence, and ends."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import PATIENCE_SECONDS, clean_environment

pytestmark = pytest.mark.live


def refusal(**settings: str) -> str:
    """What the service says when it does not start."""
    variables = {f"LINDYN_{name.upper()}": value for name, value in settings.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "lindyn_service"],
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"workers": "0"}, ["LINDYN_WORKERS", "greater than or equal to 1", "'0'"]),
        ({"deadline_seconds": "soon"}, ["LINDYN_DEADLINE_SECONDS", "valid number", "'soon'"]),
        ({"log_level": "loud"}, ["LINDYN_LOG_LEVEL", "'debug'", "'loud'"]),
        ({"redis_url": "redis://:s3cret@host:port/0"}, ["LINDYN_REDIS_URL", "redis://", "unix://"]),
        ({"host": "0.0.0.0"}, ["LINDYN_HOST", "0.0.0.0", "LINDYN_API_KEYS_FILE", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": "::"}, ["LINDYN_HOST", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": "lab.example"}, ["LINDYN_HOST", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": ""}, ["LINDYN_HOST", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": "0.0.0.0", "processes": "2", "redis_url": "unix:///r"}, ["LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"api_keys_file": "/nowhere/keys"}, ["LINDYN_API_KEYS_FILE", "/nowhere/keys", "cannot be read"]),
        ({"api_keys_file": ""}, ["LINDYN_API_KEYS_FILE", "cannot be read"]),
        ({"socket": "/nowhere/http"}, ["LINDYN_SOCKET", "/nowhere/http", "No such file"]),
        ({"socket": f"/tmp/{'x' * 200}"}, ["LINDYN_SOCKET", "too long"]),
    ],
    ids=str,
)
def test_senseless_settings(settings: dict[str, str], names: list[str]) -> None:
    said = refusal(**settings)
    assert said.startswith("lindyn: ")
    assert len(said.splitlines()) == 1
    assert all(name in said for name in names), said
    assert "s3cret" not in said


def test_each_senseless_setting_is_named() -> None:
    said = refusal(workers="0", queue="-1")
    assert "LINDYN_WORKERS" in said
    assert "LINDYN_QUEUE" in said


def test_an_inherited_socket_beyond_this_machine_needs_keys() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        variables = {"LINDYN_DESCRIPTOR": str(listening.fileno()), "LINDYN_WORKERS": "1"}
        ended = subprocess.run(
            [sys.executable, "-m", "lindyn_service"],
            env=clean_environment(**variables),
            pass_fds=[listening.fileno()],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.returncode == 1
    assert "LINDYN_ALLOW_ANONYMOUS=1" in ended.stderr


def test_a_file_is_not_taken_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("words")
    assert "in use" in refusal(socket=str(path))
    assert path.read_text() == "words"
