"""Decoding of replies, npz or JSON, to results."""

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import TypeVar, cast, get_args

import httpx
import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from lindyn.results.ensemble import Ensemble, ensemble_from_parts
from lindyn.results.fit import FIT, Fit, fit_from_document, fit_from_parts
from lindyn.results.grid import Coordinate, FailedPoint, WarnedPoints
from lindyn.results.io import unpack
from lindyn.results.sweep import SweepResult, sweep_result_from_parts
from lindyn.results.trajectory import Trajectory, trajectory_from_parts
from lindyn.wire.array import ARRAYS
from lindyn.wire.base import JSON_MEDIA_TYPE, Reply
from lindyn.wire.job import TableReply
from lindyn.wire.tree import JSON, Tree, array_from_lists, arrays_from_lists, flatten, unflatten

T = TypeVar("T")


def read_trajectory(response: httpx.Response) -> Trajectory:
    """Decode a trajectory response."""
    cache = response.headers.get("X-Cache", "unknown")
    if not _is_json(response):
        return trajectory_from_parts(*unpack(response.content), cache)
    document = from_json(response.content)
    quantities: dict[str, JSON] = document.pop("quantities")
    arrays = flatten({name: arrays_from_lists(name, value) for name, value in quantities.items()})
    times = array_from_lists(document.pop("times"))
    if document.get("evaluation") is not None:
        arrays["evaluation.loss"] = array_from_lists(document["evaluation"].pop("loss"))
    return trajectory_from_parts(document, {"times": times, **arrays}, cache)


def read_ensemble(response: httpx.Response) -> Ensemble:
    """Decode an ensemble response."""
    cache = response.headers.get("X-Cache", "unknown")
    if not _is_json(response):
        return ensemble_from_parts(*unpack(response.content), cache)
    document = from_json(response.content)
    trees: dict[str, JSON] = {**document.pop("quantities"), "wide": document.pop("wide")}
    arrays = flatten({name: _statistics(name, tree) for name, tree in trees.items() if tree is not None})
    return ensemble_from_parts(document, {"times": array_from_lists(document.pop("times")), **arrays}, cache)


def _statistics(name: str, tree: JSON) -> Tree:
    """Return nested lists of statistics as arrays; those of `weights` are a list over the layers."""
    if isinstance(tree, Sequence) and tree and isinstance(tree[0], Mapping):
        return {str(i): arrays_from_lists(name, layer) for i, layer in enumerate(tree)}
    return arrays_from_lists(name, tree)


def read_result(response: httpx.Response) -> SweepResult | Fit:
    """Decode the result of a job."""
    if _is_json(response):
        document: dict[str, JSON] = from_json(response.content)
        if document.get("kind") == FIT:
            return fit_from_document(document)
        return _sweep_result(TableReply.model_validate(document))
    metadata, arrays = unpack(response.content)
    return (
        fit_from_parts(metadata, arrays) if metadata.get("kind") == FIT else sweep_result_from_parts(metadata, arrays)
    )


def analysis_reader(model: type[Reply], build: Callable[[dict[str, Tree]], T]) -> Callable[[httpx.Response], T]:
    """Return the decoder of replies that this model describes, which builds results of documents with arrays."""

    def read_analysis(response: httpx.Response) -> T:
        if _is_json(response):
            return build(_with_arrays(model, from_json(response.content)))
        metadata, arrays = unpack(response.content)
        return build(unflatten(arrays, metadata))

    return read_analysis


def _is_json(response: httpx.Response) -> bool:
    return response.headers.get("Content-Type", "").partition(";")[0].strip() == JSON_MEDIA_TYPE


def _with_arrays(model: type[BaseModel], document: Mapping[str, JSON]) -> dict[str, Tree]:
    """Return the document with arrays in the fields that the model declares as arrays."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return {name: _decoded(name, fields.get(name), value) for name, value in document.items()}


def _decoded(name: str, field: FieldInfo | None, value: JSON) -> Tree:
    if field is None or value is None:
        return value
    if ARRAYS in field.metadata:
        return arrays_from_lists(name, value)
    kinds = get_args(field.annotation)
    for kind in kinds if NoneType in kinds else (field.annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, Mapping):
            return _with_arrays(kind, value)
    return value


def _sweep_result(reply: TableReply) -> SweepResult:
    return SweepResult(
        coordinates={name: _coordinate(cast("list[JSON]", values)) for name, values in reply.coordinates.items()},
        dims={name: tuple(variable.dims) for name, variable in reply.data.items()},
        data={name: array_from_lists(cast("JSON", variable.values)) for name, variable in reply.data.items()},
        problems=[cast("FailedPoint", problem.model_dump()) for problem in reply.problems],
        warnings=[cast("WarnedPoints", warning.model_dump(exclude_none=True)) for warning in reply.warnings],
        metadata=reply.model_dump(exclude={"coordinates", "data", "problems", "warnings"}),
    )


def _coordinate(values: list[JSON]) -> Coordinate:
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return np.array(values, dtype=np.float64) if are_numbers else values
