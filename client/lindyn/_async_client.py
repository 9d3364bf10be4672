"""The asynchronous client, for asyncio and trio: the methods of `Client` as coroutines."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import anyio.to_thread
import httpx

from lindyn import _endpoints
from lindyn._endpoints import (
    Axes,
    Document,
    Fields,
    LearningRates,
    Method,
    Network,
    Schedule,
    Task,
    Times,
)
from lindyn._jobs import AsyncJobHandle
from lindyn._local_service import LocalService
from lindyn._public import public
from lindyn._questions import AsyncQuestions
from lindyn._transport import connections
from lindyn._transport.address import PRIVATE_URL, address
from lindyn._transport.calls import DEFAULT_PATIENCE_SECONDS, DEFAULT_TIMEOUT_SECONDS, Call, Connection, Format, headers
from lindyn._transport.proxies import proxy_to
from lindyn._transport.send import AsyncSender
from lindyn.results.analysis import Analysis
from lindyn.results.continual import Continual
from lindyn.results.limits import Limits
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Trajectory
from lindyn.wire.job import ExperimentDescription, Job


@public
class AsyncClient(AsyncQuestions):
    """A connection to a service; use it as an asynchronous context manager, or close it.

    The arguments are those of `Client`.

    Several event loops may use one client, one after the other or in several threads. Each loop has connections of its
    own, which are closed when the loop ends.
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
        factory = connections.transport_factory(transport or partial(connections.async_tcp_transport, self.url, proxy))
        settings = connections.ConnectionSettings(self.url, headers(api_key, answers), timeout_seconds, factory)
        self._sender = AsyncSender(Connection(self.url, patience_seconds, proxy), settings)
        self._service: LocalService | None = None

    @classmethod
    async def local(cls, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, **settings: str | float) -> Self:
        """Start a private service on this machine, which ends when this client is closed.

        Raises:
            LocalServiceError: the service did not start, for instance because the extra `service` is not installed.
        """
        service = await anyio.to_thread.run_sync(LocalService, settings)
        transport = partial(connections.async_unix_transport, str(service.socket))
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
        learning_rates: LearningRates | None = None,
        schedule: Schedule | None = None,
        weight_decay: float = 0.0,
        evaluate: Sequence[Task] | None = None,
    ) -> Trajectory:
        """Compute the trajectory of a network that learns a task."""
        return await self._sender.send(
            _endpoints.trajectory(
                network=network,
                task=task,
                times=times,
                quantities=quantities,
                method=method,
                time_constant=time_constant,
                learning_rates=learning_rates,
                schedule=schedule,
                weight_decay=weight_decay,
                evaluate=evaluate,
            )
        )

    async def stored(self, key: str) -> Trajectory:
        """Return a trajectory that the service has stored."""
        return await self._sender.send(_endpoints.stored(key))

    async def initialization(self, network: Network, task: Task | None = None) -> Analysis:
        """Return the initial weights of a trajectory of this network and task."""
        return await self._sender.send(_endpoints.initialization(network, task))

    async def balance(self, weights: Sequence[object] | Network) -> Analysis:
        """Measure the balance of weights, first layer first."""
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
        """Predict and sample the balance of random weights of two layers."""
        return await self._sender.send(_endpoints.balance_statistics(dims, scheme, gain, samples, seed))

    async def limits(
        self,
        *,
        network: Network,
        task: Task,
        tolerance: float = 1e-3,
        time_constant: float = 1.0,
        learning_rates: LearningRates | None = None,
        schedule: Schedule | None = None,
        weight_decay: float = 0.0,
    ) -> Limits:
        """Compute the limits of learning of a balanced network or of modes that learn alone, and of its convergence."""
        learning = {"learning_rates": learning_rates, "schedule": schedule, "weight_decay": weight_decay}
        fields = {"network": network, "task": task, "tolerance": tolerance, "time_constant": time_constant}
        return await self._sender.send(_endpoints.limits(**fields, **learning))

    async def continual(
        self, *, network: Network, tasks: Sequence[Fields], num: int = 200, time_constant: float = 1.0
    ) -> Continual:
        """Train a balanced network of two layers on tasks in sequence."""
        return await self._sender.send(_endpoints.continual(network, tasks, num, time_constant))

    async def sweep(
        self,
        *,
        base: Fields,
        axes: Axes,
        collect: str | Sequence[str] = ("final_loss",),
        tolerance: float = 1e-3,
    ) -> AsyncJobHandle[SweepResult]:
        """Compute trajectories at every point of a grid."""
        return await self._job(_endpoints.sweep(base, axes, collect, tolerance))

    async def experiment(self, name: str, **parameters: object) -> AsyncJobHandle[SweepResult]:
        """Run an experiment of the thesis with its published parameters or others."""
        return await self._job(_endpoints.experiment(name, parameters))

    async def experiments(self) -> dict[str, ExperimentDescription]:
        """Return the descriptions of all experiments by name, with their protocols and parameters."""
        return await self._sender.send(_endpoints.experiments())

    async def job(self, job_id: str) -> AsyncJobHandle[Any]:
        """Return the handle of an existing job."""
        return await self._job(_endpoints.job(job_id))

    async def jobs(self) -> list[AsyncJobHandle[Any]]:
        """Return handles of the latest jobs of the service, the latest first."""
        return [AsyncJobHandle(self._sender, job) for job in await self._sender.send(_endpoints.jobs())]

    async def about(self) -> Document:
        """Return the versions, methods, quantities and limits of the service."""
        return await self._sender.send(_endpoints.document("/v1/about"))

    async def openapi(self) -> Document:
        """Return the OpenAPI document of the service."""
        return await self._sender.send(_endpoints.document("/openapi.json"))

    async def close(self) -> None:
        """Close the connections, and end the private service if this client started one."""
        await self._sender.close()
        if self._service is not None:
            await anyio.to_thread.run_sync(self._service.stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        with anyio.CancelScope(shield=True):  # a cancelled task must also end its private service
            await self.close()

    def __getstate__(self) -> dict[str, object]:
        """Return the state of a copy, which has connections of its own and does not own the private service."""
        return {**self.__dict__, "_sender": self._sender.with_own_connections(), "_service": None}

    async def _job(self, call: Call[Job]) -> AsyncJobHandle[Any]:
        return AsyncJobHandle(self._sender, await self._sender.send(call))
