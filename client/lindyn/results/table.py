"""Tables of arrays with named dimensions: one row for each point, and one column for each number of a point."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from math import isnan, prod
from typing import TypeAlias, TypeVar

import numpy as np

from lindyn.errors import ArgumentError, UnknownNameError
from lindyn.results.grid import Coordinate
from lindyn.wire.array import FloatArray
from lindyn.wire.dimensions import dimensions
from lindyn.wire.tree import Array
from lindyn.wire.wording import not_part_of

T = TypeVar("T")

Columns: TypeAlias = dict[str, Array | list[str]]
"""Columns by name, all of the same length."""

Variables: TypeAlias = Mapping[str, tuple[tuple[str, ...], FloatArray]]
"""Dimensions and values of arrays by name."""

_MAX_ROWS = 10_000_000


def variables_over_time(arrays: Mapping[str, FloatArray]) -> Variables:
    """Return quantities with the names of their dimensions, by path."""
    return {path: (dimensions(path, array.ndim), array) for path, array in arrays.items()}


def columns(rows: Mapping[str, Coordinate], variables: Variables, names: Mapping[str, Sequence[object]]) -> Columns:
    """Return a table with a row for each combination of values along some dimensions.

    An array that lacks one of these dimensions is repeated along it. The numbers of an array along its other dimensions
    are columns of their own, such as `singular_values_1`, counted from 1.

    Args:
        rows: the dimensions of the rows and the values along them, which are the first columns.
        variables: the arrays.
        names: names of the positions along other dimensions that are not counted, such as the levels of quantiles.

    Raises:
        ArgumentError: the table would have too many rows.
    """
    shape = tuple(len(values) for values in rows.values())
    if prod(shape) > _MAX_ROWS:
        raise ArgumentError(f"a table of {prod(shape)} rows is too long; select arrays by name, or save .npz or .nc")
    indices = np.indices(shape).reshape(len(shape), prod(shape))
    found: Columns = {
        dim: _taken(labels(values), index) for (dim, values), index in zip(rows.items(), indices, strict=True)
    }
    for name, (dims, array) in variables.items():
        found |= _columns_of(name, dims, array, tuple(rows), shape, names)
    return found


def selected(names: Sequence[str], known: Mapping[str, T], whole: str) -> dict[str, T]:
    """Return the entries of these names, or all if there are none.

    Raises:
        UnknownNameError: there is no such name; this is also a KeyError.
    """
    for name in names:
        if name not in known:
            raise UnknownNameError(not_part_of(whole, name, known))
    return {name: known[name] for name in names or known}


def labels(values: Coordinate) -> Array | list[str]:
    """Return values that can label a dimension: numbers or text."""
    if isinstance(values, np.ndarray):
        return values
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def as_csv(table: Mapping[str, Array | Sequence[object]]) -> bytes:
    """Return a table as CSV in UTF-8, whose numbers have all their digits; numbers that are not defined are NaN."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(_cells(column) for column in table.values()), strict=True))
    return text.getvalue().encode()


def _columns_of(
    name: str,
    dims: tuple[str, ...],
    array: FloatArray,
    rows: tuple[str, ...],
    shape: tuple[int, ...],
    names: Mapping[str, Sequence[object]],
) -> Columns:
    """Return the columns of one array."""
    others = [dim for dim in dims if dim not in rows]
    order = [dims.index(dim) for dim in (*(dim for dim in rows if dim in dims), *others)]
    moved = np.transpose(array, order)
    inner = moved.shape[len(order) - len(others) :]
    spread = moved.reshape([n if dim in dims else 1 for dim, n in zip(rows, shape, strict=True)] + list(inner))
    values = np.broadcast_to(spread, (*shape, *inner)).reshape(prod(shape), prod(inner))
    suffixes = ("".join(_suffixes(others, index, names)) for index in np.ndindex(inner))
    return {f"{name}{suffix}": column for suffix, column in zip(suffixes, values.T, strict=True)}


def _suffixes(dims: Sequence[str], index: Sequence[int], names: Mapping[str, Sequence[object]]) -> Iterator[str]:
    for dim, number in zip(dims, index, strict=True):
        yield f"_{names[dim][number] if dim in names else number + 1}"


def _taken(values: Array | list[str], index: Array) -> Array | list[str]:
    return values[index] if isinstance(values, np.ndarray) else [values[i] for i in index]


def _cells(column: Array | Sequence[object]) -> Iterator[object]:
    for value in column.tolist() if isinstance(column, np.ndarray) else column:
        yield "NaN" if isinstance(value, float) and isnan(value) else value
