"""Conversion of arguments to JSON and numpy arrays, from any library; missing values are refused."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (arguments can have any type)

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np
from pydantic import BaseModel

from lindyn.errors import ArgumentError
from lindyn.wire.tree import Array, Tree

_REAL = "fiu"
_REFUSED_BY_SERVICE = "bcU"  # kinds of arrays that the service refuses with their path


def as_tree(name: str, value: object) -> Tree:
    """Convert an argument to a JSON value with numpy arrays.

    Args:
        name: name of the argument in errors; the path of a nested value is appended with dots.
        value: numbers, text, mappings, sequences, models, arrays of any library, data frames, sparse matrices.

    Raises:
        ArgumentError: entries are masked or missing, or a value has a type that cannot be sent.
    """
    with refusals_named(name):
        return _tree(value)


def as_array(name: str, value: object) -> Array:
    """Convert an argument to an array.

    Raises:
        ArgumentError: entries are masked, missing or not numbers, or rows have different lengths.
    """
    tree = as_tree(name, value)
    if isinstance(tree, np.ndarray):
        return tree
    try:
        if _are_numbers(tree):
            return np.asarray(tree, dtype=np.float64)
        array = np.asarray(tree)
    except ValueError:
        raise ArgumentError(f"{name}: got rows of different lengths or shapes, expected equal ones") from None
    except OverflowError:
        raise ArgumentError(f"{name}: got an integer beyond float64") from None
    objects = np.asarray(tree, dtype=object)  # another dtype would turn numbers into text, or booleans into numbers
    index = next((i for i, entry in np.ndenumerate(objects) if not _is_number(entry)), None)
    if index is None:  # a list of arrays
        return array
    raise ArgumentError(
        f"{name}: got {_shown(objects[index])}{f' at {list(index)}' if index else ''}, expected numbers"
    )


class RefusedError(Exception):
    """A value cannot be sent. Each level of nesting adds its part of the path, the innermost first."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path: list[str] = []


@contextmanager
def refusals_named(name: str) -> Generator[None]:
    """Turn a refusal into an ArgumentError that names the argument and the path inside."""
    try:
        yield
    except RefusedError as error:
        path = ".".join(filter(None, (name, *reversed(error.path))))
        raise ArgumentError(f"{path}: {error.detail}") from None
    except RecursionError:  # a list that contains itself, for instance
        raise ArgumentError(f"{name}: has too many lists or mappings inside each other") from None


Foreign: TypeAlias = Any
"""An array, a frame or a layer of any library."""


