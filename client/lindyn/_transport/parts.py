"""Requests with arrays anywhere in them: what travels as JSON, and what as bytes."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (JSON has no static types)

from collections.abc import Mapping
from typing import Any

import numpy as np

from lindyn.arrays import Array, plain


def split(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Take the arrays out of a tree and name them by their path, as an npz request has them.

    Raises:
        ArgumentError: something in the tree cannot be sent; named by its path.
    """
    arrays: dict[str, Array] = {}
    metadata = _without(plain("", document), "", arrays)
    return metadata, arrays


def _without(node: Any, path: str, arrays: dict[str, Array]) -> Any:  # noqa: ANN401 (JSON)
    match node:
        case dict():
            kept: dict[str, Any] = {}
            for name, value in node.items():
                if isinstance(value, np.ndarray):
                    arrays[f"{path}{name}"] = value
                else:
                    kept[name] = _without(value, f"{path}{name}.", arrays)
            return kept
        case list() if node and all(isinstance(item, np.ndarray) for item in node):
            arrays |= {f"{path}{i}": item for i, item in enumerate(node)}
            return []
        case list() if any(isinstance(item, dict | list) for item in node):
            return [_without(item, f"{path}{i}.", arrays) for i, item in enumerate(node)]
        case _:
            return node
