"""Curves of single numbers of quantities, by names such as `singular_values.0`."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (quantities have no static types)

from collections.abc import Mapping

import numpy as np

from lindyn.wire.tree import list_index
from lindyn_service.errors import InvalidRequestError
from lindyn_service.inference.box import FloatArray
from lindyn_service.methods.base import Quantities, Quantity


def number_of(quantities: Quantities, number: str) -> FloatArray:
    """Return the curve of one number of a quantity, (time,), such as that of `singular_values.0`.

    Raises:
        InvalidRequestError: there is no such number, or there are several numbers at each time.
    """
    name, *parts = number.split(".")
    value: Quantity = quantities[name]
    for part in parts:
        if isinstance(value, Mapping):
            choices = ", ".join(value)
            if part not in value:
                raise InvalidRequestError(f"got {number!r}, {name} has the parts {choices}; name one of them")
            value = value[part]
            continue
        index = _index(value, part, number)
        value = value[index] if isinstance(value, list) else value[:, index]
    if isinstance(value, Mapping | list) or np.ndim(value) != 1:
        raise InvalidRequestError(
            f"got {number!r}, {_shape(value)} at each time; name one number, such as {_one(value, number)}"
        )
    return value


def _index(value: Quantity, part: str, number: str) -> int:
    sizes = [len(value)] if isinstance(value, list) else list(np.shape(value)[1:2])
    if not sizes:
        raise InvalidRequestError(f"got {number!r}, which has more parts than the quantity; leave the last one out")
    index = list_index(part)
    if index is None or index >= sizes[0]:
        raise InvalidRequestError(f"got {number!r}, and {part!r} is no index of {sizes[0]} entries; they start at 0")
    return index


def _shape(value: Quantity) -> str:
    if isinstance(value, Mapping):
        return f"which has the parts {', '.join(value)}"
    if isinstance(value, list):
        return f"which has {len(value)} matrices"
    sizes = " x ".join(map(str, np.shape(value)[1:]))
    return f"which has {sizes} numbers"


def _one(value: Quantity, number: str) -> str:
    """Return the name of the first number of a quantity."""
    if isinstance(value, Mapping):
        name = next(iter(value))
        return _one(value[name], f"{number}.{name}")
    if isinstance(value, list):
        return _one(value[0], f"{number}.0")
    return number + ".0" * (np.ndim(value) - 1)
