"""A Dask cluster of separate processes, whose scheduler and workers may be killed."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import psutil
from distributed import Client

from support.processes import clean_environment, eventually


class DaskCluster:
    """A scheduler at a fixed address, and workers with one thread each."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._scheduler: psutil.Popen | None = None
        self._workers: list[psutil.Popen] = []

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="ld-dask-", dir="/tmp")
        self.start_scheduler()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start_scheduler(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        self._scheduler = self._start("scheduler", *options)
        eventually(self._listens)

    def start_worker(self) -> None:
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", self._folder.name]
        self._workers.append(self._start("worker", self.address, *options))

    @property
    def workers(self) -> list[psutil.Popen]:
        return list(self._workers)

    @contextmanager
    def watched(self) -> Iterator[Callable[[], set[str]]]:
        """Yield a function that returns the workers which have executed a task since the start of the block."""
        with Client(self.address, set_as_default=False) as client:
            client.get_task_stream()  # starts the recording of tasks
            yield lambda: {task["worker"] for task in client.get_task_stream()}

    def kill(self) -> None:
        """Kill all processes."""
        for process in [*self._workers, self._scheduler]:
            if process is not None:
                process.kill()
                process.wait()
        self._workers, self._scheduler = [], None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _start(self, *arguments: str) -> psutil.Popen:
        return psutil.Popen(
            [sys.executable, "-m", "dask", *arguments],
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
