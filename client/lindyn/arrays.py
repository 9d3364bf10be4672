"""Arguments as JSON and arrays of numpy: whatever numbers are kept in, and never a number where there is no value."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from lindyn.errors import ArgumentError

Array = npt.NDArray[Any]

_REAL = "fiu"
_TOLD = "bcU"  # kinds of arrays that the service refuses by their place


def plain(name: str, value: Any) -> Any:  # noqa: ANN401 (whatever an argument can be)
    """The value as JSON has it, but with arrays of numpy.

    Args:
        name: what an error calls it; places inside are joined to it by dots.
        value: numbers, text, mappings, sequences, models, arrays of any library, data frames, sparse matrices.

    Raises:
        ArgumentError: entries are masked or missing, or a value is nothing that can be sent.
    """
    with naming(name):
        return _plain(value)


def as_array(name: str, value: Any) -> Array:  # noqa: ANN401 (whatever can be an array)
    """The same as one array.

    Raises:
        ArgumentError: also where its rows differ in length, or hold something else than numbers.
    """
    found = plain(name, value)
    if isinstance(found, np.ndarray):
        return found
    try:
        if _are_numbers(found):
            return np.asarray(found, dtype=np.float64)
        array = np.asarray(found)
    except ValueError:
        raise ArgumentError(f"{name}: got rows of different lengths or shapes, expected equal ones") from None
    except OverflowError:
        raise ArgumentError(f"{name}: got an integer beyond float64") from None
    objects = np.asarray(found, dtype=object)  # numpy by itself makes text of numbers beside text, and numbers of flags
    index = next((i for i, entry in np.ndenumerate(objects) if not _is_number(entry)), None)
    if index is None:  # a list of arrays
        return array
    raise ArgumentError(
        f"{name}: got {_shown(objects[index])}{f' at {list(index)}' if index else ''}, expected numbers"
    )


class Refused(Exception):
    """A value that cannot be sent; on its way out it gathers its place, the innermost part first."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path: list[str] = []


@contextmanager
def naming(name: str) -> Generator[None]:
    """Tell what is refused, and where."""
    try:
        yield
    except Refused as refused:
        raise ArgumentError(f"{'.'.join(filter(None, (name, *reversed(refused.path))))}: {refused.detail}") from None


def read(value: Any) -> Array:  # noqa: ANN401 (an array of any library)
    """An array as its library has it: also a tensor that carries gradients or lives on a device, or a sparse matrix.

    Raises:
        Refused: entries are masked or missing, or numpy cannot read it.
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
        raise Refused(f"numpy cannot read this {type(value).__name__} ({error})") from None


def is_missing(value: object) -> bool:
    """None, NaN, NaT, pandas' NA, or masked."""
    if value is None or value is np.ma.masked:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 (so do the ones without a value, and only they)
    except (TypeError, ArithmeticError):  # NA has no truth value
        return True
    except ValueError:  # an array
        return False


def _refuse_masked(value: Any) -> None:  # noqa: ANN401 (arrays, and lists of them)
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_masked(item)
    if not isinstance(value, np.ma.MaskedArray):
        return
    mask = np.ma.getmaskarray(value)
    if mask.dtype != np.bool_ or not mask.any():
        return
    place = np.argwhere(mask)[0].tolist() if mask.ndim else []
    masked = "it is masked" if not place else f"{_entries(int(mask.sum()))} masked, the first at {place}"
    raise Refused(f"{masked}, and what is masked has no value; fill it (array.filled(...)) or leave it out")


def _refuse_missing(value: Any) -> None:  # noqa: ANN401 (a frame or a series of pandas)
    missing = np.asarray(value.isna())
    if not missing.any():
        return
    row, *column = np.argwhere(missing)[0].tolist()
    where = f"in row {row}{_of_column(value, column)}"
    raise Refused(f"{_entries(int(missing.sum()))} without a value, the first {where}; drop such rows or fill them")


def _of_column(value: Any, column: Sequence[int]) -> str:  # noqa: ANN401 (a frame)
    return f" of column {value.columns[column[0]]!r}" if column and hasattr(value, "columns") else ""


def _entries(number: int) -> str:
    return "1 entry is" if number == 1 else f"{number} entries are"


