"""What a client can ask, as calls that either client sends."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import httpx
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from lindyn._transport.calls import JSON, Call
from lindyn._transport.job_events import read_job, status
from lindyn._transport.parts import split
from lindyn.arrays import plain
from lindyn.errors import ArgumentError
from lindyn.results.decode import analysis_reader, read_trajectory
from lindyn.results.trajectory import Analysis, Trajectory
from lindyn.wire import npz
from lindyn.wire.asymptotics import LimitsReply
from lindyn.wire.balance import BalanceReply, InitializationReply, StatisticsReply
from lindyn.wire.base import Reply
from lindyn.wire.continual import ContinualReply
from lindyn.wire.job import ExperimentDescription, Experiments, Job, Jobs

Array = npt.NDArray[Any]
Network = Mapping[str, Any] | BaseModel
"""What `lindyn.balanced`, `random` and `weights` give, or the same by hand."""
Task = Mapping[str, Any] | BaseModel | Array | Sequence[Sequence[float]]
"""What `lindyn.data`, `semantic` and others give, or a correlation of targets and inputs (out, in)."""
Times = Mapping[str, Any] | BaseModel | Array | Sequence[float]
"""Ascending and non-negative, or `{"start": 0, "stop": 10, "num": 200}`."""
Method = str | Mapping[str, Any] | BaseModel

T = TypeVar("T")


def trajectory(**request: Any) -> Call[Trajectory]:  # noqa: ANN401 (fields of any type)
    """How a network learns."""
    return _post("/v1/trajectories", _with_lists(request), read_trajectory)


def stored(key: str) -> Call[Trajectory]:
    """An answer that the service still has."""
    return Call("GET", f"/v1/trajectories/{key}", read_trajectory)


def initialization(network: Network, task: Task | None) -> Call[Analysis]:
    """The weights that a trajectory starts from."""
    return _analysis("/v1/initializations", InitializationReply, network=network, task=task)


def balance(weights: Sequence[Any] | Network) -> Call[Analysis]:
    """How balanced weights are."""
    matrices = weights["weights"] if isinstance(weights, Mapping) else weights
    return _analysis("/v1/balance", BalanceReply, weights=matrices)


def balance_statistics(
    dims: Sequence[int], scheme: str, gain: float | Sequence[float], samples: int, seed: int | None
) -> Call[Analysis]:
    """How balanced random weights are."""
    fields = {"dims": dims, "scheme": scheme, "gain": gain, "samples": samples, "seed": seed}
    return _analysis("/v1/balance/statistics", StatisticsReply, **fields)


def limits(network: Network, task: Task, tolerance: float, time_constant: float) -> Call[Analysis]:
    """Where a network ends."""
    fields = {"network": network, "task": task, "tolerance": tolerance, "time_constant": time_constant}
    return _analysis("/v1/limits", LimitsReply, **fields)


def continual(network: Network, tasks: Sequence[Mapping[str, Any]], num: int, time_constant: float) -> Call[Analysis]:
    """One task after the other."""
    fields = {"network": network, "tasks": tasks, "num": num, "time_constant": time_constant}
    return _analysis("/v1/continual", ContinualReply, **fields)


def sweep(
    base: Mapping[str, Any], axes: Mapping[str, Sequence[Any] | Array], collect: str | Sequence[str], tolerance: float
) -> Call[Job]:
    """A job over a grid."""
    named = [{"path": path, "values": _listed(f"axes[{path!r}]", values)} for path, values in axes.items()]
    request = {"base": _with_lists(base), "axes": named, "collect": _names(collect), "tolerance": tolerance}
    return _post("/v1/sweeps", request, read_job, repeatable=False)


def experiment(name: str, parameters: Mapping[str, Any]) -> Call[Job]:
    """A job of the thesis."""
    return _post(f"/v1/experiments/{name}", {"parameters": parameters}, read_job, repeatable=False)


def experiments() -> Call[dict[str, ExperimentDescription]]:
    """All experiments by their names."""
    return Call("GET", "/v1/experiments", _read_experiments)


def job(job_id: str) -> Call[Job]:
    """A job that somebody created."""
    return status(job_id)


def jobs() -> Call[list[Job]]:
    """The latest jobs."""
    return Call("GET", "/v1/jobs", lambda response: Jobs.model_validate_json(response.content).jobs)


def document(path: str) -> Call[dict[str, Any]]:
    """Plain JSON."""
    return Call("GET", path, httpx.Response.json)


def _analysis(path: str, model: type[Reply], **request: Any) -> Call[Analysis]:  # noqa: ANN401 (of any type)
    return _post(path, request, analysis_reader(model))


def _read_experiments(response: httpx.Response) -> dict[str, ExperimentDescription]:
    return {each.name: each for each in Experiments.model_validate_json(response.content).experiments}


def _post(
    path: str, request: Mapping[str, Any], read: Callable[[httpx.Response], T], *, repeatable: bool = True
) -> Call[T]:
    metadata, arrays = split(request)
    if arrays:
        return Call("POST", path, read, npz.pack(metadata, arrays), npz.MEDIA_TYPE, repeatable)
    # with NaN and infinity, which the service refuses by their place
    return Call("POST", path, read, json.dumps(metadata).encode(), JSON, repeatable)


def _with_lists(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """One name of a quantity is short for a list of it."""
    return {name: _names(value) if name == "quantities" else value for name, value in request.items()}


def _names(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names


def _listed(name: str, values: Sequence[Any] | Array) -> list[Any]:
    """The values of an axis; text and mappings are one value each, not several."""
    several = plain(name, list(values) if _are_several(values) else values)
    if isinstance(several, np.ndarray):
        several = several.tolist()
    if not isinstance(several, list):
        raise ArgumentError(f"{name}: got a {type(values).__name__}, expected a list of values; for one, a list of it")
    return cast("list[Any]", several)


def _are_several(values: object) -> bool:
    """Whether values are to be taken one by one: sets and generators, but neither arrays nor what a value can be."""
    array = hasattr(values, "__array__") or hasattr(values, "toarray")
    return isinstance(values, Iterable) and not array and not isinstance(values, Mapping | Sequence | BaseModel)
