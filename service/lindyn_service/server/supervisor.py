"""Several processes that serve one address: each started again when it dies, all ended together."""

import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from lindyn_service.configuration.settings import METRICS_VARIABLE, Settings
from lindyn_service.server.sockets import announce, on_tcp, url_of
from lindyn_service.spool.store import PREFIX
from lindyn_service.spool.temporary_folder import private_folder

SEND_SECONDS = 5  # after the grace time: for clients to read their last answers
SPARE_SECONDS = 1.0  # for what a service does beside
BACKLOG = 2048
RESTART_SECONDS = 1.0
POLL_SECONDS = 0.1
PARENT_SECONDS = 0.5

_log = logging.getLogger("lindyn_service")


def supervise(chosen: Settings) -> NoReturn:
    """Listen, and let as many services as are wanted answer, until a signal or the end of standard input.

    Each has a pipe from this process as its standard input, so that it stops when this one is gone.

    Raises:
        SettingsError: the address is taken.
    """
    listening, *others = on_tcp(chosen.host, chosen.port)
    for one in others:
        one.close()  # children get one
    listening.listen(BACKLOG)
    _log.info("%d processes", chosen.processes)
    announce(url_of(listening))
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, stop)
    if chosen.stop_with_stdin:
        threading.Thread(target=wait_for_end_of_stdin, args=(stopping.set,), daemon=True).start()
    with private_folder("lindyn-metrics-") as metrics, private_folder(PREFIX) as spool:
        shared = {
            METRICS_VARIABLE: str(metrics),
            "LINDYN_SPOOL_FOLDER": str(chosen.spool_folder or spool),
            **_bounds(chosen),
        }
        children = _keep_alive(listening, chosen.processes, shared, stopping)
        _end(children, stop_seconds(chosen.grace_seconds) + SPARE_SECONDS)
    sys.exit()


def _bounds(chosen: Settings) -> dict[str, str]:
    """What was derived from the memory and the disk of all, which one process would take for its own."""
    names = ("worker_memory_bytes", "max_work_bytes", "spool_bytes", "results_bytes")
    return {f"LINDYN_{name.upper()}": str(getattr(chosen, name)) for name in names}


def stop_seconds(grace_seconds: float) -> int:
    """How long a service may take to serve what it has begun when it stops."""
    return math.ceil(grace_seconds) + SEND_SECONDS


def _keep_alive(
    listening: socket.socket, count: int, shared: Mapping[str, str], stopping: threading.Event
) -> list[subprocess.Popen[bytes]]:
    """Start services until it is time to stop; those that live then."""
    children = [_start(listening, i, shared) for i in range(count)]
    while not stopping.wait(POLL_SECONDS):
        for i, child in enumerate(children):
            if child.poll() is not None:
                _log.warning("process %d ended with code %d; starting another", child.pid, child.returncode)
                stopping.wait(RESTART_SECONDS)
                children[i] = _start(listening, i, shared)
    return children


def _end(children: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Ask all to end, and kill those that have not in time, such as a frozen one, with what they have started."""
    for child in children:
        child.terminate()
    give_up = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(0.0, give_up - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("process %d did not end in %g s; killing it", child.pid, seconds)
            child.kill()
            child.wait()


def wait_for_end_of_stdin(then: Callable[[], None]) -> None:
    """Call `then` when the lifeline of this process ends."""
    # not by sys.stdin: the interpreter cannot end while a thread reads that
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    then()


def wait_for_end_of_parent(parent: int, then: Callable[[], None]) -> None:
    """Call `then` when this process has another parent than that: a fork of it may hold the lifeline."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    then()


def _start(listening: socket.socket, place: int, shared: Mapping[str, str]) -> subprocess.Popen[bytes]:
    descriptor = listening.fileno()
    own = {
        "LINDYN_PROCESSES": "1",
        "LINDYN_PROCESS": str(place),
        "LINDYN_DESCRIPTOR": str(descriptor),
        "LINDYN_STOP_WITH_STDIN": "true",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "lindyn_service"],
        env={**os.environ, **shared, **own},
        stdin=subprocess.PIPE,
        pass_fds=[descriptor],
        start_new_session=True,  # Ctrl-C reaches this process, which ends them
    )
