"""Requests with numpy arrays anywhere in them: what travels as JSON, and what as bytes."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

_Arrays = dict[str, npt.NDArray[Any]]


def split(document: Mapping[str, Any]) -> tuple[dict[str, Any], _Arrays]:
    """Take the arrays out of a tree and name them by their path, as an npz request has them."""
    arrays: _Arrays = {}
    metadata = _without(document, "", arrays)
    return metadata, arrays


def as_array(value: Any) -> npt.NDArray[Any]:  # noqa: ANN401 (whatever can be an array)
    """An array of numpy: also of tensors that carry gradients or live on a device, and of sparse matrices."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value)


def _without(node: Mapping[str, Any], path: str, arrays: _Arrays) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in node.items():
        plain = _plain(value)
        here = f"{path}{name}"
        if isinstance(plain, Mapping):
            kept[name] = _without(plain, f"{here}.", arrays)
        elif isinstance(plain, np.ndarray):
            arrays[here] = plain
        elif isinstance(plain, list) and any(isinstance(item, np.ndarray) for item in plain):
            arrays |= {f"{here}.{i}": as_array(item) for i, item in enumerate(plain)}
        elif isinstance(plain, list) and any(isinstance(item, Mapping) for item in plain):
            kept[name] = [_without(item, f"{here}.{i}.", arrays) for i, item in enumerate(plain)]
        else:
            kept[name] = plain
    return kept


def _plain(value: object) -> Any:  # noqa: ANN401 (JSON)
    """What JSON can hold, or an array: numbers of numpy and arrays of other libraries count as what they are."""
    match value:
        case None | bool() | int() | float() | str() | bytes() | Mapping():
            return value
        case BaseModel():
            return value.model_dump(by_alias=True)
        case Sequence():
            items = [_plain(item) for item in value]
            return np.stack(items) if _are_rows(items) else items
        case _ if hasattr(value, "__array__") or hasattr(value, "toarray"):
            array = as_array(value)
            return array if array.ndim else array.item()
        case _:
            return value


def _are_rows(items: list[Any]) -> bool:
    return bool(items) and all(
        isinstance(item, np.ndarray) and item.ndim == 1 and item.shape == items[0].shape for item in items
    )
