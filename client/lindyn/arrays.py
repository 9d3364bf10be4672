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


def _without(node: Mapping[str, Any], path: str, arrays: _Arrays) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in node.items():
        plain = value.model_dump(by_alias=True) if isinstance(value, BaseModel) else value
        here = f"{path}{name}"
        if isinstance(plain, Mapping):
            kept[name] = _without(plain, f"{here}.", arrays)
        elif isinstance(plain, np.ndarray):
            arrays[here] = plain
        elif _holds_array(plain):
            arrays |= {f"{here}.{i}": np.asarray(item) for i, item in enumerate(plain)}
        else:
            kept[name] = plain
    return kept


def _holds_array(value: object) -> bool:
    return isinstance(value, Sequence) and any(isinstance(item, np.ndarray) for item in value)
