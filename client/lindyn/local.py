"""A private service for a notebook: a child process on a unix socket that ends with its owner."""

import os
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress

import httpx

from lindyn import transports
from lindyn.errors import LocalServiceError
from lindyn.owning import OwnFolder

LOCAL_URL = "http://lindyn.local"

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02


class LocalService:
    """Starts the service and waits until it is ready.

    Its standard input is a pipe from this process: when that ends, for whatever reason, the service stops. Forks of
    this process may ask the service, but they neither keep nor stop it.

    Raises:
        LocalServiceError: it did not start; the message has the last lines of its log.
    """

    def __init__(self, settings: Mapping[str, str | float]) -> None:
        self._owner = os.getpid()
        self._folder = OwnFolder("lindyn-")
        self.socket = self._folder.path / "service.sock"
        self._log = self._folder.path / "service.log"
        chosen = {f"LINDYN_{name.upper()}": str(value) for name, value in settings.items()}
        lifeline = {"LINDYN_SOCKET": str(self.socket), "LINDYN_STOP_WITH_STDIN": "true"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lindyn_service"],
                env={**os.environ, **chosen, **lifeline},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # else what interrupts a notebook's cell ends it
            )
        itself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _let_go(itself()))
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the service; does nothing the second time, and nothing in a fork."""
        if os.getpid() != self._owner:
            return
        if self._process.stdin is not None:  # pragma: no branch -- it is a pipe
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + _START_SECONDS
        with httpx.Client(transport=transports.socket(str(self.socket)), base_url=LOCAL_URL) as http:
            while self._process.poll() is None and time.monotonic() < give_up:
                with suppress(httpx.TransportError):
                    if self._listens() and http.get("/readyz").is_success:
                        return
                time.sleep(_POLL_SECONDS)
        last = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        raise LocalServiceError(
            "the private service did not start; it needs the extra: pip install 'lindyn[service]'. Its last words:\n"
            + "\n".join(last)
        )

    def let_go(self) -> None:
        """Keep the service alive no longer: in a fork, whose copy of the pipe would outlive its owner's."""
        if self._process.stdin is not None:  # pragma: no branch -- it is a pipe
            self._process.stdin.close()
        self._process.returncode = 0  # it is no child of a fork, which need not look after it

    def _listens(self) -> bool:
        """Ask without httpx, which leaves a socket open for each connection that fails."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False


def _let_go(service: LocalService | None) -> None:
    if service is not None:
        service.let_go()
