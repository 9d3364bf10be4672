"""The client: requests with numpy arrays, answers as numpy arrays."""

import json
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from lindyn.arrays import split
from lindyn.errors import UnexpectedReplyError, UnreachableError, from_problem
from lindyn.jobs import JobHandle
from lindyn.local import LocalService
from lindyn.results import Analysis, Trajectory, analysis, trajectory
from lindyn.wire import npz
from lindyn.wire.job import ExperimentDescription, Experiments, Job
from lindyn.wire.problem import Problem

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_SECONDS = 90.0

_ANSWER_BYTES = 2**40  # answers come from a service that we chose: no bound but memory

Array = npt.NDArray[Any]


class Client:
    """A connection to a service; use it as a context manager, or close it.

    Args:
        url: address of the service; by default `LINDYN_URL`, else the one that `make serve` uses.
        timeout_seconds: longest wait for an answer.
        transport: another way to the service than TCP, such as an ASGI application in tests.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url or os.environ.get("LINDYN_URL") or DEFAULT_URL
        self._http = httpx.Client(
            base_url=self.url,
            timeout=timeout_seconds,
            transport=transport,
            headers={"Accept": npz.MEDIA_TYPE},
        )
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
        transport = httpx.HTTPTransport(uds=str(service.socket))
        client = cls("http://lindyn.local", timeout_seconds=timeout_seconds, transport=transport)
        client._service = service
        return client

    def trajectory(
        self,
        *,
        network: Mapping[str, Any] | BaseModel,
        task: Mapping[str, Any] | BaseModel | Array,
        times: Mapping[str, Any] | BaseModel | Array | Sequence[float],
        quantities: Sequence[str] = ("loss", "output"),
        method: str | Mapping[str, Any] | BaseModel = "auto",
        time_constant: float = 1.0,
    ) -> Trajectory:
        """Compute how a network learns a task.

        Args:
            network: for instance `{"kind": "balanced", "dims": [5, 5, 5], "lambda": 2.0}` or
                `{"kind": "weights", "weights": [w1, w2]}` with w1 (hidden, in) and w2 (out, hidden).
            task: for instance `{"kind": "data", "inputs": x, "targets": y, "whiten": True}`, or an input-output
                correlation (out, in).
            times: ascending, non-negative, or `{"start": 0, "stop": 10, "num": 200}`.
            quantities: what to return.
            method: `auto`, `exact`, `flow`, or for instance `{"kind": "descent", "learning_rate": 0.01}`.
            time_constant: tau, in the unit of times.

        Returns:
            The quantities as arrays with time first, and how they were computed.

        Raises:
            ProblemError: the service refuses or fails; one class per kind of problem.
            UnreachableError: no service answers.
        """
        request = {
            "network": network,
            "task": task,
            "times": times,
            "quantities": list(quantities),
            "method": method,
            "time_constant": time_constant,
        }
        return _trajectory(self._post("/v1/trajectories", request))

    def initialization(
        self, network: Mapping[str, Any] | BaseModel, task: Mapping[str, Any] | BaseModel | Array | None = None
    ) -> Analysis:
        """Draw the weights that a trajectory of this network and task starts from.

        Returns:
            `weights`, one matrix (width l+1, width l) for each layer, `lam`, `balance_residual` and the seeds.

        Raises:
            ProblemError: no such weights exist, or aligned ones are asked for without a task.
        """
        return self._analysis("/v1/initializations", {"network": network, "task": task})

    def balance(self, weights: Sequence[Array]) -> Analysis:
        """Measure how balanced weights are, first layer first.

        Returns:
            For each pair of adjacent layers `lam`, `residual`, `relative_residual`, `balanced` and `feasible`.
        """
        return self._analysis("/v1/balance", {"weights": list(weights)})

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
        request = {"dims": list(dims), "scheme": scheme, "gain": gain, "samples": samples, "seed": seed}
        return self._analysis("/v1/balance/statistics", request)

    def limits(
        self,
        *,
        network: Mapping[str, Any] | BaseModel,
        task: Mapping[str, Any] | BaseModel | Array,
        tolerance: float = 1e-3,
        time_constant: float = 1.0,
    ) -> Analysis:
        """Find where a balanced network of two layers ends, and when its excess loss is within a tolerance.

        Returns:
            `converged`, `convergence_time`, `effective_learning_rate`, `lambda_to_infinity` and `shallow`.

        Raises:
            NotBalancedError, NotApplicableError: the closed form does not cover it.
        """
        request = {"network": network, "task": task, "tolerance": tolerance, "time_constant": time_constant}
        return self._analysis("/v1/limits", request)

    def continual(
        self,
        *,
        network: Mapping[str, Any] | BaseModel,
        tasks: Sequence[Mapping[str, Any] | BaseModel],
        num: int = 200,
        time_constant: float = 1.0,
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
        request = {"network": network, "tasks": list(tasks), "num": num, "time_constant": time_constant}
        return self._analysis("/v1/continual", request)

    def sweep(
        self,
        *,
        base: Mapping[str, Any] | BaseModel,
        axes: Mapping[str, Sequence[Any] | Array],
        collect: Sequence[str] = ("final_loss",),
        tolerance: float = 1e-3,
    ) -> JobHandle:
        """Answer one request at every point of a grid.

        Args:
            base: a request for a trajectory, its fields as for `trajectory`; the axes may complete it.
            axes: values by path, for instance `{"network.lambda": np.linspace(-5, 5, 11), "network.seed": range(40)}`.
            collect: scalars (`final_loss`, `convergence_time`, `ntk_movement`, ...) or quantities.
            tolerance: excess loss that `convergence_time` waits for.

        Returns:
            A job; `job.result()` waits for labelled arrays, one dimension for each axis.

        Raises:
            ProblemError: the service refuses; the message names the axis.
        """
        named = [{"path": path, "values": _listed(values)} for path, values in axes.items()]
        request = {"base": base, "axes": named, "collect": list(collect), "tolerance": tolerance}
        return self._job(self._post("/v1/sweeps", request))

    def experiment(self, name: str, **parameters: Any) -> JobHandle:  # noqa: ANN401 (numbers, or lists of them)
        """Run an experiment of the thesis, such as `figure-3.4`, with its published parameters or others.

        Raises:
            NotFoundError: there is no such experiment.
            RequestError: a parameter is unknown or out of bounds.
        """
        return self._job(self._post(f"/v1/experiments/{name}", {"parameters": parameters}))

    def experiments(self) -> dict[str, ExperimentDescription]:
        """Names, protocols and parameters of all experiments."""
        found = Experiments.model_validate_json(self._send("GET", "/v1/experiments").content)
        return {each.name: each for each in found.experiments}

    def job(self, job_id: str) -> JobHandle:
        """Find a job again.

        Raises:
            NotFoundError: there is none, or it has expired.
        """
        return self._job(self._send("GET", f"/v1/jobs/{job_id}"))

    def openapi(self) -> dict[str, Any]:
        """The service's description of all its routes."""
        return self._send("GET", "/openapi.json").json()

    def stored(self, key: str) -> Trajectory:
        """Get an answer that the service still has.

        Raises:
            NotFoundError: it has not.
        """
        return _trajectory(self._send("GET", f"/v1/trajectories/{key}"))

    def about(self) -> dict[str, Any]:
        """Versions, methods, quantities and limits of the service."""
        response = self._send("GET", "/v1/about")
        try:
            return response.json()
        except ValueError as error:
            raise _unreadable(response, error) from error

    def close(self) -> None:
        """Close the connection, and end the private service if there is one."""
        self._http.close()
        if self._service is not None:
            self._service.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _job(self, response: httpx.Response) -> JobHandle:
        try:
            return JobHandle(self._send, Job.model_validate_json(response.content))
        except ValidationError as error:
            raise _unreadable(response, error) from error

    def _analysis(self, path: str, request: Mapping[str, Any]) -> Analysis:
        response = self._post(path, request)
        try:
            return analysis(*npz.unpack(response.content, largest_bytes=_ANSWER_BYTES))
        except npz.NpzError as error:
            raise _unreadable(response, error) from error

    def _post(self, path: str, request: Mapping[str, Any]) -> httpx.Response:
        metadata, arrays = split(request)
        if arrays:
            content, media_type = npz.pack(metadata, arrays), npz.MEDIA_TYPE
        else:  # with NaN and infinity, which the service refuses by their place
            content, media_type = json.dumps(metadata).encode(), "application/json"
        return self._send("POST", path, content=content, headers={"Content-Type": media_type})

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401 (httpx)
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise UnreachableError(
                f"no answer from {self.url}{path} ({type(error).__name__}: {error}); is the service running? "
                "Start one with `make serve`, or use lindyn.Client.local()"
            ) from error
        except httpx.DecodingError as error:
            raise UnexpectedReplyError(f"the answer from {self.url}{path} cannot be decompressed ({error})") from error
        if response.is_success:
            return response
        try:
            problem = Problem.model_validate_json(response.content)
        except ValidationError:
            raise UnexpectedReplyError(
                f"{self.url}{path} answered {response.status_code} with {response.headers.get('content-type')}, which "
                "is no problem of lindyn; is something else listening there, or a proxy between?"
            ) from None
        raise from_problem(problem)


def _listed(values: Sequence[Any] | Array) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)  # pyright: ignore


def _trajectory(response: httpx.Response) -> Trajectory:
    try:
        metadata, arrays = npz.unpack(response.content, largest_bytes=_ANSWER_BYTES)
        return trajectory(metadata, arrays, response.headers.get("x-cache", "unknown"))
    except (npz.NpzError, ValidationError, KeyError) as error:
        raise _unreadable(response, error) from error


def _unreadable(response: httpx.Response, error: Exception) -> UnexpectedReplyError:
    return UnexpectedReplyError(
        f"the answer from {response.url} cannot be read ({error}); do the versions of client and service fit?"
    )
