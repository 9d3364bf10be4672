"""Trees of arrays of any kind as trees that every encoder of JSON writes."""

import numpy as np
from pydantic_core import PydanticCustomError

from lindyn.wire.tree import Tree

_MAX_INTEGER_BITS = 63  # all JSON encoders accept such integers


def with_portable_arrays(value: "Tree | np.generic") -> Tree:
    """Convert the arrays in a tree to native types and row-major order, which encoders of JSON need.

    Floating-point numbers become doubles, because JSON of a narrower type has fewer digits.
    """
    match value:
        case dict():
            return {name: with_portable_arrays(part) for name, part in value.items()}
        case list():
            return value if all(map(_is_portable, value)) else [with_portable_arrays(item) for item in value]
        case np.ndarray() if value.dtype.kind in "fiu":
            native = np.dtype(np.float64) if value.dtype.kind == "f" else value.dtype.newbyteorder("=")
            with np.errstate(over="ignore"):  # validation of the point refuses infinity with its index
                array = np.array(value, native, order="C")
            return array if array.ndim else array.item()
        case np.ndarray():
            return value.tolist()
        case np.generic():
            return with_portable_arrays(np.array(value))
        case int() if value.bit_length() > _MAX_INTEGER_BITS:
            return _as_float(value)
        case _:
            return value


def _is_portable(value: Tree) -> bool:
    return isinstance(value, float | str | bool) or (type(value) is int and value.bit_length() <= _MAX_INTEGER_BITS)


def _as_float(value: int) -> float:
    """Convert an integer that 64-bit JSON encoders refuse; computations use float64 anyway."""
    try:
        return float(value)
    except OverflowError:
        raise PydanticCustomError(
            "sweep", "got an integer of more than 300 digits, expected numbers up to 1e70"
        ) from None
