"""Arrays in messages: nested lists in JSON, float64 arrays in Python."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from lindyn.wire.base import LARGEST
from lindyn.wire.tree import Array, Tree
from lindyn.wire.wording import json_type

FloatArray = npt.NDArray[np.float64]


class _ArrayType:
    """Validation of a whole array in numpy, not element by element."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(np.ndarray.tolist, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema: JsonSchemaValue = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
        for _ in range(self.dimensions):
            schema = {"type": "array", "items": schema, "minItems": 1}
        return schema

    def validate(self, value: Tree) -> FloatArray:
        """Return a read-only float64 array.

        Raises:
            PydanticCustomError: the value has another number of dimensions, or entries that are no finite numbers.
        """
        if isinstance(value, np.ndarray):
            self._check_shape(value)
            array = _from_array(value)
        else:
            array = _from_lists(_with_lists_as_rows(value), self.dimensions)
            self._check_shape(array)
        allowed = np.abs(array) <= LARGEST  # false for NaN, too
        if not np.all(allowed):
            index = tuple(int(i) for i in np.argwhere(~allowed)[0])
            raise _error(f"got {array[index]} at {list(index)}, expected finite numbers up to {LARGEST:g}")
        array = np.ascontiguousarray(array) + 0.0  # copies the caller's array, and makes -0.0 equal to 0.0
        array.flags.writeable = False
        return array

    def _check_shape(self, array: Array) -> None:
        if array.size == 0:
            raise _error(f"got an empty array of shape {array.shape}, expected at least one entry")
        if array.ndim != self.dimensions:
            raise _error(f"got {array.ndim} dimensions, expected {self.dimensions}")


def _error(text: str) -> PydanticCustomError:
    # the text is an argument and not the template, because pydantic would fill in the braces of a template
    return PydanticCustomError("array", "{text}", {"text": text})


def _from_array(value: Array) -> FloatArray:
    if value.dtype.kind not in "fiu":
        raise _error(f"got an array of {value.dtype}, expected real numbers")
    if np.ma.is_masked(value):
        index = np.argwhere(np.ma.getmaskarray(value))[0].tolist()
        raise _error(f"got a masked entry at {index}, expected numbers only")
    with np.errstate(over="ignore"):  # `validate` refuses infinity with its index
        return value.astype(np.float64)


def _with_lists_as_rows(value: Tree) -> Tree:
    """Convert rows that are arrays to lists."""
    if not isinstance(value, list | tuple):
        return value
    return [row.tolist() if isinstance(row, np.ndarray) else row for row in value]


def _from_lists(value: Tree, dimensions: int) -> FloatArray:
    _check_lists(value, dimensions, ())
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError:
        raise _error(f"got an integer beyond float64, expected numbers up to {LARGEST:g}") from None


def _check_lists(value: Tree, dimensions: int, index: tuple[int, ...]) -> None:
    """Check nesting, lengths and types; numpy alone would take text and booleans for numbers."""
    where = f" at {list(index)}" if index else ""
    if not isinstance(value, list | tuple):
        raise _error(f"got {json_type(type(value))}{where}, expected a list")
    if dimensions == 1:
        other_types = set(map(type, value)) - {int, float}
        if other_types:
            names = ", ".join(sorted(map(json_type, other_types)))
            raise _error(f"got {names} among the entries{where}, expected numbers")
        return
    for i, entry in enumerate(value):
        _check_lists(entry, dimensions - 1, (*index, i))
    lengths = sorted({len(entry) for entry in value if isinstance(entry, list | tuple)})
    if len(lengths) > 1:
        raise _error(f"got rows of different lengths ({lengths[0]} and {lengths[-1]}), expected equal ones")


Vector = Annotated[FloatArray, _ArrayType(1)]
Matrix = Annotated[FloatArray, _ArrayType(2)]


class _ArraysMarker:
    """Marker of the fields of replies that hold arrays, for decoders of JSON."""


ARRAYS = _ArraysMarker()

# Replies are encoded and decoded without validation of their arrays, which travel beside the rest of an npz archive.
if TYPE_CHECKING:
    Arrays: TypeAlias = Tree
    """An array, several, or null."""
else:
    Arrays = Annotated[Any, ARRAYS]
