"""The routes of the service as calls, which either client sends."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import httpx
import numpy as np
from pydantic import BaseModel

from lindyn._fit_models import free_fields, model_fields, with_ready_made_models
from lindyn._transport.calls import Call
from lindyn._transport.job_events import read_job, status
from lindyn._transport.paths import path_of
from lindyn.arrays import as_tree
from lindyn.errors import ArgumentError
from lindyn.results.analysis import Analysis, analysis_from_document
from lindyn.results.continual import Continual, continual_from_document
from lindyn.results.decode import analysis_reader, read_ensemble, read_trajectory
from lindyn.results.design import Design, design_from_document
from lindyn.results.ensemble import Ensemble
from lindyn.results.limits import Limits, limits_from_document
from lindyn.results.trajectory import Trajectory
from lindyn.wire import npz
from lindyn.wire.asymptotics import LimitsReply
from lindyn.wire.balance import BalanceReply, InitializationReply, StatisticsReply
from lindyn.wire.base import JSON_MEDIA_TYPE, Reply
from lindyn.wire.continual import ContinualReply
from lindyn.wire.design import DesignReply
from lindyn.wire.job import ExperimentDescription, Experiments, Job, Jobs
from lindyn.wire.tree import Array, Tree, split

Fields: TypeAlias = Mapping[str, object]
"""Fields of a request or of a part of it; their values may be arrays of any library."""
Network: TypeAlias = Fields | BaseModel
"""The return value of `lindyn.balanced`, `random` or `weights`, or the same fields written by hand."""
Task: TypeAlias = Fields | BaseModel | Array | Sequence[Sequence[float]]
"""The return value of `lindyn.data`, `semantic` and others, or a correlation of targets and inputs (out, in)."""
Times: TypeAlias = Fields | BaseModel | Array | Sequence[float]
"""Ascending non-negative times, or `{"start": 0, "stop": 10, "num": 200}`."""
Method: TypeAlias = str | Fields | BaseModel
Document: TypeAlias = dict[str, Any]
"""A JSON document of the service, whose fields depend on its version."""
LearningRates: TypeAlias = Array | Sequence[float]
Schedule: TypeAlias = Fields | BaseModel
Axes: TypeAlias = Mapping[str, Sequence[object] | Array]
Free: TypeAlias = Mapping[str, Sequence[float] | Fields] | Sequence[Fields]
"""Bounds, or the fields of a free parameter, by path."""
Models: TypeAlias = Sequence[str | Fields]
"""Names of ready-made models, or fields of models."""

T = TypeVar("T")


def trajectory(**fields: object) -> Call[Trajectory]:
    """Request a trajectory; fields that say nothing are left out, so that older services answer, too."""
    return _post("/v1/trajectories", _with_quantity_list(_without_defaults(fields)), read_trajectory)


def stored(key: str) -> Call[Trajectory]:
    """Request a trajectory that the service has stored."""
    return Call("GET", path_of("/v1/trajectories", "key", key), read_trajectory)


def initialization(network: Network, task: Task | None) -> Call[Analysis]:
    """Request the initial weights of a trajectory."""
    return _analysis("/v1/initializations", InitializationReply, network=network, task=task)


def balance(weights: Sequence[object] | Network) -> Call[Analysis]:
    """Request the balance of given weights."""
    matrices = weights.get("weights") if isinstance(weights, Mapping) else weights
    if matrices is None and isinstance(weights, Mapping):
        raise ArgumentError(
            f"weights: got a network of kind {weights.get('kind')!r}, expected matrices or those of lindyn.weights; "
            "the weights of another network are client.initialization(network, task).weights"
        )
    return _analysis("/v1/balance", BalanceReply, weights=matrices)


def balance_statistics(
    dims: Sequence[int], scheme: str, gain: float | Sequence[float], samples: int, seed: int | None
) -> Call[Analysis]:
    """Request the statistics of the balance of random weights."""
    fields = {"dims": dims, "scheme": scheme, "gain": gain, "samples": samples, "seed": seed}
    return _analysis("/v1/balance/statistics", StatisticsReply, **fields)


def limits(**fields: object) -> Call[Limits]:
    """Request the limits of learning; fields that say nothing are left out, as of a trajectory."""
    return _post("/v1/limits", _without_defaults(fields), analysis_reader(LimitsReply, limits_from_document))


def continual(network: Network, tasks: Sequence[Fields], num: int, time_constant: float) -> Call[Continual]:
    """Request the losses of tasks that are trained in sequence."""
    fields = {"network": network, "tasks": tasks, "num": num, "time_constant": time_constant}
    return _post("/v1/continual", fields, analysis_reader(ContinualReply, continual_from_document))


def ensemble(
    base: Fields, replicates: int, first_seed: int, vary: str | Sequence[str], quantiles: Sequence[float] | Array
) -> Call[Ensemble]:
    """Request statistics over trajectories that differ in their seeds."""
    levels = as_tree("quantiles", quantiles)
    fields = {
        "base": _with_quantity_list(base),
        "replicates": replicates,
        "first_seed": first_seed,
        "vary": _as_list(vary),
        "quantiles": levels.tolist() if isinstance(levels, np.ndarray) else levels,
    }
    return _post("/v1/ensembles", fields, read_ensemble)


def design(base: Fields, vary: Fields, target: Fields, tolerance: float) -> Call[Design]:
    """Request the values of a parameter at which a scalar meets a target."""
    fields = {"base": _with_quantity_list(base), "vary": vary, "target": target, "tolerance": tolerance}
    return _post("/v1/designs", fields, analysis_reader(DesignReply, design_from_document))


def sweep(base: Fields, axes: Axes, collect: str | Sequence[str], tolerance: float) -> Call[Job]:
    """Create the job of a sweep."""
    if not isinstance(axes, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] (callers without types)
        raise ArgumentError(
            f"axes: got a value of type {type(axes).__name__}, expected a mapping of paths to values, such as "
            '{"network.lambda": [-1, 0, 1]}'
        )
    named = [{"path": path, "values": _axis_values(f"axes[{path!r}]", values)} for path, values in axes.items()]
    names = _as_list(collect)
    fields = {"base": _with_quantity_list(base), "axes": named, "collect": names, "tolerance": tolerance}
    return _post("/v1/sweeps", fields, read_job, repeatable=False)


def trajectory_document(document: Fields) -> Call[Trajectory]:
    """Request a trajectory with the fields of a JSON document, which the service checks."""
    return _post("/v1/trajectories", document, read_trajectory)


def sweep_document(document: Fields) -> Call[Job]:
    """Create the job of a sweep with the fields of a JSON document, which the service checks."""
    return _post("/v1/sweeps", document, read_job, repeatable=False)


def fit_document(document: Fields) -> Call[Job]:
    """Create the job of a fit with the fields of a JSON document, in which ready-made models may be named."""
    return _post("/v1/fits", with_ready_made_models(document), read_job, repeatable=False)


def fit(base: Fields, observations: Fields | Sequence[Fields], free: Free, models: Models, starts: int) -> Call[Job]:
    """Create the job of a fit; curves are sent as lists, since an archive would have an entry for each."""
    curves = [observations] if isinstance(observations, Mapping) else _listed("observations", observations)
    fields = {
        "base": base,
        "observations": [_with_lists(f"observations[{i}]", each) for i, each in enumerate(curves)],
        "free": free_fields(free if isinstance(free, Mapping) else _listed("free", free)),
        "models": [model_fields(each, base) for each in _listed("models", _as_list(models))],
        "starts": starts,
    }
    return _post("/v1/fits", fields, read_job, repeatable=False)


def experiment(name: str, parameters: Fields) -> Call[Job]:
    """Create the job of an experiment."""
    return _post(path_of("/v1/experiments", "name", name), {"parameters": parameters}, read_job, repeatable=False)


def experiments() -> Call[dict[str, ExperimentDescription]]:
    """Request the descriptions of all experiments, by name."""
    return Call("GET", "/v1/experiments", _read_experiments)


def job(job_id: str) -> Call[Job]:
    """Request the state of an existing job."""
    return status(job_id)


def jobs() -> Call[list[Job]]:
    """Request the latest jobs."""
    return Call("GET", "/v1/jobs", lambda response: Jobs.model_validate_json(response.content).jobs)


def document(path: str) -> Call[Document]:
    """Request a JSON document."""
    return Call("GET", path, httpx.Response.json)


def _analysis(path: str, model: type[Reply], **fields: object) -> Call[Analysis]:
    return _post(path, fields, analysis_reader(model, analysis_from_document))


def _read_experiments(response: httpx.Response) -> dict[str, ExperimentDescription]:
    return {each.name: each for each in Experiments.model_validate_json(response.content).experiments}


def _post(path: str, fields: Fields, read: Callable[[httpx.Response], T], *, repeatable: bool = True) -> Call[T]:
    metadata, arrays = split({name: as_tree(name, value) for name, value in fields.items()})
    if arrays:
        return Call("POST", path, read, npz.pack(metadata, arrays), npz.MEDIA_TYPE, repeatable)
    # json.dumps writes NaN and infinity, so that the service can refuse them with their path
    return Call("POST", path, read, json.dumps(metadata).encode(), JSON_MEDIA_TYPE, repeatable)


def _with_quantity_list(fields: Fields) -> Fields:
    """Expand a single name of a quantity to a list; what has no fields is left to the service to refuse."""
    if not isinstance(fields, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] (callers without types)
        return fields
    return {name: _as_list(value) if name == "quantities" else value for name, value in fields.items()}


def _without_defaults(fields: Fields) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None and not _is_no_decay(name, value)}


def _is_no_decay(name: str, value: object) -> bool:
    return name == "weight_decay" and type(value) in (int, float) and value == 0


def _listed(argument: str, entries: object) -> list[Any]:
    if isinstance(entries, str | bytes) or not isinstance(entries, Iterable):
        raise ArgumentError(f"{argument}: got a value of type {type(entries).__name__}, expected a list")
    return list(cast("Iterable[Any]", entries))


def _as_list(names: object) -> object:
    return [names] if isinstance(names, str) else names


def _with_lists(argument: str, fields: Fields) -> Fields:
    """Return fields with lists for arrays, pandas series and the like; the service refuses what has no fields."""
    if not isinstance(fields, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] (callers without types)
        return fields
    trees = {name: as_tree(f"{argument}.{name}", value) for name, value in fields.items()}
    return {name: tree.tolist() if isinstance(tree, np.ndarray) else tree for name, tree in trees.items()}


def _axis_values(argument: str, values: Sequence[object] | Array) -> list[Tree]:
    """Return the values of an axis as a list; text and mappings are one value, not several."""
    tree = as_tree(argument, list(values) if _is_plain_iterable(values) else values)
    if isinstance(tree, np.ndarray):
        return tree.tolist()
    if not isinstance(tree, list):
        raise ArgumentError(
            f"{argument}: got a {type(values).__name__}, expected a list of values; for one, a list of it"
        )
    return tree


def _is_plain_iterable(values: object) -> bool:
    """Return whether values are a set, a generator or the like, which is no array and no value by itself."""
    is_array = hasattr(values, "__array__") or hasattr(values, "toarray")
    return isinstance(values, Iterable) and not is_array and not isinstance(values, Mapping | Sequence | BaseModel)
