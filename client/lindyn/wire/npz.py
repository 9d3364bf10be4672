"""Messages as npz archives: a JSON string named `metadata`, and arrays named by their paths; never a pickle."""

import io
import json
import sys
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np

from lindyn.wire.json_text import RepeatedFieldError, parse_json
from lindyn.wire.tree import JSON, Array
from lindyn.wire.wording import json_type

MEDIA_TYPE = "application/x-npz"
METADATA = "metadata"

_LONGEST_NAME = 80  # characters of a name in a message
_WIDEST_BYTES = 8  # of a number whose format does not depend on the machine
_PIECE_BYTES = 2**18  # small enough for the processor's cache


class NpzError(ValueError):
    """The bytes are not an archive of this kind, or break a limit."""


def pack(metadata: Mapping[str, JSON], arrays: Mapping[str, Array]) -> bytes:
    """Write an archive that `np.load(..., allow_pickle=False)` reads."""
    buffer = io.BytesIO()
    write(buffer, metadata, arrays)
    return buffer.getvalue()


def write(file: IO[bytes], metadata: Mapping[str, JSON], arrays: Mapping[str, Array]) -> None:
    """Write the same archive into a seekable file, without a copy of any array except long doubles.

    Arrays are not compressed, because their last digits are random. The metadata is, because numpy stores four bytes
    for each character.
    """
    # in one pass: an archive cannot be opened again in a file whose reserved space follows it
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, _portable(array), allow_pickle=False)
        text = io.BytesIO()
        np.lib.format.write_array(text, np.array(json.dumps(metadata)), allow_pickle=False)
        archive.writestr(zipfile.ZipInfo(f"{METADATA}.npy"), text.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1)


def _portable(array: Array) -> Array:
    """Convert long doubles to float64, because their format depends on the machine while its name does not."""
    if array.dtype.kind != "f" or array.dtype.itemsize <= _WIDEST_BYTES:
        return array
    with np.errstate(over="ignore"):  # the reader refuses infinity with its index
        return array.astype(np.float64)


def unpack(
    data: bytes, *, largest_bytes: int, max_entries: int = 256, max_parts: int | None = None
) -> tuple[dict[str, JSON], dict[str, Array]]:
    """Read an archive of untrusted origin.

    Args:
        data: the archive.
        largest_bytes: bound on the sum of the arrays' sizes, also once they are float64, checked before decompression.
        max_entries: bound on the number of arrays.
        max_parts: bound on the number of arrays, objects and fields in the metadata; None for no bound.

    Returns:
        The metadata and the arrays by name.

    Raises:
        NpzError: not a zip of npy entries, pickled objects, no metadata, or a limit is broken.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if len(entries) > max_entries or total > largest_bytes:
                raise NpzError(
                    f"the archive has {len(entries)} entries of {total} bytes in all, "
                    f"at most {max_entries} entries and {largest_bytes} bytes are read"
                )
            names = [entry.filename.removesuffix(".npy") for entry in entries]
            if len(set(names)) < len(names):
                raise NpzError("the archive has entries of the same name")
            if any(entry.comment for entry in entries):
                # no writer makes comments, but a damaged length turns the following entries into one
                raise NpzError("the archive has comments on entries, or its directory is damaged")
            arrays: dict[str, Array] = {}
            left = largest_bytes
            for name, entry in zip(names, entries, strict=True):
                arrays[name] = _read(archive, entry, left)
                left -= _converted_bytes(arrays[name].dtype, arrays[name].size)
        text = str(arrays.pop(METADATA)[()]).removeprefix("\ufeff")
        parts = text.count("[") + text.count("{") + text.count(":")
        if max_parts is not None and parts > max_parts:
            raise NpzError(f"'{METADATA}' has {parts} arrays, objects and fields, at most {max_parts} are read")
        metadata = parse_json(text)  # refuses lone surrogates, unlike json
    except NpzError:
        raise
    except RepeatedFieldError as error:
        raise NpzError(f"in '{METADATA}', {error}") from None
    except KeyError:
        raise NpzError(f"the archive has no entry '{METADATA}' with the JSON part of the message") from None
    except Exception as error:
        # a damaged archive makes zipfile, zlib, numpy and json raise almost anything
        raise NpzError(f"the bytes are not a readable npz archive ({type(error).__name__})") from error
    if not isinstance(metadata, dict):
        raise NpzError(f"'{METADATA}' must hold a JSON object, got {json_type(type(metadata))}")
    return metadata, arrays


def expanded_bytes(data: bytes) -> int:
    """Return the total size of an archive's entries after decompression, or 0 if its directory cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except Exception:  # a damaged archive makes zipfile raise almost anything
        return 0


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, largest_bytes: int) -> Array:
    """Read an npy entry. Its header must agree with its size, so that a false header allocates no memory."""
    name = entry.filename[:_LONGEST_NAME]
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NpzError(f"entry '{name}' is neither stored nor deflated")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise NpzError(f"entry '{name}' has npy version {version}, versions 1.0 and 2.0 are read")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, column_major, dtype = read_header(file)
        if dtype.hasobject:
            message = f"entry '{name}' of shape {shape} and type {dtype} holds Python objects"
            raise NpzError(f"{message}, which are never read: expected numbers")
        size = dtype.itemsize * int(np.prod([float(n) for n in shape]))
        # the limits apply to the size that the entry declares, and zipfile decompresses no more than that
        if dtype.itemsize == 0 or size != entry.file_size - file.tell():
            raise NpzError(f"entry '{name}' of shape {shape} and type {dtype} does not fit its bytes")
        converted = _converted_bytes(dtype, size // dtype.itemsize)
        if converted > largest_bytes:
            message = f"entry '{name}' of shape {shape} and type {dtype} takes {converted} bytes as float64"
            raise NpzError(f"{message}, and {largest_bytes} are left of what may be read")
        array = np.empty(shape[::-1] if column_major else shape, dtype)
        _fill(array.reshape(-1).view(np.uint8).data, file)
    if dtype.kind == "V" or (dtype.kind == "U" and not _is_unicode(array)):
        raise NpzError(f"entry '{name}' of type {dtype} holds neither numbers nor text")
    return array.T if column_major else array


def _converted_bytes(dtype: np.dtype, count: int) -> int:
    """Return the size of an array after its conversion to float64; text is not converted."""
    return count * (max(dtype.itemsize, _WIDEST_BYTES) if dtype.kind in "biuf" else dtype.itemsize)


def _is_unicode(array: Array) -> bool:
    """Return whether all characters exist; numpy also reads numbers beyond the last code point as text."""
    codes = array.reshape(-1).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    return bool(np.all(codes <= sys.maxunicode))


def _fill(target: memoryview, file: IO[bytes]) -> None:
    """Read an entry into an array in small pieces, so that memory holds it only once."""
    position = 0
    while position < len(target):
        piece = file.read(min(_PIECE_BYTES, len(target) - position))
        if not piece:
            raise NpzError(f"the archive ends after {position} of {len(target)} bytes of an array")
        target[position : position + len(piece)] = piece
        position += len(piece)
    file.read(1)  # zipfile compares the checksum when it reads beyond the end
