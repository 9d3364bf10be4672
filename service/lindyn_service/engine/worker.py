"""What runs inside a worker process: anyio calls these functions there, never in the service itself."""

import ctypes
import functools
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from threadpoolctl import threadpool_limits

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PR_SET_PDEATHSIG = 1


def call(function: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    """Run `function(*args)` in a prepared process.

    A wrapper prepares the process, and not environment variables such as OPENBLAS_NUM_THREADS: those have to
    be set before a process starts, which anyio does with the service's own environment, and then hold for the
    service and all its children. The wrapper also reaches workers that anyio starts by itself.

    Raises:
        Exception: what the function raised; pickling drops its traceback, so that becomes a note.
        RuntimeError: the function raised SystemExit or the like, which would end the service's event loop.
    """
    prepare()
    try:
        return function(*args)
    except Exception as error:
        error.add_note(f"In the worker process:\n{traceback.format_exc()}")
        raise
    except BaseException as error:
        raise RuntimeError(f"The function raised {error!r} in the worker process.") from error


def warm(warm_up: Callable[[], object]) -> int:
    """Run the warm-up once in this process, and tell its process id."""
    prepare()
    _once(warm_up)
    return os.getpid()


@functools.cache
def limit_threads() -> None:
    """Give this process one BLAS thread, once: the workers share the cores.

    Both libraries are loaded first since each brings its own OpenBLAS and only loaded ones can be limited.
    """
    importlib.import_module("numpy")
    importlib.import_module("scipy.linalg")
    threadpool_limits(limits=1)


@functools.cache
def prepare() -> None:
    """Set this process up for numerical work, once."""
    limit_threads()
    # Ctrl-C and systemd signal the whole group; running work has its grace time, and the engine ends workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":  # pragma: no branch
        # A service killed by -9 would leave its runaways to nobody (`man 2 PR_SET_PDEATHSIG`).
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@functools.cache
def _once(warm_up: Callable[[], object]) -> None:
    warm_up()