def read_array(value: Foreign) -> Array:
    """Convert an array of any library to numpy, also tensors with gradients or on a device, and sparse matrices.

    Raises:
        RefusedError: entries are masked or missing, or numpy cannot read it.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "toarray"):
        value = value.toarray()
    _refuse_masked(value)
    if hasattr(value, "isna"):
        _refuse_missing(value)
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RefusedError(f"numpy cannot read this {type(value).__name__} ({error})") from None


def is_missing(value: object) -> bool:
    """Return whether a value is None, NaN, NaT, NA of pandas, or masked."""
    if value is None or value is np.ma.masked:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 (only missing values differ from themselves)
    except (TypeError, ArithmeticError):  # comparisons with NA have no truth value
        return True
    except ValueError:  # an array
        return False


def _refuse_masked(value: object) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_masked(item)
    if not isinstance(value, np.ma.MaskedArray):
        return
    mask = np.ma.getmaskarray(value)
    if mask.dtype != np.bool_ or not mask.any():
        return
    index = np.argwhere(mask)[0].tolist() if mask.ndim else []
    masked = "it is masked" if not index else f"{_entries(int(mask.sum()))} masked, the first at {index}"
    raise RefusedError(f"{masked}, and what is masked has no value; fill it (array.filled(...)) or leave it out")


def _refuse_missing(value: Foreign) -> None:
    missing = np.asarray(value.isna())
    if not missing.any():
        return
    row, *column = np.argwhere(missing)[0].tolist()
    where = f"in row {row}{_of_column(value, column)}"
    raise RefusedError(
        f"{_entries(int(missing.sum()))} without a value, the first {where}; drop such rows or fill them"
    )


def _of_column(value: Foreign, column: Sequence[int]) -> str:
    return f" of column {value.columns[column[0]]!r}" if column and hasattr(value, "columns") else ""


def _entries(number: int) -> str:
    return "1 entry is" if number == 1 else f"{number} entries are"


def _tree(value: object) -> Tree:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case _ if hasattr(value, "toarray"):  # before mappings, because some sparse matrices are mappings
            return _from_array(value)
        case Mapping():
            return dict(zip(_names(value), _trees(value.values(), value.keys()), strict=True))
        case BaseModel():
            return _tree(value.model_dump(by_alias=True))
        case np.bool_() | np.integer():
            return value.item()
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return _joined(_trees(value))
        case _ if hasattr(value, "__array__") and not isinstance(value, np.generic):
            return _from_array(value)
        case Real() | Decimal():
            return _number(value)
        case _ if is_missing(value):
            raise RefusedError(f"got {value!r}, which is no value; leave it out or fill it")
        case _:
            raise RefusedError(
                f"a value of type {type(value).__name__} is not JSON serializable; pass numbers, text, lists or arrays"
            )


def _names(mapping: Mapping[object, object]) -> list[str]:
    for name in mapping:
        if not isinstance(name, str):
            raise RefusedError(f"got {name!r} as the name of a field, expected text")
    return cast("list[str]", list(mapping))


def _trees(values: Iterable[object], names: Iterable[str] | None = None) -> list[Tree]:
    """Convert values, and add the name or the index of a refused one to its path."""
    trees: list[Tree] = []
    try:
        for value in values:
            trees.append(_tree(value))  # noqa: PERF401 (the length of the list is the index of a refused value)
    except RefusedError as error:
        error.path.append(str(len(trees)) if names is None else list(names)[len(trees)])
        raise
    return trees


def _from_array(value: object) -> Tree:
    array = read_array(value)
    if array.ndim == 0:
        return _tree(array[()])
    kind = array.dtype.kind
    if kind == "O":
        return _from_objects(array, value)
    if kind not in _REAL + _REFUSED_BY_SERVICE:
        raise RefusedError(f"got an array of {array.dtype}, expected numbers")
    return _native(array) if kind in _REAL else array


def _native(array: Array) -> Array:
    """Convert numbers to at most eight bytes in native byte order."""
    if array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # the service refuses infinity with its index
            return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _from_objects(array: Array, source: object) -> Tree:
    """Convert numbers of any type to float64; convert other objects like a list, or refuse them in a data frame."""
    index = next((i for i, x in np.ndenumerate(array) if not _is_number(x)), None)
    if index is None:
        return np.array([_number(x) for x in array.flat], dtype=np.float64).reshape(array.shape)
    if hasattr(source, "columns"):
        where = f"row {index[0]}{_of_column(source, index[1:])}"
        raise RefusedError(
            f"got {_shown(array[index])} in {where}, expected numbers; leave such columns out or encode them"
        )
    return _tree(array.tolist())


def _is_number(value: object) -> TypeGuard[float | Decimal]:
    return isinstance(value, float | int | Real | Decimal) and not isinstance(value, bool)


def _number(value: float | Decimal | Real) -> float:
    try:
        return float(cast("float", value))
    except OverflowError:
        raise RefusedError("got an integer beyond float64") from None
    except ValueError:
        raise RefusedError(f"got {value!r}, which is no number") from None


def _joined(items: list[Tree]) -> Tree:
    """Stack equally long rows to a matrix; arrays beside items that cannot be arrays become lists."""
    if not any(isinstance(item, np.ndarray) for item in items):
        return items
    arrays = [array for array in map(_array_or_none, items) if array is not None]
    if len(arrays) < len(items):
        return _trees([item.tolist() if isinstance(item, np.ndarray) else item for item in items])
    rows = all(array.ndim == 1 and array.shape == arrays[0].shape for array in arrays)
    return np.stack(arrays) if rows else arrays


def _array_or_none(item: Tree) -> Array | None:
    """Convert an item to an array of real numbers, or return None."""
    if isinstance(item, np.ndarray):
        return item if item.dtype.kind in _REAL else None
    if not isinstance(item, list) or not _are_numbers(item):
        return None
    try:
        return np.asarray(item, dtype=np.float64)
    except (ValueError, OverflowError):  # rows of different lengths, an integer beyond float64
        return None


def _are_numbers(value: Tree) -> bool:
    return all(map(_are_numbers, value)) if isinstance(value, list) else _is_number(value)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"
