"""The file format of stored answers: worker processes write the files, and the service detects damaged ones.

A file consists of the answer, a short note about it, which may be empty, and a trailer: magic number, length of the
answer, and a checksum of name, answer and note. It is written under a temporary name and renamed when it is complete.
The trailer protects against accidents, not against anyone who can write to the folder.
"""

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from lindyn_service.spool.space import SpoolDestination, publish, reserved_file

CHUNK_BYTES = 2**20

_TRAILER = struct.Struct("<4sQI")
_MAGIC = b"LDF1"  # the last byte is the version of this layout

TRAILER_BYTES = _TRAILER.size
_MAX_NOTE_BYTES = 64


def write_atomically(
    destination: SpoolDestination, expected_bytes: int, write: Callable[[IO[bytes]], None], note: str = ""
) -> None:
    """Write an answer and its trailer to a temporary file, and rename it when it is complete. For worker processes.

    Args:
        destination: destination of the file.
        expected_bytes: estimated size of the answer, which is reserved first; the actual size may differ.
        write: writes the answer into a seekable file.
        note: note about the answer.

    Raises:
        NoRoomError: the answer does not fit into the folder or on its disk, or the folder cannot be written to.
        BusyError: files that are in use occupy the space for now.
    """
    with reserved_file(destination, expected_bytes + TRAILER_BYTES) as file:
        write(file)
        size = file.seek_written()
        file.write(note.encode())
        checksum = _checksum(file.fileno(), destination.name, file.seek_written())
        file.write(_TRAILER.pack(_MAGIC, size, checksum))
        file.trim()
        publish(destination)


def bytes_or_file(
    expected_bytes: int,
    above_bytes: int,
    destination: SpoolDestination | None,
    encode: Callable[[], bytes],
    write: Callable[[IO[bytes]], None],
    note: str = "",
) -> bytes | None:
    """Return an answer, or write it to a file if it is large. For worker processes.

    Args:
        expected_bytes: estimated size of the answer.
        above_bytes: size above which the answer is written to a file.
        destination: destination of the file; None if no file can be written, whatever the size.
        encode: returns the encoded answer.
        write: writes the encoded answer into a file, without holding all of it in memory.
        note: note about the answer, which its file holds.

    Returns:
        The encoded answer, or None if it was written to the file.

    Raises:
        NoRoomError, BusyError: as of `write_atomically`.
    """
    if destination is not None and expected_bytes > above_bytes:
        write_atomically(destination, expected_bytes, write, note)
        return None
    body = encode()
    if destination is not None and len(body) > above_bytes:
        write_atomically(destination, len(body), lambda file: file.writelines([body]), note)
        return None
    return body


@dataclass(frozen=True)
class FileLayout:
    """The parts of a file, as its trailer describes them.

    Attributes:
        answer_bytes: size of the answer, which is at the start of the file.
        note: note about the answer.
        checksum: checksum of name, answer and note.
    """

    answer_bytes: int
    note: str
    checksum: int


def read_layout(descriptor: int) -> FileLayout | None:
    """Read the note and the trailer of an open file; None if it has no valid trailer."""
    end = os.fstat(descriptor).st_size - TRAILER_BYTES
    if end < 0:
        return None
    magic, answer_bytes, checksum = _TRAILER.unpack(os.pread(descriptor, TRAILER_BYTES, end))
    note_bytes = end - answer_bytes
    if magic != _MAGIC or not 0 <= note_bytes <= _MAX_NOTE_BYTES:
        return None
    note = os.pread(descriptor, note_bytes, answer_bytes).decode(errors="replace")
    return FileLayout(answer_bytes, note, checksum)


def is_intact(descriptor: int, name: str, layout: FileLayout) -> bool:
    """Return whether answer and note of an open file are those that were written under this name."""
    end = os.fstat(descriptor).st_size - TRAILER_BYTES
    return layout.checksum == _checksum(descriptor, name, end)


def _checksum(descriptor: int, name: str, size: int) -> int:
    checksum = zlib.crc32(name.encode())
    for offset in range(0, size, CHUNK_BYTES):
        checksum = zlib.crc32(os.pread(descriptor, min(CHUNK_BYTES, size - offset), offset), checksum)
    return checksum
