"""Arrays over the grid of a sweep or an experiment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypeAlias, TypedDict

import numpy as np

from lindyn.errors import UnknownNameError
from lindyn.wire.array import FloatArray
from lindyn.wire.tree import JSON, Array
from lindyn.wire.wording import not_part_of

Coordinate: TypeAlias = Array | Sequence[JSON]
"""Values along a dimension: an array if they are numbers, else a list."""


class FailedPoint(TypedDict):
    """A point that could not be computed: its index along each axis, and the reason."""

    index: list[int]
    code: str
    detail: str


class WarnedPoints(TypedDict):
    """A warning, the index along each axis of every point that has it, and the indices of the modes it is about."""

    code: str
    detail: str
    indices: list[list[int]]
    modes: NotRequired[list[int]]


@dataclass(frozen=True)
class Grid:
    """Arrays with named dimensions.

    Attributes:
        coordinates: values along the dimensions, by the name of the dimension.
        dims: names of the dimensions of each array.
        data: arrays by name.
    """

    coordinates: Mapping[str, Coordinate]
    dims: Mapping[str, tuple[str, ...]]
    data: Mapping[str, FloatArray]

    def dims_of(self, name: str) -> tuple[str, ...]:
        """Return the names of the dimensions of an array.

        Raises:
            UnknownNameError: there is no such array; this is also a KeyError.
        """
        if name not in self.dims:
            raise UnknownNameError(not_part_of("result", name, self.dims))
        return self.dims[name]

    def length(self, name: str, dim: str) -> int:
        """Return the length of an array along one of its dimensions."""
        return self.data[name].shape[self.dims[name].index(dim)]

    def described(self, name: str) -> str:
        """Return the clause that lists the dimensions of an array with their lengths."""
        return "it has " + ", ".join(f"{dim} ({self.length(name, dim)})" for dim in self.dims[name])

    def values(self, dim: str) -> Coordinate:
        """Return the values along a dimension, or 0, 1, ... for a dimension without coordinates."""
        if dim in self.coordinates:
            return self.coordinates[dim]
        name = next(name for name, dims in self.dims.items() if dim in dims)
        return np.arange(self.length(name, dim))

    def positions(self, name: str, dim: str) -> tuple[FloatArray, list[str] | None]:
        """Return the positions of a dimension's values on an axis, and the names of values that are no numbers.

        A dimension without coordinates, such as that of the modes, counts from 1.
        """
        values = self.coordinates.get(dim)
        if values is None:
            return np.arange(1.0, self.length(name, dim) + 1), None
        if isinstance(values, np.ndarray):
            return np.asarray(values, dtype=float), None
        return np.arange(len(values), dtype=float), [str(value) for value in values]

    def with_dims(self, name: str, kept: tuple[str, ...]) -> FloatArray:
        """Return an array whose first dimensions are the kept ones, and whose last one holds all others.

        Raises:
            UnknownNameError: the array has no such dimension; this is also a KeyError.
        """
        dims = self.dims_of(name)
        unknown = [dim for dim in kept if dim not in dims]
        if unknown:
            raise UnknownNameError(f"{name} has no dimension {unknown[0]!r}; {self.described(name)}")
        values = np.moveaxis(self.data[name], [dims.index(dim) for dim in kept], range(len(kept)))
        return values.reshape(*values.shape[: len(kept)], -1)


def as_coordinate(values: Sequence[JSON]) -> Coordinate:
    """Return values along a dimension from a JSON list: float64 if all are numbers."""
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return np.array(values, dtype=np.float64) if are_numbers else values


def count_warned_points(warnings: Iterable[WarnedPoints]) -> dict[str, int]:
    """Count the points that have a warning, by the code of the warning."""
    points: dict[str, set[tuple[int, ...]]] = {}
    for warning in warnings:
        points.setdefault(warning["code"], set()).update(map(tuple, warning["indices"]))
    return {code: len(indices) for code, indices in points.items()}
