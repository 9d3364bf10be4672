"""Results of jobs: labelled arrays, as npz where they are kept and as JSON where that is asked for."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from lindyn.wire import npz
from lindyn.wire.dimensions import dimensions
from lindyn.wire.sweep import SweepRequest
from lindyn_service.errors import BusyError, TooLargeError
from lindyn_service.experiments.base import Table
from lindyn_service.spool.format import write_whole
from lindyn_service.spool.space import SpoolFolder
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.sweep import PointReader, indices

MOST_DETAILS = 100
"""Of the warnings of one code: they may have numbers of each point in them."""

_OTHERS = f"as above, with other numbers than these {MOST_DETAILS}: ask for the trajectory of a point to see its own"

_LARGEST_BYTES = 2**34  # of an archive of our own, all expanded; a worker has less memory
_COORDINATES, _DATA = "coordinates.", "data."


def sweep_table(job: str, request: SweepRequest, records: Sequence[bytes], most_bytes: int) -> bytes:
    """Put all points of a sweep, in their order, into one archive.

    Raises:
        TooLargeError: it would take more bytes; told before there is memory for them.
    """
    points = [orjson.loads(record) for record in records]
    places = [list(index) for index in indices(request)]
    problems = [
        {"index": place, **point["problem"]} for place, point in zip(places, points, strict=True) if "problem" in point
    ]
    names = list(dict.fromkeys(name for point in points for name in point.get("values", ())))
    axes = tuple(axis.path for axis in request.axes)
    columns = {name: [point.get("values", {}).get(name) for point in points] for name in names}
    times_of_points = [point.get("times") for point in points]
    _refuse_more(8 * sum(_stacked_size(values) for values in (*columns.values(), times_of_points)), most_bytes)
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, values in columns.items():
        stacked = _stacked(values)
        data[name] = (axes + dimensions(name, stacked.ndim - 1), stacked.reshape(*request.shape, *stacked.shape[1:]))
    coordinates: dict[str, Any] = {axis.path: axis.values for axis in request.axes}
    if any("time" in dims for dims, _ in data.values()):
        dims, times = _times(request, points)
        if dims == ("time",):
            coordinates["time"] = times
        else:
            data["times"] = dims, times
    content = Table(coordinates, data)
    asked = request.model_dump(by_alias=True)
    return table(job, "sweep", content, asked, problems, _grouped(places, points), most_bytes=most_bytes)


def table(
    job: str,
    kind: str,
    content: Table,
    request: Mapping[str, Any],
    problems: Sequence[Mapping[str, Any]] = (),
    warnings: Sequence[Mapping[str, Any]] = (),
    *,
    most_bytes: int,
) -> bytes:
    """Write labelled arrays as an archive; what is no vector of numbers among the coordinates stays JSON.

    Raises:
        TooLargeError: it takes more bytes.
    """
    arrays = {f"{_DATA}{name}": np.asarray(values, dtype=np.float64) for name, (_, values) in content.data.items()}
    others: dict[str, Any] = {}
    for name, values in content.coordinates.items():
        vector = _vector(values)
        if vector is None:
            others[name] = list(values)
        else:
            arrays[f"{_COORDINATES}{name}"] = vector
    metadata = {
        "job": job,
        "kind": kind,
        "coordinates": others,
        "dims": {name: list(dims) for name, (dims, _) in content.data.items()},
        "problems": list(problems),
        "warnings": list(warnings),
        "request": request,
        "version": VERSION,
    }
    _refuse_more(sum(array.nbytes for array in arrays.values()), most_bytes)
    archive = npz.pack(orjson.loads(orjson.dumps(metadata, option=orjson.OPT_SERIALIZE_NUMPY)), arrays)
    _refuse_more(len(archive), most_bytes)
    return archive


def read_table(archive: bytes) -> tuple[Table, dict[str, Any]]:
    """The labelled arrays of an archive, and what else it says."""
    metadata, arrays = npz.unpack(archive, largest_bytes=_LARGEST_BYTES, most_entries=2**16)
    dims: dict[str, list[str]] = metadata.pop("dims")
    coordinates: dict[str, Any] = metadata.pop("coordinates")
    for name, array in arrays.items():
        if name.startswith(_COORDINATES):
            coordinates[name.removeprefix(_COORDINATES)] = array
    data = {name: (tuple(labels), arrays[f"{_DATA}{name}"]) for name, labels in dims.items()}
    return Table(coordinates, data), metadata


def table_as_json(archive: bytes) -> bytes:
    """The same result as JSON; NaN becomes null."""
    content, metadata = read_table(archive)
    document = {
        **metadata,
        "coordinates": content.coordinates,
        "data": {name: {"dims": dims, "values": values} for name, (dims, values) in content.data.items()},
    }
    return orjson.dumps(document, np.ascontiguousarray, orjson.OPT_SERIALIZE_NUMPY)


def file_table_as_json(archive: bytes | tuple[Path, int], place: SpoolFolder) -> None:
    """Write the same into a file.

    Args:
        archive: itself, or a file that begins with it, and its size.
        place: where to write it.

    Raises:
        BusyError: the file had to make room for others.
        NoRoomError: there is no room for the new one.
    """
    document = table_as_json(archive if isinstance(archive, bytes) else _read(*archive))
    write_whole(place, len(document), lambda file: file.writelines([document]))


def _read(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise BusyError("the result had to make room for others while it was read; ask again") from None


def _refuse_more(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise TooLargeError(
            f"the result takes {size} bytes, with all points filled up to the largest; the limit is {most_bytes} "
            "(LINDYN_MAX_RESULT_BYTES): collect scalars instead of quantities, or ask for fewer points or times"
        )


def _times(request: SweepRequest, points: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Times of all points, along the axes that they depend on; a point that failed agrees with every other."""
    axes = [axis.path for axis in request.axes]
    asked: Any = None
    if not any(path.split(".")[0] == "times" for path in axes):
        asked = PointReader(request).read((0,) * len(axes)).resolved_times()
        if not any("times" in point for point in points):
            return ("time",), asked
    rows = [point.get("times", asked) if "values" in point else None for point in points]
    times = _stacked(rows).reshape(*request.shape, -1)
    kept = list(axes)
    for i in reversed(range(len(axes))):
        # of numbers and NaN, these two leave NaN out
        least, largest = np.fmin.reduce(times, axis=i), np.fmax.reduce(times, axis=i)
        if np.array_equal(least, largest, equal_nan=True):
            times = least
            del kept[i]
    return (*kept, "time"), times


