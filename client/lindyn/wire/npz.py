"""Messages as npz archives: a JSON string named `metadata` beside arrays named by their path, never a pickle."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

import io
import json
import sys
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

MEDIA_TYPE = "application/x-npz"
METADATA = "metadata"

_LONGEST = 80  # characters that are repeated of a name
_WIDEST_BYTES = 8  # of a number that all machines read alike
_LONG_BYTES = 2**16  # of metadata, above which compressing is worth its time
_PIECE_BYTES = 2**18  # stays in the processor's cache on its way


class NpzError(ValueError):
    """The bytes are not an archive of this kind, or break a limit."""


def pack(metadata: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Write an uncompressed archive that `np.load(..., allow_pickle=False)` reads."""
    buffer = io.BytesIO()
    write(buffer, metadata, arrays)
    return buffer.getvalue()


def write(file: IO[bytes], metadata: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the same into a file that can be sought in; no array is copied as a whole, but for long doubles.

    Long metadata is compressed, since numpy keeps four bytes of each character.
    """
    portable = {name: _portable(array) for name, array in arrays.items()}
    text = np.array(json.dumps(metadata))
    if text.nbytes <= _LONG_BYTES:
        np.savez(file, allow_pickle=False, **{METADATA: text}, **portable)
        return
    np.savez(file, allow_pickle=False, **portable)
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{METADATA}.npy", "w", force_zip64=True) as entry,
    ):
        np.lib.format.write_array(entry, text, allow_pickle=False)


def _portable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Long doubles as float64, which is what is computed with: machines write other bytes for them, by one name."""
    if array.dtype.kind != "f" or array.dtype.itemsize <= _WIDEST_BYTES:
        return array
    with np.errstate(over="ignore"):  # whoever reads it refuses what is not finite, by its place
        return array.astype(np.float64)


def unpack(
    data: bytes, *, largest_bytes: int, most_entries: int = 256, most_parts: int | None = None
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read an archive of untrusted origin.

    Args:
        data: the archive.
        largest_bytes: bound on the sum of the arrays' sizes, and on what they take as float64, checked before anything
            is expanded.
        most_entries: bound on the number of arrays.
        most_parts: bound on the arrays, objects and fields of the metadata; None: there is no such bound.

    Returns:
        The metadata and the arrays by name.

    Raises:
        NpzError: not a zip of npy entries, pickled objects, no metadata, or a limit is broken.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if len(entries) > most_entries or total > largest_bytes:
                raise NpzError(
                    f"the archive has {len(entries)} entries of {total} bytes in all, "
                    f"at most {most_entries} entries and {largest_bytes} bytes are read"
                )
            names = [entry.filename.removesuffix(".npy") for entry in entries]
            if len(set(names)) < len(names):
                raise NpzError("the archive has entries of the same name")
            if any(entry.comment for entry in entries):
                # nobody writes them; a damaged length makes one of the entries that follow
                raise NpzError("the archive has comments on entries, or its directory is damaged")
            arrays: dict[str, npt.NDArray[Any]] = {}
            left = largest_bytes
            for name, entry in zip(names, entries, strict=True):
                arrays[name] = _read(archive, entry, left)
                left -= _converted_bytes(arrays[name].dtype, arrays[name].size)
        text = str(arrays.pop(METADATA)[()]).removeprefix("\ufeff")
        parts = text.count("[") + text.count("{") + text.count(":")
        if most_parts is not None and parts > most_parts:
            raise NpzError(f"'{METADATA}' has {parts} arrays, objects and fields, at most {most_parts} are read")
        metadata: Any = from_json(text)  # refuses halves of characters, unlike json
    except NpzError:
        raise
    except KeyError:
        raise NpzError(f"the archive has no entry '{METADATA}' with the JSON part of the message") from None
    except Exception as error:
        # a damaged archive makes zipfile, zlib, numpy and json raise almost anything
        raise NpzError(f"the bytes are not a readable npz archive ({type(error).__name__})") from error
    if not isinstance(metadata, dict):
        raise NpzError(f"'{METADATA}' must hold a JSON object, got {type(metadata).__name__}")
    return metadata, arrays


def expanded_bytes(data: bytes) -> int:
    """How many bytes the entries of an archive have, by its directory; 0 where that cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except Exception:  # a damaged archive makes zipfile raise almost anything
        return 0


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, largest_bytes: int) -> npt.NDArray[Any]:
    """Read one npy entry whose header must agree with its size, so that no header can ask for memory."""
    name = entry.filename[:_LONGEST]
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NpzError(f"entry '{name}' is neither stored nor deflated")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise NpzError(f"entry '{name}' has npy version {version}, versions 1.0 and 2.0 are read")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, column_major, dtype = read_header(file)
        if dtype.hasobject:
            told = f"entry '{name}' of shape {shape} and type {dtype} holds Python objects"
            raise NpzError(f"{told}, which are never read: expected numbers")
        size = dtype.itemsize * int(np.prod([float(n) for n in shape]))
        # the entry's size was held against the limits, and zipfile expands no more than it
        if dtype.itemsize == 0 or size != entry.file_size - file.tell():
            raise NpzError(f"entry '{name}' of shape {shape} and type {dtype} does not fit its bytes")
        converted = _converted_bytes(dtype, size // dtype.itemsize)
        if converted > largest_bytes:
            told = f"entry '{name}' of shape {shape} and type {dtype} takes {converted} bytes as float64"
            raise NpzError(f"{told}, and {largest_bytes} are left of what may be read")
        array = np.empty(shape[::-1] if column_major else shape, dtype)
        _fill(array.reshape(-1).view(np.uint8).data, file)
    if dtype.kind == "V" or (dtype.kind == "U" and not _is_unicode(array)):
        raise NpzError(f"entry '{name}' of type {dtype} holds neither numbers nor text")
    return array.T if column_major else array


def _converted_bytes(dtype: np.dtype[Any], count: int) -> int:
    """What many entries take once they are float64, which is what is computed with; text stays as it is."""
    return count * (max(dtype.itemsize, _WIDEST_BYTES) if dtype.kind in "biuf" else dtype.itemsize)


def _is_unicode(array: npt.NDArray[np.str_]) -> bool:
    """No code point is beyond those that there are; numpy makes text of any number, which breaks whoever reads it."""
    codes = array.reshape(-1).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    return bool(np.all(codes <= sys.maxunicode))


def _fill(target: memoryview, file: IO[bytes]) -> None:
    """Read straight into an array: nothing of the size of the message is held twice."""
    at = 0
    while at < len(target):
        piece = file.read(min(_PIECE_BYTES, len(target) - at))
        if not piece:
            raise NpzError(f"the archive ends after {at} of {len(target)} bytes of an array")
        target[at : at + len(piece)] = piece
        at += len(piece)
    file.read(1)  # at its end, zipfile compares the checksum
