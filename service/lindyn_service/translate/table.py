"""Results of jobs: labelled arrays, as npz where they are kept and as JSON where that is asked for."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import orjson

from lindyn.wire import npz
from lindyn.wire.tree import JSON, Tree, unflatten
from lindyn_service.errors import BusyError, TooLargeError
from lindyn_service.experiments.base import Table
from lindyn_service.spool.format import write_atomically
from lindyn_service.spool.space import SpoolDestination
from lindyn_service.translate.encode import VERSION

_LARGEST_BYTES = 2**34  # of an archive of our own, all expanded; a worker has less memory
_MOST_ENTRIES = 2**16
_COORDINATES, _DATA, _DIMS = "coordinates.", "data.", "dims"


@dataclass(frozen=True)
class Archive:
    """A result before it is written as npz.

    Attributes:
        metadata: what it says beside its arrays, as JSON.
        arrays: by their names in the archive.
        most_bytes: that it may take.
    """

    metadata: dict[str, JSON]
    arrays: Mapping[str, np.ndarray]
    most_bytes: int

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(array.nbytes for array in self.arrays.values())

    def write(self, file: IO[bytes]) -> None:
        """Write it into an empty file, without holding all of it.

        Raises:
            TooLargeError: it takes more bytes than it may.
        """
        npz.write(file, self.metadata, self.arrays)
        refuse_more(file.tell(), self.most_bytes)

    def pack(self) -> bytes:
        """All of its bytes; raises as `write`."""
        buffer = io.BytesIO()
        self.write(buffer)
        return buffer.getvalue()


def table(
    job: str,
    kind: str,
    content: Table,
    request: Mapping[str, Tree],
    problems: Sequence[Mapping[str, JSON]] = (),
    warnings: Sequence[Mapping[str, JSON]] = (),
    *,
    most_bytes: int,
) -> Archive:
    """Make an archive of labelled arrays; what is no vector of numbers among the coordinates stays JSON.

    Raises:
        TooLargeError: it takes more bytes.
    """
    arrays = {f"{_DATA}{name}": np.asarray(values, dtype=np.float64) for name, (_, values) in content.data.items()}
    others: dict[str, list[JSON]] = {}
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
        _DIMS: {name: list(dims) for name, (dims, _) in content.data.items()},
        "problems": list(problems),
        "warnings": list(warnings),
        "request": request,
        "version": VERSION,
    }
    plain = orjson.loads(orjson.dumps(metadata, option=orjson.OPT_SERIALIZE_NUMPY))
    archive = Archive(plain, arrays, most_bytes)
    refuse_more(archive.size, most_bytes)
    return archive


def refuse_more(size: int, most_bytes: int) -> None:
    """Hold the size of a result against its limit.

    Raises:
        TooLargeError: it is more.
    """
    if size > most_bytes:
        raise TooLargeError(
            f"the result takes {size} bytes, with all points filled up to the largest; the limit is {most_bytes} "
            "(LINDYN_MAX_RESULT_BYTES): collect scalars instead of quantities, or ask for fewer points or times"
        )


def read_table(archive: bytes) -> tuple[Table, dict[str, JSON]]:
    """The labelled arrays of an archive, and what else it says."""
    return _table_of(*_unpacked(archive))


def _unpacked(archive: bytes) -> tuple[dict[str, JSON], dict[str, np.ndarray]]:
    return npz.unpack(archive, largest_bytes=_LARGEST_BYTES, max_entries=_MOST_ENTRIES)


def _table_of(metadata: dict[str, JSON], arrays: Mapping[str, np.ndarray]) -> tuple[Table, dict[str, JSON]]:
    dims = cast("dict[str, list[str]]", metadata.pop(_DIMS))
    coordinates = cast("dict[str, Sequence[JSON] | np.ndarray]", metadata.pop("coordinates"))
    for name, array in arrays.items():
        if name.startswith(_COORDINATES):
            coordinates[name.removeprefix(_COORDINATES)] = array
    data = {name: (tuple(labels), arrays[f"{_DATA}{name}"]) for name, labels in dims.items()}
    return Table(coordinates, data), metadata


def result_as_json(archive: bytes) -> bytes:
    """Return the result of a job as JSON, in which NaN becomes null."""
    metadata, arrays = _unpacked(archive)
    document = _labelled(metadata, arrays) if _DIMS in metadata else unflatten(arrays, metadata)
    return orjson.dumps(document, np.ascontiguousarray, orjson.OPT_SERIALIZE_NUMPY)


def _labelled(metadata: dict[str, JSON], arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
    content, rest = _table_of(metadata, arrays)
    data = {name: {"dims": dims, "values": values} for name, (dims, values) in content.data.items()}
    return {**rest, "coordinates": content.coordinates, "data": data}


def file_result_as_json(archive: bytes | tuple[Path, int], place: SpoolDestination) -> None:
    """Write the same into a file.

    Args:
        archive: itself, or a file that begins with it, and its size.
        place: where to write it.

    Raises:
        BusyError: the file had to make room for others.
        NoRoomError: there is no room for the new one.
    """
    document = result_as_json(archive if isinstance(archive, bytes) else _read(*archive))
    write_atomically(place, len(document), lambda file: file.writelines([document]))


def _read(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise BusyError("the result had to make room for others while it was read; ask again") from None


def _vector(values: Sequence[JSON] | np.ndarray) -> np.ndarray | None:
    """The values as float64, if they are plain numbers."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64) if values.dtype.kind in "fiu" else None
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return np.array(values, dtype=np.float64) if numbers else None
