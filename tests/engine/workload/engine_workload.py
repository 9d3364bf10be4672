"""Functions for worker processes, which cannot import test modules under importlib mode."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import threadpoolctl


class OddError(Exception):
    """An error with more to carry than a message."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, number)
        self.number = number


def announce(directory: str) -> None:
    """Leave this process's id as the name of a file."""
    Path(directory, str(os.getpid())).touch()


@dataclass(frozen=True)
class Announcement:
    """A warm-up that equals another one for the same folder."""

    directory: str

    def __call__(self) -> None:
        announce(self.directory)


def spin(directory: str) -> NoReturn:
    announce(directory)
    while True:
        pass


def spin_for(seconds: float) -> None:
    """Take so much processor time."""
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def spin_deaf(directory: str) -> NoReturn:
    """As what computes long between two steps of Python: signals are not heard."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    spin(directory)


def spin_stubborn(directory: str) -> NoReturn:
    """As a function that takes every error for one of its own."""
    while True:
        try:
            spin(directory)
        except Exception:
            continue


def spin_at_first(directory: str) -> int:
    if not any(Path(directory).iterdir()):
        spin(directory)
    return os.getpid()


def die(directory: str) -> None:
    announce(directory)
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_first(directory: str) -> None:
    if not any(Path(directory).iterdir()):
        die(directory)
    announce(directory)


def meet(directory: str, count: int) -> int:
    """Return when so many processes are here."""
    announce(directory)
    while sum(1 for _ in Path(directory).iterdir()) < count:
        time.sleep(0.001)
    return os.getpid()


def wait_for(path: str) -> int:
    while not Path(path).exists():
        time.sleep(0.001)
    return os.getpid()


def refuse(message: str) -> NoReturn:
    raise OddError(message, 7)


def throw(error: BaseException) -> NoReturn:
    raise error


def announce_unless_broken(directory: str) -> None:
    if Path(directory, "broken").exists():
        raise OSError("broken on purpose")
    announce(directory)


def announce_and_wait(directory: str) -> None:
    """All but the first have to wait for a file."""
    announce(directory)
    if len(list(Path(directory).iterdir())) > 1:
        while not Path(directory, "0").exists():
            time.sleep(0.01)


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def numbered_bytes(count: int) -> bytes:
    return bytes(range(256)) * (count // 256)
