"""A service with impossible settings reports the reason in one sentence, and ends."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.processes import PATIENCE_SECONDS, Service, clean_environment

from lindyn_service.server.sockets import on_unix


def refusal(**settings: str) -> str:
    """Error message of a service that does not start."""
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
        ({"workers": "0"}, ["LINDYN_WORKERS", "at least 1", "'0'"]),
        ({"deadline_seconds": "soon"}, ["LINDYN_DEADLINE_SECONDS", "a number", "'soon'"]),
        ({"log_level": "loud"}, ["LINDYN_LOG_LEVEL", "'debug'", "'loud'"]),
        ({"redis_url": "redis://:s3cret@host:port/0"}, ["LINDYN_REDIS_URL", "redis://", "unix://"]),
        ({"host": "0.0.0.0"}, ["LINDYN_HOST", "0.0.0.0", "LINDYN_API_KEYS_FILE", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": "::"}, ["LINDYN_HOST", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": "lab.example"}, ["LINDYN_HOST", "LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"host": "0.0.0.0", "processes": "2", "redis_url": "unix:///r"}, ["LINDYN_ALLOW_ANONYMOUS=1"]),
        ({"api_keys_file": "/nowhere/keys"}, ["LINDYN_API_KEYS_FILE", "/nowhere/keys", "cannot be read"]),
        ({"spool_folder": "/proc/self"}, ["LINDYN_SPOOL_FOLDER", "/proc/self is not a folder that this user can"]),
        ({"spool_folder": "/proc/new"}, ["LINDYN_SPOOL_FOLDER", "/proc/new is not a folder that this user can"]),
        ({"spool_folder": f"/tmp/{'x' * 300}"}, ["LINDYN_SPOOL_FOLDER", "File name too long"]),
        ({"dask_local": "2", "dask_scheduler": "tcp://d:1"}, ["DASK_SCHEDULER and LINDYN_DASK_LOCAL", "unset one"]),
        ({"socket": "/nowhere/http", "descriptor": "7"}, ["LINDYN_DESCRIPTOR and LINDYN_SOCKET", "unset one"]),
        ({"socket": "/nowhere/http"}, ["LINDYN_SOCKET", "/nowhere/http", "No such file"]),
        ({"socket": f"/tmp/{'x' * 200}"}, ["LINDYN_SOCKET", "too long"]),
        ({"descriptor": "77"}, ["LINDYN_DESCRIPTOR", "77 is not a socket", "unset it"]),
        ({"process": "0"}, ["LINDYN_PROCESS is 0", "unset it", "LINDYN_PROCESSES"]),
        ({"host": "192.0.2.1", "allow_anonymous": "1"}, ["LINDYN_HOST", "192.0.2.1", "127.0.0.1"]),
        ({"host": "nowhere.invalid", "allow_anonymous": "1"}, ["LINDYN_HOST", "nowhere.invalid", "127.0.0.1"]),
    ],
    ids=str,
)
def test_contradictory_settings_are_refused(settings: dict[str, str], names: list[str]) -> None:
    said = refusal(**settings)
    assert said.startswith("lindyn: ")
    assert len(said.splitlines()) == 1
    assert all(name in said for name in names), said
    assert "s3cret" not in said


def test_each_contradictory_setting_is_named() -> None:
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


def test_a_file_at_the_path_of_the_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("words")
    assert "in use" in refusal(socket=str(path))
    assert path.read_text() == "words"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
@pytest.mark.parametrize("more", [{}, {"processes": "2", "redis_url": "unix:///nowhere"}], ids=["one", "two"])
def test_a_port_in_use(host: str, more: dict[str, str]) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    with taken:
        port = str(taken.getsockname()[1])
        said = refusal(host=host, port=port, **more)
    assert f"cannot listen on port {port} of {host}" in said
    assert "in use" in said
    assert "set LINDYN_PORT to another, such as 8000" in said


def test_a_socket_in_use(tmp_path: Path) -> None:
    path = tmp_path / "http"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        said = refusal(socket=str(path))
    assert "LINDYN_SOCKET: another service listens on" in said
    assert path.is_socket()


def test_a_bound_socket_that_does_not_listen_yet_is_in_use(tmp_path: Path) -> None:
    """A service that is starting or frozen has bound its socket before it listens."""
    path = tmp_path / "http"
    bound = textwrap.dedent("""
        import sys, pathlib
        from lindyn_service.server.sockets import on_unix
        socket = on_unix(pathlib.Path(sys.argv[1]))
        print("bound", flush=True)
        sys.stdin.read()
    """)
    arguments = [sys.executable, "-c", bound, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starting:
        assert starting.stdout.readline() == "bound\n"
        before = path.stat().st_ino
        assert f"LINDYN_SOCKET: another service uses {path} already; stop it" in refusal(socket=str(path))
        assert path.stat().st_ino == before
        starting.kill()
    on_unix(path).close()


def test_a_frozen_service_keeps_its_socket() -> None:
    with Service() as service:
        before = Path(service.folder, "http").stat().st_ino
        service.process.suspend()
        assert "another service uses" in refusal(socket=f"{service.folder}/http")
        service.process.resume()
        assert Path(service.folder, "http").stat().st_ino == before
        assert service.get("/healthz").status_code == 200


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_other_files_at_the_path_of_the_lock_are_not_changed(tmp_path: Path, kind: str) -> None:
    victim, lock = tmp_path / "victim", tmp_path / "http.lock"
    if kind == "folder":
        lock.mkdir()
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.symlink_to(victim)
        if kind == "link":
            victim.write_text("words")
    assert "LINDYN_SOCKET: cannot listen" in refusal(socket=str(tmp_path / "http"))
    assert victim.exists() == (kind == "link")
    assert kind != "link" or victim.read_text() == "words"


@pytest.mark.parametrize("kind", ["file", "connected"])
def test_a_descriptor_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    """The variable may be inherited from an application that started a shell, and with it the service."""
    connected, peer = socket.socketpair()
    with (tmp_path / "file").open("w") as file, connected, peer:
        descriptor = {"file": file, "connected": connected}[kind].fileno()
        ended = subprocess.run(
            [sys.executable, "-m", "lindyn_service"],
            env=clean_environment(LINDYN_DESCRIPTOR=str(descriptor)),
            pass_fds=[descriptor],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.returncode == 1
    assert f"LINDYN_DESCRIPTOR: {descriptor} is " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
