"""What runs inside a worker process: anyio calls these functions there, never in the service itself."""

import ctypes
import functools
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from threadpoolctl import threadpool_limits

from lindyn_service.errors import TooLargeError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PR_SET_PDEATHSIG = 1

_interruptible = False  # while a function runs that nobody has asked to stop


class Interrupted(BaseException):
    """Nobody waits for the function any more; not an Exception, which functions may take for one of theirs."""


def call(function: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    """Run `function(*args)` in a prepared process.

    A wrapper prepares the process, so that it also reaches workers that anyio or Dask start by themselves. Variables
    such as OPENBLAS_NUM_THREADS, which the command of the service sets, spare the start of threads that stay idle.

    Raises:
        TooLargeError: there is not enough memory.
        Exception: what the function raised; pickling drops its traceback, so that becomes a note.
        RuntimeError: the function raised SystemExit or the like, which would end the service's event loop.
    """
    global _interruptible  # noqa: PLW0603 (a handler of signals has nothing else)
    prepare()
    try:
        _interruptible = True
        return function(*args)
    except MemoryError:
        raise TooLargeError(
            "the computation needs more memory than a worker may use (LINDYN_WORKER_MEMORY_BYTES); "
            "ask for fewer times, quantities or samples, or for smaller widths"
        ) from None
    except Exception as error:
        error.add_note(f"In the worker process:\n{traceback.format_exc()}")
        raise
    except BaseException as error:
        raise RuntimeError(f"The function raised {error!r} in the worker process.") from error
    finally:
        _interruptible = False


def _interrupt(*_: object) -> None:
    """End the function that runs; once, and nothing else in this process."""
    global _interruptible  # noqa: PLW0603
    if _interruptible:
        _interruptible = False
        raise Interrupted


def timed(function: Callable[[*Ts], T], args: tuple[*Ts]) -> tuple[float, T]:
    """Run `function(*args)`; also tell how many seconds it took by itself, without waiting for a worker."""
    started = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - started, result


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
    signal.signal(signal.SIGUSR1, _interrupt)
    if sys.platform == "linux":  # pragma: no branch
        # A service killed by -9 would leave its runaways to nobody (`man 2 PR_SET_PDEATHSIG`).
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(bytes_: int) -> None:
    """Let this process have so much memory of its own, after which it gets a MemoryError and not the machine's last.

    Data, not address space: threads and libraries reserve far more of that than they use. Only Linux counts so.
    """
    if sys.platform == "linux":  # pragma: no branch
        import resource  # noqa: PLC0415 (not on Windows)

        resource.setrlimit(resource.RLIMIT_DATA, (bytes_, bytes_))


@functools.cache
def _once(warm_up: Callable[[], object]) -> None:
    warm_up()
