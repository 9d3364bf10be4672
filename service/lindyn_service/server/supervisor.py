"""The supervisor of several server processes that share an address: it restarts those that die and stops all."""

import logging
import math
import os
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
from lindyn_service.server.stop_signals import StopSignals
from lindyn_service.spool.store import PREFIX
from lindyn_service.spool.temporary_folder import private_folder

SEND_SECONDS = 5  # time after the grace time in which clients can read their last answers
SPARE_SECONDS = 1.0  # additional time for other steps of a shutdown
BACKLOG = 2048
RESTART_SECONDS = 1.0
POLL_SECONDS = 0.1
PARENT_SECONDS = 0.5

_log = logging.getLogger("lindyn_service")


def supervise(chosen: Settings, stopping: StopSignals) -> NoReturn:
    """Listen on the address and run the server processes, until a signal or the end of standard input.

    The standard input of each child is a pipe from this process, so that children stop when this process ends.

    Raises:
        SettingsError: the address is in use.
    """
    listening, *further = on_tcp(chosen.host, chosen.port)
    for unused in further:
        unused.close()  # children inherit a single socket
    listening.listen(BACKLOG)
    _log.info("starting %d processes", chosen.processes)
    announce(url_of(listening))
    if chosen.stop_with_stdin:
        threading.Thread(target=wait_for_end_of_stdin, args=(stopping.set,), daemon=True).start()
    with private_folder("lindyn-metrics-") as metrics, private_folder(PREFIX) as spool:
        shared = {
            METRICS_VARIABLE: str(metrics),
            "LINDYN_SPOOL_FOLDER": str(chosen.spool_folder or spool),
            **_derived_settings(chosen),
        }
        children = _keep_alive(listening, chosen.processes, shared, stopping)
        _stop(children, stop_seconds(chosen.grace_seconds) + SPARE_SECONDS)
    sys.exit()


def _derived_settings(chosen: Settings) -> dict[str, str]:
    """Return settings whose defaults depend on the number of processes, which a child cannot derive by itself."""
    names = ("worker_memory_bytes", "max_work_bytes", "spool_bytes", "results_bytes")
    return {f"LINDYN_{name.upper()}": str(getattr(chosen, name)) for name in names}


def stop_seconds(grace_seconds: float) -> int:
    """Return the time limit for a service to finish the requests in progress when it stops."""
    return math.ceil(grace_seconds) + SEND_SECONDS


def _keep_alive(
    listening: socket.socket, count: int, shared: Mapping[str, str], stopping: StopSignals
) -> list[subprocess.Popen[bytes]]:
    """Start the children, restart those that end, and return the present ones once it is to stop."""
    children = [_start(listening, i, shared) for i in range(count)]
    while not stopping.wait(POLL_SECONDS):
        for i, child in enumerate(children):
            if child.poll() is not None:
                _log.warning("process %d ended with code %d; restarting it", child.pid, child.returncode)
                stopping.wait(RESTART_SECONDS)
                children[i] = _start(listening, i, shared)
    return children


def _stop(children: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Terminate the children, and kill those that have not ended in time; their own child processes end with them."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("process %d did not end within %g s; killing it", child.pid, seconds)
            child.kill()
            child.wait()


def wait_for_end_of_stdin(on_end: Callable[[], None]) -> None:
    """Call `on_end` when standard input closes."""
    # os.read instead of sys.stdin, since the interpreter cannot exit while a thread reads from that
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    on_end()


def wait_for_end_of_parent(parent: int, on_end: Callable[[], None]) -> None:
    """Call `on_end` when the parent process ends, even if a fork of it keeps the standard input of this one open."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    on_end()


def _start(listening: socket.socket, number: int, shared: Mapping[str, str]) -> subprocess.Popen[bytes]:
    descriptor = listening.fileno()
    own = {
        "LINDYN_PROCESSES": "1",
        "LINDYN_PROCESS": str(number),
        "LINDYN_DESCRIPTOR": str(descriptor),
        "LINDYN_STOP_WITH_STDIN": "true",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "lindyn_service"],
        env={**os.environ, **shared, **own},
        stdin=subprocess.PIPE,
        pass_fds=[descriptor],
        start_new_session=True,  # Ctrl-C then reaches only this process, which stops the children
    )
