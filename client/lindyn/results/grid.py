"""Arrays over the grid of a sweep or an experiment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypeAlias, TypedDict

import numpy as np

from lindyn.wire.array import FloatArray
from lindyn.wire.tree import JSON, Array

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

    def length(self, name: str, dim: str) -> int:
        """Return the length of an array along one of its dimensions."""
        return self.data[name].shape[self.dims[name].index(dim)]

    def values(self, dim: str) -> Coordinate:
        """Return the values along a dimension, or 0, 1, ... for a dimension without coordinates."""
        if dim in self.coordinates:
            return self.coordinates[dim]
        name = next(name for name, dims in self.dims.items() if dim in dims)
        return np.arange(self.length(name, dim))


def count_warned_points(warnings: Iterable[WarnedPoints]) -> dict[str, int]:
    """Count the points that have a warning, by the code of the warning."""
    points: dict[str, set[tuple[int, ...]]] = {}
    for warning in warnings:
        points.setdefault(warning["code"], set()).update(map(tuple, warning["indices"]))
    return {code: len(indices) for code, indices in points.items()}
