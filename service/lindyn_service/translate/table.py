"""Results of jobs: labelled arrays, which are stored as npz and converted to JSON on request."""

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

_MAX_EXPANDED_BYTES = 2**34  # of a stored result, which is within its own limit; workers have less memory
_MAX_ENTRIES = 2**16
_COORDINATES, _DATA, _DIMS = "coordinates.", "data.", "dims"


@dataclass(frozen=True)
class Archive:
    """A result before it is written as npz.

    Attributes:
        metadata: metadata of the result, as JSON.
        arrays: arrays by their names in the archive.
        max_bytes: limit of the size of the archive.
    """

    metadata: dict[str, JSON]
    arrays: Mapping[str, np.ndarray]
    max_bytes: int

    @property
    def size(self) -> int:
        """Approximate size of the archive in bytes."""
        return sum(array.nbytes for array in self.arrays.values())

    def write(self, file: IO[bytes]) -> None:
        """Write the archive to an empty file, without holding all of it in memory.

        Raises:
            TooLargeError: the archive is larger than allowed.
        """
        npz.write(file, self.metadata, self.arrays)
        check_size(file.tell(), self.max_bytes)

    def pack(self) -> bytes:
        """Return the bytes of the archive.

        Raises:
            TooLargeError: the archive is larger than allowed.
        """
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
    max_bytes: int,
) -> Archive:
    """Return the archive of a table; coordinates that are not vectors of numbers are stored as JSON.

    Args:
        job: id of the job.
        kind: `sweep`, or the name of an experiment.
        content: the table.
        request: request of the job.
        problems: problems of points without values.
        warnings: warnings about the values.
        max_bytes: limit of the size of the archive.

    Raises:
        TooLargeError: the archive is larger than allowed.
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
    archive = Archive(plain, arrays, max_bytes)
    check_size(archive.size, max_bytes)
    return archive


def check_size(size: int, max_bytes: int) -> None:
    """Check the size of a result against its limit, both in bytes.

    Raises:
        TooLargeError: the size exceeds the limit.
    """
    if size > max_bytes:
        raise TooLargeError(
            f"the result takes {size} bytes, since arrays of all points have the size of the largest; the limit is "
            f"{max_bytes} (LINDYN_MAX_RESULT_BYTES): collect scalars instead of quantities, or ask for fewer points "
            "or times"
        )


def read_table(archive: bytes) -> tuple[Table, dict[str, JSON]]:
    """Return the table of an archive, and the rest of its metadata."""
    return _table_of(*_unpacked(archive))


def _unpacked(archive: bytes) -> tuple[dict[str, JSON], dict[str, np.ndarray]]:
    return npz.unpack(archive, largest_bytes=_MAX_EXPANDED_BYTES, max_entries=_MAX_ENTRIES)


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
    """Convert the archive of a result to JSON, and write this to a file.

    Args:
        archive: the archive; or a file that begins with it, and the size of the archive.
        place: where the file is written.

    Raises:
        BusyError: the file of the archive was evicted from the disk cache.
        NoRoomError: there is no room for the new file.
    """
    document = result_as_json(archive if isinstance(archive, bytes) else _read(*archive))
    write_atomically(place, len(document), lambda file: file.writelines([document]))


def _read(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise BusyError("the result was evicted from the disk cache before it was read; ask again") from None


def _vector(values: Sequence[JSON] | np.ndarray) -> np.ndarray | None:
    """Return values as a float64 vector; None if any of them is not a number."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64) if values.dtype.kind in "fiu" else None
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return np.array(values, dtype=np.float64) if numbers else None
