"""The engine for several machines: a Dask cluster, which may also be local for trials."""

import ctypes
import functools
import logging
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar, TypeVarTuple

import dask.config
from distributed import Client, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError

from lindyn_service.engine.base import EngineLostError, ReportSeconds
from lindyn_service.engine.worker import limit_threads, timed
from lindyn_service.errors import WorkerLostError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RETRIES = 3
CONNECT_SECONDS = 10.0

_PROFILE = "distributed.worker.profile.enabled"  # would sample all stacks 100 times a second, for the dashboard

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # man 3 mallopt

log = logging.getLogger(__name__)


class DaskEngine:
    """An `Engine` that runs functions on the workers of a Dask cluster.

    The workers of the cluster need the same version of this package. Calls of a worker that dies are sent to another
    worker. Cancelling does not stop a function that runs already, so calls should take seconds, not minutes.

    Args:
        address: address of the scheduler, `tcp://host:8786`; None for a cluster on this machine.
        local_workers: number of processes of a cluster on this machine.
    """

    def __init__(self, address: str | None, local_workers: int = 0) -> None:
        self._address = address
        self._local_workers = local_workers
        self._stack = AsyncExitStack()
        self._client: Any

    async def __aenter__(self) -> Self:
        address: Any = self._address
        if address is None:
            scratch = self._stack.enter_context(TemporaryDirectory(prefix="lindyn-dask-", ignore_cleanup_errors=True))
            self._stack.enter_context(dask.config.set({"temporary-directory": scratch, _PROFILE: False}))
            address = await self._stack.enter_async_context(
                LocalCluster(
                    n_workers=self._local_workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",
                    asynchronous=True,
                )
            )
        client = Client(address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False)
        try:
            self._client = await self._stack.enter_async_context(client)
        except OSError as error:
            await self._stack.aclose()
            raise self._lost() from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def width(self) -> int:
        """Return the number of calls to submit concurrently: two per thread of the cluster, so that no thread idles."""
        info: dict[str, Any] = self._client.scheduler_info()  # at most two seconds old; lists only some of the workers
        return max(1, 2 * int(info.get("total_threads", 0)))

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, report_seconds: ReportSeconds | None = None) -> T:
        """See `Engine.run`; there is no queue limit, there is no deadline, and only completed calls report seconds."""
        if self._client.status == "closed":  # after trying to reconnect for `CONNECT_SECONDS`
            raise self._lost()
        future = self._client.submit(_run_timed, function, args, pure=False, retries=RETRIES)
        try:
            seconds, result = await future
        except (KilledWorker, FutureCancelledError) as error:
            raise WorkerLostError(f"the cluster lost the computation ({type(error).__name__})") from error
        finally:
            if not future.done():
                await future.cancel(force=True)
        if report_seconds is not None:
            report_seconds(seconds)
        return result

    def _lost(self) -> EngineLostError:
        return EngineLostError(f"the Dask scheduler {self._address or 'on this machine'} does not answer")


def _run_timed(function: Callable[[*Ts], T], args: tuple[*Ts]) -> tuple[float, T]:
    limit_threads()
    _keep_freed_memory()
    return timed(function, args)


@functools.cache
def _keep_freed_memory() -> None:
    """Let malloc keep freed memory of this process, as it does by itself unless its thresholds are set.

    Dask sets MALLOC_TRIM_THRESHOLD_ for its workers, with which each array of a block would be mapped anew. The values
    are the largest that malloc would choose.
    """
    if sys.platform == "linux":  # pragma: no branch
        with suppress(AttributeError):  # other C libraries than glibc have no mallopt
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, 2**25)
            mallopt(_M_TRIM_THRESHOLD, 2**26)
