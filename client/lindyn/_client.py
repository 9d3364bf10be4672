"""The blocking client: arguments and results are numpy arrays."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

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
from lindyn._jobs import JobHandle
from lindyn._local_service import LocalService
from lindyn._public import public
from lindyn._questions import Questions
from lindyn._transport import connections
from lindyn._transport.address import PRIVATE_URL, address
from lindyn._transport.calls import DEFAULT_PATIENCE_SECONDS, DEFAULT_TIMEOUT_SECONDS, Call, Connection, Format, headers
from lindyn._transport.proxies import proxy_to
from lindyn._transport.send import Sender
from lindyn.results.analysis import Analysis
from lindyn.results.continual import Continual
from lindyn.results.limits import Limits
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Trajectory
from lindyn.wire.job import ExperimentDescription, Job


@public
class Client(Questions):
    """A connection to a service; use it as a context manager, or close it.

    Requests are retried only where that is safe; see the page on the client. Every method raises a subclass of
    `ProblemError` if the service refuses or fails, and `UnreachableError` if no service answers.

    Threads may share a client. Forks and pickles may be used too: each process makes its own connections. A pickle
    contains the key. A private service ends when the client that started it is closed.

    Args:
        url: address of the service; by default `LINDYN_URL`, else the one that `lindyn serve` uses.
        api_key: key that is sent as `Authorization: Bearer`; by default `LINDYN_API_KEY`, else none.
        timeout_seconds: longest wait for a reply.
        patience_seconds: time for which refused requests (429, 503) and lost connections are retried; 0 for no retry.
        answers: format of the replies, `npz` or `json`.
        transport: transport of httpx instead of TCP, such as an ASGI application in tests; or a function that makes
            one, for a client that several processes share.

    Raises:
        ConfigurationError: the address, the key, a proxy or `answers` is invalid, as an argument or in the
            environment.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
        answers: Format = "npz",
        transport: httpx.BaseTransport | Callable[[], httpx.BaseTransport] | None = None,
    ) -> None:
        self.url = address(url)
        proxy = proxy_to(self.url) if transport is None else None
        factory = connections.transport_factory(transport or partial(connections.tcp_transport, self.url, proxy))
        settings = connections.ConnectionSettings(self.url, headers(api_key, answers), timeout_seconds, factory)
        self._sender = Sender(Connection(self.url, patience_seconds, proxy), settings)
        self._service: LocalService | None = None

    @classmethod
    def local(cls, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, **settings: str | float) -> Self:
        """Start a private service on this machine, which ends when this client is closed.

        Args:
            timeout_seconds: longest wait for a reply.
            settings: settings of the service by name, such as `workers=1`.

        Raises:
            LocalServiceError: the service did not start, for instance because the extra `service` is not installed.
        """
        service = LocalService(settings)
        transport = partial(connections.unix_transport, str(service.socket))
        client = cls(PRIVATE_URL, timeout_seconds=timeout_seconds, transport=transport)
        client._service = service
        return client

    def trajectory(
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
        """Compute the trajectory of a network that learns a task.

        Args:
            network: for instance `lindyn.balanced([5, 5, 5], lam=2.0)` or `lindyn.weights(w1, w2)`.
            task: for instance `lindyn.data(x, y)`, or a correlation of targets and inputs (out, in).
            times: ascending, non-negative, or `{"start": 0, "stop": 10, "num": 200}`.
            quantities: name of a quantity, or several names.
            method: `auto`, `exact`, `flow`, or for instance `{"kind": "descent", "learning_rate": 0.01}`.
            time_constant: tau of the gradient flow, in the unit of times.
            learning_rates: one for each layer, which learns with it over `time_constant`; by default 1.
            schedule: factor of all rates, such as `{"kind": "cosine", "period": 10}`; also `exponential`, `piecewise`.
            weight_decay: gamma, of the loss with gamma / 2 times the squares of all weights added.
            evaluate: other tasks, whose losses and best times to stop are in `evaluation` of the result.

        Returns:
            The quantities as arrays with time first, and the method that computed them.
        """
        return self._sender.send(
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

    def stored(self, key: str) -> Trajectory:
        """Return a trajectory that the service has stored.

        Raises:
            NotFoundError: the service does not have it, or has removed it.
        """
        return self._sender.send(_endpoints.stored(key))

    def initialization(self, network: Network, task: Task | None = None) -> Analysis:
        """Return the `weights` of a trajectory at time 0, one for each layer, `lam`, `balance_residual` and seeds."""
        return self._sender.send(_endpoints.initialization(network, task))

    def balance(self, weights: Sequence[object] | Network) -> Analysis:
        """Measure the balance of weights, first layer first.

        Args:
            weights: matrices (width l+1, width l), or the return value of `lindyn.weights`.

        Returns:
            For each pair of adjacent layers `lam`, `residual`, `relative_residual`, `balanced` and `feasible`.
        """
        return self._sender.send(_endpoints.balance(weights))

    def balance_statistics(
        self,
        dims: Sequence[int],
        scheme: str,
        *,
        gain: float | Sequence[float] = 1.0,
        samples: int = 1000,
        seed: int | None = None,
    ) -> Analysis:
        """Predict and sample the balance of random weights of two layers.

        Returns:
            `predicted` and `sampled`, each with `mean` and `variance` (hidden, hidden), and `table`.
        """
        return self._sender.send(_endpoints.balance_statistics(dims, scheme, gain, samples, seed))

    def limits(
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
        """Compute the limits of learning of a balanced network or of modes that learn alone, and of its convergence.

        The state for t to infinity does not depend on a schedule, unless the integral of that is finite.

        Returns:
            `converged`, `convergence_time`, `effective_learning_rate`, `largest_learning_rate`,
            `lambda_to_infinity` and `shallow`, with pictures, tables and files.

        Raises:
            NotBalancedError, NotApplicableError: the closed form does not cover the request.
        """
        learning = {"learning_rates": learning_rates, "schedule": schedule, "weight_decay": weight_decay}
        fields = {"network": network, "task": task, "tolerance": tolerance, "time_constant": time_constant}
        return self._sender.send(_endpoints.limits(**fields, **learning))

    def continual(
        self, *, network: Network, tasks: Sequence[Fields], num: int = 200, time_constant: float = 1.0
    ) -> Continual:
        """Train a balanced network of two layers on tasks in sequence.

        Args:
            network: as for a trajectory.
            tasks: for instance `{"task": sigma_yx, "duration": 5.0}`; by default, training lasts until convergence.
            num: number of times in each segment, both ends included.
            time_constant: tau of the gradient flow, in the unit of times.

        Returns:
            `times`, `loss`, `rate` and `forgetting` (task, time), `segments` and `best_stopping`, with pictures, tables
            and files.

        Raises:
            NotBalancedError, NotApplicableError: the closed form does not cover the request.
        """
        return self._sender.send(_endpoints.continual(network, tasks, num, time_constant))

    def sweep(
        self, *, base: Fields, axes: Axes, collect: str | Sequence[str] = ("final_loss",), tolerance: float = 1e-3
    ) -> JobHandle[SweepResult]:
        """Compute trajectories at every point of a grid.

        Args:
            base: the arguments of `trajectory`; those that the axes set may be missing.
            axes: values by path, for instance `{"network.lambda": np.linspace(-5, 5, 11), "network.seed": range(40)}`.
            collect: scalars (`final_loss`, `convergence_time`, `ntk_movement`, ...) or quantities, one name or several.
            tolerance: excess loss that defines `convergence_time`.

        Returns:
            A job; `job.result()` waits for its labelled arrays, which have one dimension for each axis.
        """
        return self._job(_endpoints.sweep(base, axes, collect, tolerance))

    def experiment(self, name: str, **parameters: object) -> JobHandle[SweepResult]:
        """Run an experiment of the thesis, such as `figure-3.4`, with its published parameters or others.

        Raises:
            NotFoundError: there is no such experiment.
            RequestError: a parameter is unknown or out of bounds.
        """
        return self._job(_endpoints.experiment(name, parameters))

    def experiments(self) -> dict[str, ExperimentDescription]:
        """Return the descriptions of all experiments by name, with their protocols and parameters."""
        return self._sender.send(_endpoints.experiments())

    def job(self, job_id: str) -> JobHandle[Any]:
        """Return the handle of an existing job.

        Raises:
            NotFoundError: there is no such job, or it has expired.
        """
        return self._job(_endpoints.job(job_id))

    def jobs(self) -> list[JobHandle[Any]]:
        """Return handles of the latest jobs of the service, the latest first."""
        return [JobHandle(self._sender, job) for job in self._sender.send(_endpoints.jobs())]

    def about(self) -> Document:
        """Return the versions, methods, quantities and limits of the service."""
        return self._sender.send(_endpoints.document("/v1/about"))

    def openapi(self) -> Document:
        """Return the OpenAPI document of the service."""
        return self._sender.send(_endpoints.document("/openapi.json"))

    def close(self) -> None:
        """Close the connections, and end the private service if this client started one."""
        self._sender.close()
        if self._service is not None:
            self._service.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        """Return the state of a copy, which has connections of its own and does not own the private service."""
        return {**self.__dict__, "_sender": self._sender.with_own_connections(), "_service": None}

    def _job(self, call: Call[Job]) -> JobHandle[Any]:
        return JobHandle(self._sender, self._sender.send(call))
