"""Answers as they travel, npz or JSON, to answers as they are used."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (JSON has no static types)

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import numpy as np
from pydantic import BaseModel
from pydantic_core import from_json

from lindyn._transport.calls import JSON
from lindyn.results.trajectory import Analysis, Trajectory, trajectory
from lindyn.wire import npz
from lindyn.wire.array import FloatArray
from lindyn.wire.base import Reply
from lindyn.wire.document import graft

_LARGEST_BYTES = 2**40  # answers come from a service that we chose: no bound but memory
_MOST_ENTRIES = 2**16


def unpack(archive: bytes) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Read an archive of an answer, or a file that holds one."""
    return npz.unpack(archive, largest_bytes=_LARGEST_BYTES, most_entries=_MOST_ENTRIES)


def is_json(response: httpx.Response) -> bool:
    """Whether an answer came as JSON, be it that it was asked for as such."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip() == JSON


def read_trajectory(response: httpx.Response) -> Trajectory:
    """Read the answer to the main question."""
    cache = response.headers.get("X-Cache", "unknown")
    if is_json(response):
        document = from_json(response.content)
        arrays: dict[str, FloatArray] = {"times": _array(document.pop("times"))}
        for name, value in document.pop("quantities").items():
            arrays |= _flat(name, _arrays(name, value))
        return trajectory(document, arrays, cache)
    return trajectory(*unpack(response.content), cache)


def analysis_reader(model: type[Reply]) -> Callable[[httpx.Response], Analysis]:
    """How an answer of this model is read: fields without a type of their own are arrays."""

    def read(response: httpx.Response) -> Analysis:
        if is_json(response):
            return Analysis(_typed(model, from_json(response.content)))
        return Analysis(graft(*unpack(response.content)))

    return read


def _typed(model: type[BaseModel], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with arrays where the model leaves the type open."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return {name: _field(name, fields.get(name), value) for name, value in document.items()}


def _field(name: str, kind: Any, value: Any) -> Any:  # noqa: ANN401 (JSON)
    if kind is Any:
        return None if value is None else _arrays(name, value)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _typed(kind, value)
    return value


def _arrays(name: str, value: Any) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(value, dict):
        return {inner: _arrays(inner, part) for inner, part in value.items()}
    return [_array(layer) for layer in value] if name == "weights" else _array(value)


def _array(value: Any) -> FloatArray:  # noqa: ANN401 (JSON)
    return np.array(value, dtype=np.float64)  # null becomes NaN


def _flat(path: str, value: Any) -> dict[str, FloatArray]:  # noqa: ANN401 (a tree of arrays)
    match value:
        case dict():
            return {
                inner: array for name, part in value.items() for inner, array in _flat(f"{path}.{name}", part).items()
            }
        case list():
            return {f"{path}.{i}": array for i, array in enumerate(value)}
        case _:
            return {path: value}
