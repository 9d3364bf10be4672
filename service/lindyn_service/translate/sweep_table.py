"""Table of a sweep, with one array for each quantity.

The records of the points are read one after the other, and only their numbers and warnings are kept.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import NotRequired, TypedDict

import numpy as np

from lindyn.wire.dimensions import dimensions
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.tree import JSON
from lindyn_service.experiments.base import Table
from lindyn_service.translate.point_records import Record, unpack_record
from lindyn_service.translate.sweep import PointReader, indices
from lindyn_service.translate.table import Archive, check_size, table

MAX_DETAILS = 100
"""Largest number of different details of the warnings of one code, which may contain measured numbers."""

_OTHERS = f"as above, with other numbers than these {MAX_DETAILS}: ask for the trajectory of a point to see its own"

_Rows = dict[int, np.ndarray]
"""Values of one quantity, by the numbers of the points that have it."""


def sweep_table(job: str, request: SweepRequest, records: Iterable[bytes], max_bytes: int) -> Archive:
    """Return the archive of a sweep from the records of all its points in their order.

    Raises:
        TooLargeError: the archive would be larger than `max_bytes`; the size is checked before memory is allocated.
    """
    points = _Points(request, max_bytes)
    for place, record in zip(indices(request), records, strict=True):
        points.add(place, unpack_record(record))
    check_size(8 * points.stacked_size(), max_bytes)
    axes = tuple(axis.path for axis in request.axes)
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in list(points.columns):
        stacked = _stacked(points.columns.pop(name), request.n_points)
        data[name] = (axes + dimensions(name, stacked.ndim - 1), stacked.reshape(*request.shape, *stacked.shape[1:]))
    coordinates: dict[str, Sequence[JSON] | np.ndarray] = {axis.path: axis.values for axis in request.axes}
    if any("time" in dims for dims, _ in data.values()):
        dims, times = _times(request, points)
        if dims == ("time",):
            coordinates["time"] = times
        else:
            data["times"] = dims, times
    asked = request.model_dump(by_alias=True)
    content = Table(coordinates, data)
    return table(job, "sweep", content, asked, points.problems, points.warnings.lines(), max_bytes=max_bytes)


class _Warning(TypedDict):
    code: str
    detail: str
    modes: NotRequired[list[int]]


class _Points:
    """Contents of the records of all points.

    Attributes:
        columns: values of each quantity.
        times: times of the points whose times differ from those of the base request.
        computed: numbers of the points with values.
        problems: problems of the points without values.
        warnings: warnings of the points with values.
    """

    def __init__(self, request: SweepRequest, max_bytes: int) -> None:
        self.columns: dict[str, _Rows] = {}
        self.times: _Rows = {}
        self.computed: list[int] = []
        self.problems: list[dict[str, JSON]] = []
        self.warnings = _Warnings()
        self._n_points = request.n_points
        self._max_bytes = max_bytes
        self._bytes = self._count = 0

    def add(self, place: tuple[int, ...], point: Record) -> None:
        """Add the record of the next point.

        Raises:
            TooLargeError: the values of all points so far take more bytes than allowed.
        """
        number = self._count
        self._count += 1
        if "problem" in point:
            self.problems.append({"index": place, **point["problem"]})
        if "values" in point:
            self.computed.append(number)
        for name, value in point.get("values", {}).items():
            self._keep(self.columns.setdefault(name, {}), number, value)
        if "times" in point:
            self._keep(self.times, number, point["times"])
        self.warnings.add(list(place), point.get("warnings", ()))

    def stacked_size(self) -> int:
        """Count the numbers of all arrays that `_stacked` will allocate."""
        return sum(self._n_points * prod(_largest_shape(rows)) for rows in (*self.columns.values(), self.times) if rows)

    def _keep(self, rows: _Rows, number: int, value: np.ndarray) -> None:
        rows[number] = value
        self._bytes += rows[number].nbytes
        check_size(self._bytes, self._max_bytes)


@dataclass
class _Group:
    """Modes that a warning concerns, if any, and indices of the points with this warning."""

    modes: list[int] | None
    places: list[list[int]] = field(default_factory=list[list[int]])


class _Warnings:
    """Warnings of all points, grouped by code and detail; further details of a code share one group."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, _Group]] = {}

    def add(self, place: list[int], warnings: Sequence[_Warning]) -> None:
        """Add the warnings of a point."""
        for warned in warnings:
            details, detail, modes = self._groups.setdefault(warned["code"], {}), warned["detail"], warned.get("modes")
            if detail not in details and len(details) >= MAX_DETAILS:
                detail, modes = _OTHERS, None
            group = details.setdefault(detail, _Group(modes))
            if place not in group.places[-1:]:
                group.places.append(place)

    def lines(self) -> list[dict[str, JSON]]:
        """Return all warnings, with the indices of their points."""
        return [
            {"code": code, "detail": detail, "indices": group.places, **({"modes": group.modes} if group.modes else {})}
            for code, details in self._groups.items()
            for detail, group in details.items()
        ]


def _times(request: SweepRequest, points: _Points) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the times of all points and the axes that they depend on; failed points do not count."""
    axes = [axis.path for axis in request.axes]
    rows = points.times
    if not any(path.split(".")[0] == "times" for path in axes):
        asked = PointReader(request).read((0,) * len(axes)).resolved_times()
        if not rows:
            return ("time",), asked
        rows = {number: rows.get(number, asked) for number in points.computed}
    times = _stacked(rows, request.n_points).reshape(*request.shape, -1)
    kept = list(axes)
    for i in reversed(range(len(axes))):
        # fmin and fmax ignore NaN, which failed points have
        least, largest = np.fmin.reduce(times, axis=i), np.fmax.reduce(times, axis=i)
        if np.array_equal(least, largest, equal_nan=True):
            times = least
            del kept[i]
    return (*kept, "time"), times


def _stacked(rows: _Rows, n_points: int) -> np.ndarray:
    """Stack the values of all points, with NaN for points without a value, and beyond the end of shorter ones."""
    stacked = np.full((n_points, *_largest_shape(rows)), np.nan)
    for number, array in rows.items():
        stacked[(number, *(slice(n) for n in array.shape))] = array
    return stacked


def _largest_shape(rows: _Rows) -> list[int]:
    shapes = [array.shape for array in rows.values()]
    n_dimensions = max((len(shape) for shape in shapes), default=0)
    return [max(shape[i] for shape in shapes if len(shape) > i) for i in range(n_dimensions)]
