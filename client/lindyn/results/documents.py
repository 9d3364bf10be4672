"""Results from JSON documents, as the service sends them and as `save` writes them."""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lindyn.results.ensemble import Ensemble, ensemble_from_parts
from lindyn.results.grid import FailedPoint, WarnedPoints, as_coordinate
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Trajectory, trajectory_from_parts
from lindyn.wire.array import ARRAYS
from lindyn.wire.job import TableReply
from lindyn.wire.tree import JSON, Tree, array_from_lists, arrays_from_lists, flatten

Document = Mapping[str, JSON]
"""A reply in JSON."""


def trajectory_from_document(document: Document, cache: str) -> Trajectory:
    """Build a trajectory from a reply in JSON."""
    rest = dict(document)
    quantities = cast("Document", rest.pop("quantities"))
    arrays = flatten({name: arrays_from_lists(name, value) for name, value in quantities.items()})
    times = array_from_lists(rest.pop("times"))
    evaluation = cast("Document | None", rest.get("evaluation"))
    if evaluation is not None:
        arrays["evaluation.loss"] = array_from_lists(evaluation["loss"])
        rest["evaluation"] = {name: value for name, value in evaluation.items() if name != "loss"}
    return trajectory_from_parts(rest, {"times": times, **arrays}, cache)


def ensemble_from_document(document: Document, cache: str) -> Ensemble:
    """Build an ensemble from a reply in JSON."""
    rest = dict(document)
    trees = {**cast("Document", rest.pop("quantities")), "wide": rest.pop("wide")}
    arrays = flatten({name: _statistics(name, tree) for name, tree in trees.items() if tree is not None})
    return ensemble_from_parts(rest, {"times": array_from_lists(rest.pop("times")), **arrays}, cache)


def sweep_result_from_document(document: Document) -> SweepResult:
    """Build the result of a sweep or an experiment from a reply in JSON."""
    reply = TableReply.model_validate(document)
    return SweepResult(
        coordinates={name: as_coordinate(cast("list[JSON]", values)) for name, values in reply.coordinates.items()},
        dims={name: tuple(variable.dims) for name, variable in reply.data.items()},
        data={name: array_from_lists(cast("JSON", variable.values)) for name, variable in reply.data.items()},
        problems=[cast("FailedPoint", problem.model_dump()) for problem in reply.problems],
        warnings=[cast("WarnedPoints", warning.model_dump(exclude_none=True)) for warning in reply.warnings],
        metadata=reply.model_dump(exclude={"coordinates", "data", "problems", "warnings"}),
    )


def with_arrays(model: type[BaseModel], document: Document) -> dict[str, Tree]:
    """Return the document with arrays in the fields that the model declares as arrays."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return {name: _decoded(name, fields.get(name), value) for name, value in document.items()}


def _statistics(name: str, tree: JSON) -> Tree:
    """Return nested lists of statistics as arrays; those of `weights` are a list over the layers."""
    if isinstance(tree, Sequence) and tree and isinstance(tree[0], Mapping):
        return {str(i): arrays_from_lists(name, layer) for i, layer in enumerate(tree)}
    return arrays_from_lists(name, tree)


def _decoded(name: str, field: FieldInfo | None, value: JSON) -> Tree:
    if field is None or value is None:
        return value
    if ARRAYS in field.metadata:
        return arrays_from_lists(name, value)
    kinds = get_args(field.annotation)
    for kind in kinds if NoneType in kinds else (field.annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, Mapping):
            return with_arrays(kind, value)
    return value
