"""The engine of many machines: a Dask cluster, or one on this machine to try it."""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar, TypeVarTuple

import dask.config
from distributed import Client, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError

from lindyn_service.engine.base import EngineLostError, Told
from lindyn_service.engine.worker import limit_threads, timed
from lindyn_service.errors import WorkerLostError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RETRIES = 3
CONNECT_SECONDS = 10.0

log = logging.getLogger(__name__)


class DaskEngine:
    """Runs functions on the workers of a cluster, as `Engine` promises.

    The cluster's workers need this package in the same version. What was sent to a worker that dies is sent to another
    one; a function that runs already is not stopped by cancelling, so calls should take seconds, not minutes.

    Args:
        address: of the scheduler, `tcp://host:8786`; None for a cluster on this machine.
        local_workers: how many processes that one has.
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
            self._stack.enter_context(dask.config.set({"temporary-directory": scratch}))
            address = await self._stack.enter_async_context(
                LocalCluster(
                    n_workers=self._local_workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",
                    asynchronous=True,
                )
            )
        self._client = await self._stack.enter_async_context(
            Client(address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def width(self) -> int:
        """How many calls to make at the same time: all threads of the cluster, and as many again in its queues."""
        known: dict[str, Any] = self._client.scheduler_info()  # of at most two seconds ago; its `workers` are left out
        return max(1, 2 * int(known.get("total_threads", 0)))

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, told: Told | None = None) -> T:
        """See `Engine.run`; there is no queue that is full and no deadline, and only what is done tells its seconds."""
        if self._client.status == "closed":  # it has tried to reconnect, for `CONNECT_SECONDS`
            raise EngineLostError(f"the Dask scheduler {self._address or 'on this machine'} does not answer")
        future = self._client.submit(_call, function, args, pure=False, retries=RETRIES)
        try:
            seconds, result = await future
        except (KilledWorker, FutureCancelledError) as error:
            raise WorkerLostError(f"the cluster lost the computation ({type(error).__name__})") from error
        finally:
            if not future.done():
                await future.cancel(force=True)
        if told is not None:
            told(seconds)
        return result


def _call(function: Callable[[*Ts], T], args: tuple[*Ts]) -> tuple[float, T]:
    limit_threads()
    return timed(function, args)
