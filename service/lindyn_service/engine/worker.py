"""The functions that run inside worker processes, and never in the process of the service."""

import ctypes
import functools
import gc
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import TypeVar, TypeVarTuple

from threadpoolctl import threadpool_limits

from lindyn_service.errors import TooLargeError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PR_SET_PDEATHSIG = 1

# Packages whose Python code holds locks: an exception at any instruction of it could leave a lock held for ever.
_PACKAGES_WITH_LOCKS = sys.stdlib_module_names | {"coverage"}

_interruptible = False  # true while a function runs that has not been interrupted yet


class Interrupted(BaseException):
    """The caller of the function was cancelled; a BaseException, which functions do not catch by `except Exception`."""


def call(function: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    """Prepare this process and run `function(*args)`.

    The preparation is part of the call so that it also reaches workers that anyio starts by itself. The environment
    variables that the service sets, such as OPENBLAS_NUM_THREADS, avoid the start of threads that would stay idle.

    Raises:
        TooLargeError: there is not enough memory.
        Exception: any exception of the function. Pickling drops its traceback, which is therefore added as a note.
        RuntimeError: the function raised SystemExit or the like, which would end the event loop of the service.
    """
    global _interruptible  # noqa: PLW0603 (a signal handler can share state in no other way)
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


def _interrupt(_signal: int, frame: FrameType | None) -> None:
    """Interrupt the running function, at most once and not inside of code that may hold a lock; the process goes on.

    The signal is sent again soon, when that code may have returned.
    """
    global _interruptible  # noqa: PLW0603
    if _interruptible and frame is not None and not _may_hold_lock(frame):
        _interruptible = False
        raise Interrupted


def _may_hold_lock(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__"))
    return module.partition(".")[0] in _PACKAGES_WITH_LOCKS


def timed(function: Callable[[*Ts], T], args: tuple[*Ts]) -> tuple[float, T]:
    """Run `function(*args)` and return its elapsed seconds and its result."""
    started = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - started, result


def warm(warm_up: Callable[[], object]) -> int:
    """Run the warm-up once in this process and return the process id."""
    prepare()
    _once(warm_up)
    return os.getpid()


@functools.cache
def limit_threads() -> None:
    """Limit BLAS to one thread in this process, since the workers share the processors.

    NumPy and SciPy are imported first, since each has its own OpenBLAS and only loaded libraries can be limited.
    """
    importlib.import_module("numpy")
    importlib.import_module("scipy.linalg")
    threadpool_limits(limits=1)


@functools.cache
def prepare() -> None:
    """Set this process up for numerical work, once."""
    limit_threads()
    # Ctrl-C and systemd signal the whole process group; running calls have a grace time, and the engine ends workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, _interrupt)
    if sys.platform == "linux":  # pragma: no branch
        # Without this, a long computation would outlive a service that is killed (`man 2 PR_SET_PDEATHSIG`).
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(bytes_: int) -> None:
    """Limit the memory of this process to a number of bytes, beyond which allocations raise MemoryError (Linux only).

    The limit is on data, not on address space, of which threads and libraries reserve far more than they use.
    """
    if sys.platform == "linux":  # pragma: no branch
        import resource  # noqa: PLC0415 (not on Windows)

        resource.setrlimit(resource.RLIMIT_DATA, (bytes_, bytes_))


@functools.cache
def _once(warm_up: Callable[[], object]) -> None:
    warm_up()
    gc.collect()
    gc.freeze()  # full collections need not visit the objects of all modules