def _plain(value: Any) -> Any:  # noqa: ANN401 (JSON)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case _ if hasattr(value, "toarray"):  # of which some are mappings
            return _from_array(value)
        case Mapping():
            return dict(zip(_names(value), _each(value.values(), value.keys()), strict=True))
        case BaseModel():
            return _plain(value.model_dump(by_alias=True))
        case np.bool_() | np.integer():
            return value.item()
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return _joined(_each(value))
        case _ if hasattr(value, "__array__") and not isinstance(value, np.generic):
            return _from_array(value)
        case Real() | Decimal():
            return _number(value)
        case _ if is_missing(value):
            raise Refused(f"got {value!r}, which is no value; leave it out or fill it")
        case _:
            raise Refused(
                f"a value of type {type(value).__name__} is not JSON serializable; pass numbers, text, lists or arrays"
            )


def _names(mapping: Mapping[Any, Any]) -> list[str]:
    for name in mapping:
        if not isinstance(name, str):
            raise Refused(f"got {name!r} as the name of a field, expected text")
    return list(mapping)


def _each(values: Iterable[Any], names: Iterable[str] | None = None) -> list[Any]:
    """All values; what is refused learns its place."""
    found: list[Any] = []
    try:
        for value in values:
            found.append(_plain(value))  # noqa: PERF401 (how many there are is the place of the one that fails)
    except Refused as refused:
        refused.path.append(str(len(found)) if names is None else list(names)[len(found)])
        raise
    return found


def _from_array(value: Any) -> Any:  # noqa: ANN401 (an array, or what is in it)
    array = read(value)
    if array.ndim == 0:
        return _plain(array[()])
    kind = array.dtype.kind
    if kind == "O":
        return _from_objects(array, value)
    if kind not in _REAL + _TOLD:
        raise Refused(f"got an array of {array.dtype}, expected numbers")
    return _native(array) if kind in _REAL else array


def _native(array: Array) -> Array:
    """Numbers as every machine has them: at most eight bytes each, in the order of this one."""
    if array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # what becomes infinite is named by the service
            return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _from_objects(array: Array, source: Any) -> Any:  # noqa: ANN401 (an array, or a list of anything)
    """Numbers of any type as float64; else what a list of the same would be, but for frames, which name the column."""
    index = next((i for i, x in np.ndenumerate(array) if not _is_number(x)), None)
    if index is None:
        return np.array([_number(x) for x in array.flat], dtype=np.float64).reshape(array.shape)
    if hasattr(source, "columns"):
        where = f"row {index[0]}{_of_column(source, index[1:])}"
        raise Refused(f"got {_shown(array[index])} in {where}, expected numbers; leave such columns out or encode them")
    return _plain(array.tolist())


def _is_number(value: object) -> bool:
    return isinstance(value, float | int | Real | Decimal) and not isinstance(value, bool)


def _number(value: Any) -> float:  # noqa: ANN401 (Real or Decimal)
    try:
        return float(value)
    except OverflowError:
        raise Refused("got an integer beyond float64") from None
    except ValueError:
        raise Refused(f"got {value!r}, which is no number") from None


def _joined(items: list[Any]) -> Any:  # noqa: ANN401 (an array, or a list)
    """A matrix where all items are rows; arrays where all of them can be; else lists where there are other things."""
    if not any(isinstance(item, np.ndarray) for item in items):
        return items
    arrays = [_array_of(item) for item in items]
    if any(array is None for array in arrays):
        return _each([item.tolist() if isinstance(item, np.ndarray) else item for item in items])
    rows = all(array.ndim == 1 and array.shape == arrays[0].shape for array in arrays)
    return np.stack(arrays) if rows else arrays


def _array_of(item: Any) -> Any:  # noqa: ANN401 (an array, or None)
    """The item as an array of real numbers, if it is one."""
    if isinstance(item, np.ndarray):
        return item if item.dtype.kind in _REAL else None
    if not isinstance(item, list) or not _are_numbers(item):
        return None
    try:
        return np.asarray(item, dtype=np.float64)
    except (ValueError, OverflowError):  # rows of different lengths, an integer beyond float64
        return None


def _are_numbers(value: Any) -> bool:  # noqa: ANN401 (JSON)
    return all(map(_are_numbers, value)) if isinstance(value, list) else _is_number(value)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"