def _grouped(places: Sequence[list[int]], points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Warnings of one code and detail together; where a code has very many details, the rest of its points."""
    groups: dict[str, dict[str, list[list[int]]]] = {}
    for place, point in zip(places, points, strict=True):
        for warned in point.get("warnings", ()):
            details, detail = groups.setdefault(warned["code"], {}), warned["detail"]
            if detail not in details and len(details) >= MOST_DETAILS:
                detail = _OTHERS
            found = details.setdefault(detail, [])
            if place not in found[-1:]:
                found.append(place)
    return [
        {"code": code, "detail": detail, "indices": found}
        for code, details in groups.items()
        for detail, found in details.items()
    ]


def _stacked(values: Sequence[Any]) -> np.ndarray:
    """One array of all points; NaN where a point has no value, or where its value is smaller than that of others."""
    stacked = np.full((len(values), *_largest_shape(values)), np.nan)
    for i, value in enumerate(values):
        if value is not None:
            array = np.asarray(value, dtype=np.float64)
            stacked[(i, *(slice(n) for n in array.shape))] = array
    return stacked


def _stacked_size(values: Sequence[Any]) -> int:
    """How many numbers `_stacked` makes of these values, if there are any."""
    return 0 if all(value is None for value in values) else len(values) * prod(_largest_shape(values))


def _largest_shape(values: Sequence[Any]) -> list[int]:
    shapes = [_shape(value) for value in values if value is not None]
    n_dimensions = max((len(shape) for shape in shapes), default=0)
    return [max(shape[i] for shape in shapes if len(shape) > i) for i in range(n_dimensions)]


def _shape(value: Any) -> tuple[int, ...]:  # noqa: ANN401 (JSON)
    """The shape of a number, an array or a regular nested list."""
    if isinstance(value, list):
        return (len(value), *(_shape(value[0]) if value else ()))
    return np.shape(value)


def _vector(values: Sequence[Any] | np.ndarray) -> np.ndarray | None:
    """The values as float64, if they are plain numbers."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64) if values.dtype.kind in "fiu" else None
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return np.array(values, dtype=np.float64) if numbers else None
