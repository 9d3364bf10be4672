"""A private service: a child process on a unix socket that ends with the process which started it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress

import httpx

from lindyn._ownership import OwnedFolder
from lindyn._transport import connections
from lindyn._transport.address import PRIVATE_URL
from lindyn.errors import ArgumentError, LocalServiceError

_START_SECONDS = 120.0  # a safety net; an idle machine needs two or three
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02
_LOG_LINES = 12  # in the message of a failed start

_SOCKET = "service.sock"
_PREFIX = "lindyn-"
_MAX_ADDRESS_BYTES = 103  # bytes of a socket address on macOS; Linux allows four more
_MAX_PARENT_BYTES = _MAX_ADDRESS_BYTES - len(f"/{_PREFIX}12345678/{_SOCKET}")

# Variables that configure an application or another service; a private service has only the settings of the call.
_FOREIGN_PREFIXES = ("LINDYN_", "OTEL_", "FASTAPI_", "UVICORN_", "PROMETHEUS_")
_OWN_SETTINGS = frozenset({"host", "port", "socket", "descriptor", "process", "processes", "stop_with_stdin"})
_FOREIGN = ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "MPLBACKEND", "PYTHONWARNINGS", "PYTHONINSPECT")


class LocalService:
    """A service in a child process; the constructor starts it and waits until it is ready.

    Its standard input is a pipe from this process. The pipe closes when this process ends for any reason, and the
    service stops then. Its settings are those of the call and none from the environment. Forks of this process may use
    the service, but neither keep it alive nor stop it.

    Raises:
        LocalServiceError: the service did not start; the message has the last lines of its log.
    """

    def __init__(self, settings: Mapping[str, str | float]) -> None:
        self._owner = os.getpid()
        self._folder = _make_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = self._folder.path / _SOCKET
        self._log = self._folder.path / "service.log"
        reference = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _close_pipe_in_fork(reference()))
        try:
            self._process = self._start(settings)
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the service; a second call, or a call in a fork, does nothing."""
        if os.getpid() != self._owner:
            return
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            _terminate(self._process)
        self._folder.cleanup()

    def _start(self, settings: Mapping[str, str | float]) -> subprocess.Popen[bytes]:
        for name in _OWN_SETTINGS.intersection(settings):
            raise ArgumentError(
                f"{name}: a private service is one process with a socket of its own; leave it out, or start a "
                "service with `lindyn serve` and the environment variable"
            )
        chosen = {f"LINDYN_{name.upper()}": str(value) for name, value in settings.items()}
        lifeline = {"LINDYN_SOCKET": str(self.socket), "LINDYN_STOP_WITH_STDIN": "true"}
        try:
            with self._log.open("wb") as log:
                return subprocess.Popen(
                    # -P: a file in the working folder, such as queue.py, must not shadow a standard module
                    [sys.executable, "-P", "-m", "lindyn_service.server.private_service"],
                    env={**_environment(), **chosen, **lifeline},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # interrupting a notebook cell must not end the service
                )
        except OSError as error:
            raise LocalServiceError(f"the private service could not be started by {sys.executable}: {error}") from error

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(transport=connections.unix_transport(str(self.socket)), base_url=PRIVATE_URL) as http:
            while process.poll() is None and time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    if self._listens() and http.get("/readyz").is_success:
                        return
                time.sleep(_POLL_SECONDS)
        reason = _failure(process.poll())
        raise LocalServiceError(f"the private service did not start: {reason}. End of its log:\n{self._last_lines()}")

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return "\n".join(lines[-_LOG_LINES:]) or "(empty)"

    def close_pipe(self) -> None:
        """Close a fork's copy of the pipe, which would keep the service alive after its owner has ended."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        self._process.returncode = 0  # the service is no child of the fork, so that Popen must not wait for it

    def _listens(self) -> bool:
        """Return whether the socket accepts connections; httpx would leave a socket open for each failed connection."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False


def _make_folder() -> OwnedFolder:
    """Make a folder with a path short enough for a socket, in /tmp if the usual temporary folder is not."""
    try:
        usual = tempfile.gettempdir()
        short = usual if len(os.fsencode(usual)) <= _MAX_PARENT_BYTES else "/tmp"  # noqa: S108 (the new folder is closed to other users)
        return OwnedFolder(_PREFIX, short)
    except OSError as error:
        raise LocalServiceError(
            f"the private service has no folder for its socket: {error}. Set TMPDIR to a folder that you may write to, "
            f"with a name of at most {_MAX_PARENT_BYTES} bytes"
        ) from error


def _environment() -> dict[str, str]:
    """Return the environment without foreign settings, and with a module search path without the working folder."""
    kept = {name: value for name, value in os.environ.items() if not _is_foreign(name.upper())}
    if "PYTHONPATH" in kept:  # an empty entry, as in PYTHONPATH=:/lab, is the working folder
        folders = [folder for folder in kept["PYTHONPATH"].split(os.pathsep) if folder not in ("", ".")]
        kept["PYTHONPATH"] = os.pathsep.join(folders)
    return kept | {"PYTHONSAFEPATH": "1"}


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN_PREFIXES) or name in _FOREIGN


def _failure(code: int | None) -> str:
    if code is None:
        return (
            f"it was not ready after {_START_SECONDS:g} s; if the machine is busy, try again, or start fewer processes "
            "by lindyn.Client.local(workers=1)"
        )
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """End the process with a signal, because a fork may still hold the pipe open."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close_pipe_in_fork(service: LocalService | None) -> None:
    if service is not None:
        service.close_pipe()
