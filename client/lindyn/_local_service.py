"""A private service for a notebook: a child process on a unix socket that ends with its owner."""

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
from lindyn.errors import LocalServiceError

_START_SECONDS = 120.0  # for a start that hangs; an idle machine needs two or three
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02
_LINES = 12

_SOCKET = "service.sock"
_PREFIX = "lindyn-"
_LONGEST_ADDRESS = 103  # bytes, on macOS; four more on Linux
_LONGEST_PARENT = _LONGEST_ADDRESS - len(f"/{_PREFIX}12345678/{_SOCKET}")

# What the shell of an application or of another service has for itself; a private one is told what it needs.
_FOREIGN_PREFIXES = ("LINDYN_", "OTEL_", "FASTAPI_", "UVICORN_", "PROMETHEUS_")
_FOREIGN = ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "MPLBACKEND", "PYTHONWARNINGS", "PYTHONINSPECT")


class LocalService:
    """Starts the service and waits until it is ready.

    Its standard input is a pipe from this process: when that ends, for whatever reason, the service stops. It has the
    settings that are given here and none from the environment. Forks of this process may ask the service, but they
    neither keep nor stop it.

    Raises:
        LocalServiceError: it did not start; the message has the last lines of its log.
    """

    def __init__(self, settings: Mapping[str, str | float]) -> None:
        self._owner = os.getpid()
        self._folder = _make_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = self._folder.path / _SOCKET
        self._log = self._folder.path / "service.log"
        itself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _let_go(itself()))
        try:
            self._process = self._start(settings)
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the service; does nothing the second time, and nothing in a fork."""
        if os.getpid() != self._owner:
            return
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            _end(self._process)
        self._folder.cleanup()

    def _start(self, settings: Mapping[str, str | float]) -> subprocess.Popen[bytes]:
        chosen = {f"LINDYN_{name.upper()}": str(value) for name, value in settings.items()}
        lifeline = {"LINDYN_SOCKET": str(self.socket), "LINDYN_STOP_WITH_STDIN": "true"}
        try:
            with self._log.open("wb") as log:
                return subprocess.Popen(
                    # -P: else files of the working folder, such as queue.py, would take the place of libraries
                    [sys.executable, "-P", "-m", "lindyn_service.server.private_service"],
                    env={**_environment(), **chosen, **lifeline},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # else what interrupts a notebook's cell ends it
                )
        except OSError as error:
            raise LocalServiceError(f"the private service could not be started by {sys.executable}: {error}") from error

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + _START_SECONDS
        with httpx.Client(transport=connections.socket(str(self.socket)), base_url=PRIVATE_URL) as http:
            while process.poll() is None and time.monotonic() < give_up:
                with suppress(httpx.TransportError):
                    if self._listens() and http.get("/readyz").is_success:
                        return
                time.sleep(_POLL_SECONDS)
        happened = _what_happened(process.poll())
        raise LocalServiceError(f"the private service did not start: {happened}. It said:\n{self._last_lines()}")

    def _last_lines(self) -> str:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return "\n".join(said[-_LINES:]) or "(nothing)"

    def let_go(self) -> None:
        """Keep the service alive no longer: in a fork, whose copy of the pipe would outlive its owner's."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        self._process.returncode = 0  # it is no child of a fork, which need not look after it

    def _listens(self) -> bool:
        """Ask without httpx, which leaves a socket open for each connection that fails."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False


def _make_folder() -> OwnedFolder:
    """A folder where the name of a socket is short enough; that for temporary files need not be."""
    try:
        usual = tempfile.gettempdir()
        short = usual if len(os.fsencode(usual)) <= _LONGEST_PARENT else "/tmp"  # noqa: S108 (others may not enter it)
        return OwnedFolder(_PREFIX, short)
    except OSError as error:
        raise LocalServiceError(
            f"the private service has no folder for its socket: {error}. Set TMPDIR to a folder that you may write to, "
            f"with a name of at most {_LONGEST_PARENT} bytes"
        ) from error


def _environment() -> dict[str, str]:
    """The environment without what is meant for others, and without the working folder among the places of modules."""
    kept = {name: value for name, value in os.environ.items() if not _is_foreign(name.upper())}
    if "PYTHONPATH" in kept:  # an empty part, as of PYTHONPATH=$PYTHONPATH:/lab, is the working folder, too
        places = [place for place in kept["PYTHONPATH"].split(os.pathsep) if place not in ("", ".")]
        kept["PYTHONPATH"] = os.pathsep.join(places)
    return kept | {"PYTHONSAFEPATH": "1"}


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN_PREFIXES) or name in _FOREIGN


def _what_happened(code: int | None) -> str:
    if code is None:
        return (
            f"it was not ready after {_START_SECONDS:g} s; if the machine is busy, try again, or start fewer processes "
            "by lindyn.Client.local(workers=1)"
        )
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """By a signal too: a process that was forked from this one may still hold the pipe."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _let_go(service: LocalService | None) -> None:
    if service is not None:
        service.let_go()
