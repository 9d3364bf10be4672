"""The blocking client: requests with numpy arrays, answers as numpy arrays."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx

from lindyn import _endpoints
from lindyn._endpoints import Array, Method, Network, Task, Times
from lindyn._jobs import JobHandle
from lindyn._local_service import LocalService
from lindyn._transport import connections
from lindyn._transport.address import PRIVATE_URL, address
from lindyn._transport.calls import DEFAULT_PATIENCE_SECONDS, DEFAULT_TIMEOUT_SECONDS, Call, Connection, Format, headers
from lindyn._transport.proxies import proxy_to
from lindyn._transport.send import Sender
from lindyn.results.trajectory import Analysis, Trajectory
from lindyn.wire.job import ExperimentDescription, Job


class Client:
    """A connection to a service; use it as a context manager, or close it.

    Requests are repeated only where that is safe, see the page on the client. Everything raises `ProblemError`, one
    class for each kind of problem, where the service refuses or fails, and `UnreachableError` where none answers.

    Threads may share a client. So may forks, and other processes that it is pickled for, with its key: each makes its
    own connections, and a private service ends with the client that started it.

    Args:
        url: address of the service; by default `LINDYN_URL`, else the one that `make serve` uses.
        api_key: sent as `Authorization: Bearer`; by default `LINDYN_API_KEY`, else none.
        timeout_seconds: longest wait for an answer.
        patience_seconds: how long refusals (429, 503) and lost connections are ridden out; 0 raises them at once.
        answers: how answers travel, `npz` or `json`.
        transport: another way to the service than TCP, such as an ASGI application in tests; or a function that makes
            one, for a client that several processes share.

    Raises:
        ConfigurationError: the address, the key, a proxy or `answers` cannot be used, be they given here or by the
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
        made_by = connections.given(transport or partial(connections.tcp, self.url, proxy))
        way = connections.Way(self.url, headers(api_key, answers), timeout_seconds, made_by)
        self._sender = Sender(Connection(self.url, patience_seconds, proxy), way)
        self._service: LocalService | None = None

    @classmethod
    def local(cls, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, **settings: str | float) -> Self:
        """Start a private service on this machine, for as long as this client is open.

        Args:
            timeout_seconds: longest wait for an answer.
            settings: settings of the service by their name, such as `workers=1`.

        Raises:
            LocalServiceError: the service did not start; needs the package's extra `service`.
        """
        service = LocalService(settings)
        transport = partial(connections.socket, str(service.socket))
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
    ) -> Trajectory:
        """Compute how a network learns a task.

        Args:
            network: for instance `lindyn.balanced([5, 5, 5], lam=2.0)` or `lindyn.weights(w1, w2)`.
            task: for instance `lindyn.data(x, y)`, or a correlation of targets and inputs (out, in).
            times: ascending, non-negative, or `{"start": 0, "stop": 10, "num": 200}`.
            quantities: what to return, one name or several.
            method: `auto`, `exact`, `flow`, or for instance `{"kind": "descent", "learning_rate": 0.01}`.
            time_constant: tau, in the unit of times.

        Returns:
            The quantities as arrays with time first, and how they were computed.
        """
        return self._sender.send(
            _endpoints.trajectory(
                network=network,
                task=task,
                times=times,
                quantities=quantities,
                method=method,
                time_constant=time_constant,
            )
        )

    def stored(self, key: str) -> Trajectory:
        """Get an answer that the service still has.

        Raises:
            NotFoundError: it has not.
        """
        return self._sender.send(_endpoints.stored(key))

    def initialization(self, network: Network, task: Task | None = None) -> Analysis:
        """Draw the weights that a trajectory of this network and task starts from.

        Returns:
            `weights`, one matrix (width l+1, width l) for each layer, `lam`, `balance_residual` and the seeds.
        """
        return self._sender.send(_endpoints.initialization(network, task))

    def balance(self, weights: Sequence[Any] | Network) -> Analysis:
        """Measure how balanced weights are, first layer first.

        Args:
            weights: matrices (width l+1, width l), or what `lindyn.weights` gives.

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
        """Predict and sample the balance of random weights of three widths.

        Returns:
            `predicted` and `sampled`, each with `mean` and `variance` (hidden, hidden), and `table`.
        """
        return self._sender.send(_endpoints.balance_statistics(dims, scheme, gain, samples, seed))

    def limits(self, *, network: Network, task: Task, tolerance: float = 1e-3, time_constant: float = 1.0) -> Analysis:
        """Find where a balanced network of two layers ends, and when its excess loss is within a tolerance.

        Returns:
            `converged`, `convergence_time`, `effective_learning_rate`, `lambda_to_infinity` and `shallow`.

        Raises:
            NotBalancedError, NotApplicableError: the closed form does not cover it.
        """
        return self._sender.send(_endpoints.limits(network, task, tolerance, time_constant))

    def continual(
        self, *, network: Network, tasks: Sequence[Mapping[str, Any]], num: int = 200, time_constant: float = 1.0
    ) -> Analysis:
        """Train a balanced network of two layers on one task after the other.

        Args:
            network: as for a trajectory.
            tasks: for instance `{"task": sigma_yx, "duration": 5.0}`; without a duration until it has converged.
            num: times in each segment, both ends included.
            time_constant: tau, in the unit of times.

        Returns:
            `times`, `loss`, `rate` and `forgetting` (task, time), `segments` and `best_stopping`.

        Raises:
            NotBalancedError, NotApplicableError: the closed form does not cover it.
        """
        return self._sender.send(_endpoints.continual(network, tasks, num, time_constant))

    def sweep(
        self,
        *,
        base: Mapping[str, Any],
        axes: Mapping[str, Sequence[Any] | Array],
        collect: str | Sequence[str] = ("final_loss",),
        tolerance: float = 1e-3,
    ) -> JobHandle:
        """Answer one request at every point of a grid.

        Args:
            base: a request for a trajectory, its fields as for `trajectory`; the axes may complete it.
            axes: values by path, for instance `{"network.lambda": np.linspace(-5, 5, 11), "network.seed": range(40)}`.
            collect: scalars (`final_loss`, `convergence_time`, `ntk_movement`, ...) or quantities, one name or several.
            tolerance: excess loss that `convergence_time` waits for.

        Returns:
            A job; `job.result()` waits for labelled arrays, one dimension for each axis.
        """
        return self._job(_endpoints.sweep(base, axes, collect, tolerance))

    def experiment(self, name: str, **parameters: Any) -> JobHandle:  # noqa: ANN401 (numbers, or lists of them)
        """Run an experiment of the thesis, such as `figure-3.4`, with its published parameters or others.

        Raises:
            NotFoundError: there is no such experiment.
            RequestError: a parameter is unknown or out of bounds.
        """
        return self._job(_endpoints.experiment(name, parameters))

    def experiments(self) -> dict[str, ExperimentDescription]:
        """Names, protocols and parameters of all experiments."""
        return self._sender.send(_endpoints.experiments())

    def job(self, job_id: str) -> JobHandle:
        """Find a job again.

        Raises:
            NotFoundError: there is none, or it has expired.
        """
        return self._job(_endpoints.job(job_id))

    def jobs(self) -> list[JobHandle]:
        """The latest jobs of the service, the latest first."""
        return [JobHandle(self._sender, job) for job in self._sender.send(_endpoints.jobs())]

    def about(self) -> dict[str, Any]:
        """Versions, methods, quantities and limits of the service."""
        return self._sender.send(_endpoints.document("/v1/about"))

    def openapi(self) -> dict[str, Any]:
        """The service's description of all its routes."""
        return self._sender.send(_endpoints.document("/openapi.json"))

    def close(self) -> None:
        """Close the connection, and end the private service if there is one."""
        self._sender.close()
        if self._service is not None:
            self._service.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """For copies, which have connections of their own, and do not own the private service."""
        return {**self.__dict__, "_sender": self._sender.another(), "_service": None}

    def _job(self, call: Call[Job]) -> JobHandle:
        return JobHandle(self._sender, self._sender.send(call))
