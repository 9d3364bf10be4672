"""The client for `async` and `await`, with asyncio or trio: what `Client` does, each method awaited."""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

import anyio.to_thread
import httpx

from lindyn import _endpoints
from lindyn._endpoints import Array, Method, Network, Task, Times
from lindyn._local_service import LocalService
from lindyn._transport import connections, job_events
from lindyn._transport.address import PRIVATE_URL, address
from lindyn._transport.calls import DEFAULT_PATIENCE_SECONDS, DEFAULT_TIMEOUT_SECONDS, Call, Connection, Format, headers
from lindyn._transport.proxies import proxy_to
from lindyn._transport.send import AsyncSender
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Analysis, Trajectory
from lindyn.wire.job import ExperimentDescription, Job


class AsyncClient:
    """A connection to a service; use it as an asynchronous context manager, or close it. Arguments as for `Client`.

    One client may be used in several event loops, one after the other or each in its thread: each has connections of
    its own, which are closed when it ends.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
        answers: Format = "npz",
        transport: httpx.AsyncBaseTransport | Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self.url = address(url)
        proxy = proxy_to(self.url) if transport is None else None
        made_by = connections.given(transport or partial(connections.awaited_tcp, self.url, proxy))
        way = connections.Way(self.url, headers(api_key, answers), timeout_seconds, made_by)
        self._sender = AsyncSender(Connection(self.url, patience_seconds, proxy), way)
        self._service: LocalService | None = None

    @classmethod
    async def local(cls, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, **settings: str | float) -> Self:
        """Start a private service on this machine, for as long as this client is open.

        Raises:
            LocalServiceError: the service did not start; needs the package's extra `service`.
        """
        service = await anyio.to_thread.run_sync(LocalService, settings)
        transport = partial(connections.awaited_socket, str(service.socket))
        client = cls(PRIVATE_URL, timeout_seconds=timeout_seconds, transport=transport)
        client._service = service
        return client

    async def trajectory(
        self,
        *,
        network: Network,
        task: Task,
        times: Times,
        quantities: str | Sequence[str] = ("loss", "output"),
        method: Method = "auto",
        time_constant: float = 1.0,
    ) -> Trajectory:
        """Compute how a network learns a task."""
        return await self._sender.send(
            _endpoints.trajectory(
                network=network,
                task=task,
                times=times,
                quantities=quantities,
                method=method,
                time_constant=time_constant,
            )
        )

    async def stored(self, key: str) -> Trajectory:
        """Get an answer that the service still has."""
        return await self._sender.send(_endpoints.stored(key))

    async def initialization(self, network: Network, task: Task | None = None) -> Analysis:
        """Draw the weights that a trajectory of this network and task starts from."""
        return await self._sender.send(_endpoints.initialization(network, task))

    async def balance(self, weights: Sequence[Any] | Network) -> Analysis:
        """Measure how balanced weights are, first layer first."""
        return await self._sender.send(_endpoints.balance(weights))

    async def balance_statistics(
        self,
        dims: Sequence[int],
        scheme: str,
        *,
        gain: float | Sequence[float] = 1.0,
        samples: int = 1000,
        seed: int | None = None,
    ) -> Analysis:
        """Predict and sample the balance of random weights of three widths."""
        return await self._sender.send(_endpoints.balance_statistics(dims, scheme, gain, samples, seed))

    async def limits(
        self, *, network: Network, task: Task, tolerance: float = 1e-3, time_constant: float = 1.0
    ) -> Analysis:
        """Find where a balanced network of two layers ends, and when its excess loss is within a tolerance."""
        return await self._sender.send(_endpoints.limits(network, task, tolerance, time_constant))

    async def continual(
        self, *, network: Network, tasks: Sequence[Mapping[str, Any]], num: int = 200, time_constant: float = 1.0
    ) -> Analysis:
        """Train a balanced network of two layers on one task after the other."""
        return await self._sender.send(_endpoints.continual(network, tasks, num, time_constant))

    async def sweep(
        self,
        *,
        base: Mapping[str, Any],
        axes: Mapping[str, Sequence[Any] | Array],
        collect: str | Sequence[str] = ("final_loss",),
        tolerance: float = 1e-3,
    ) -> "AsyncJobHandle":
        """Answer one request at every point of a grid."""
        return await self._job(_endpoints.sweep(base, axes, collect, tolerance))

    async def experiment(self, name: str, **parameters: Any) -> "AsyncJobHandle":  # noqa: ANN401 (numbers, or lists)
        """Run an experiment of the thesis with its published parameters or others."""
        return await self._job(_endpoints.experiment(name, parameters))

    async def experiments(self) -> dict[str, ExperimentDescription]:
        """Names, protocols and parameters of all experiments."""
        return await self._sender.send(_endpoints.experiments())

    async def job(self, job_id: str) -> "AsyncJobHandle":
        """Find a job again."""
        return await self._job(_endpoints.job(job_id))

    async def jobs(self) -> "list[AsyncJobHandle]":
        """The latest jobs of the service, the latest first."""
        return [AsyncJobHandle(self._sender, job) for job in await self._sender.send(_endpoints.jobs())]

    async def about(self) -> dict[str, Any]:
        """Versions, methods, quantities and limits of the service."""
        return await self._sender.send(_endpoints.document("/v1/about"))

    async def openapi(self) -> dict[str, Any]:
        """The service's description of all its routes."""
        return await self._sender.send(_endpoints.document("/openapi.json"))

    async def close(self) -> None:
        """Close the connection, and end the private service if there is one."""
        await self._sender.close()
        if self._service is not None:
            await anyio.to_thread.run_sync(self._service.stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):  # what was started is also ended when its task is cancelled
            await self.close()

    def __getstate__(self) -> dict[str, Any]:
        """For copies, which have connections of their own, and do not own the private service."""
        return {**self.__dict__, "_sender": self._sender.another(), "_service": None}

    async def _job(self, call: Call[Job]) -> "AsyncJobHandle":
        return AsyncJobHandle(self._sender, await self._sender.send(call))


class AsyncJobHandle:
    """A job on a service; to await it is to await its result."""

    def __init__(self, sender: AsyncSender, job: Job) -> None:
        self._sender = sender
        self._job = job

    @property
    def id(self) -> str:
        """Name of the job, for `AsyncClient.job`."""
        return self._job.id

    async def status(self) -> Job:
        """Ask how far it is."""
        self._job = await self._sender.send(job_events.status(self.id))
        return self._job

    async def cancel(self) -> None:
        """Stop it; a job that has ended stays as it is."""
        self._job = await self._sender.send(job_events.cancel(self.id))

    async def wait(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> Job:
        """Wait for the end, whatever it is. Arguments as for `JobHandle.wait`."""
        self._job = await self._sender.run(job_events.waiting(self.id, progress, timeout_seconds))
        return self._job

    async def result(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> SweepResult:
        """Wait for the end and return the result. Arguments as for `JobHandle.result`."""
        return await self._sender.run(job_events.finishing(self.id, progress, timeout_seconds))

    async def figure(self, form: Literal["svg", "png"] = "svg") -> bytes:
        """The picture of an experiment that is done."""
        return await self._sender.send(job_events.figure(self.id, form))

    def __await__(self) -> Generator[Any, Any, SweepResult]:
        return self.result().__await__()

    def __repr__(self) -> str:
        return job_events.described("AsyncJobHandle", self._job)
