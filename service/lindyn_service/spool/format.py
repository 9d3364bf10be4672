"""The file format of stored answers: worker processes write the files, and the service detects damaged ones.

A file consists of the answer and a trailer: magic number, length, and a checksum of name and answer. It is written
under a temporary name and renamed when it is complete. The trailer protects against accidents, not against anyone who
can write to the folder.
"""

import os
import struct
import zlib
from collections.abc import Callable
from typing import IO

from lindyn_service.spool.space import SpoolDestination, reserved_file

CHUNK_BYTES = 2**20

_TRAILER = struct.Struct("<4sQI")
_MAGIC = b"LDF1"  # the last byte is the version of this layout

TRAILER_BYTES = _TRAILER.size


def write_atomically(destination: SpoolDestination, expected_bytes: int, write: Callable[[IO[bytes]], None]) -> None:
    """Write an answer and its trailer to a temporary file, and rename it when it is complete. For worker processes.

    Args:
        destination: destination of the file.
        expected_bytes: estimated size of the answer, which is reserved first; the actual size may differ.
        write: writes the answer into a seekable file.

    Raises:
        NoRoomError: the answer does not fit into the folder or on its disk, or the folder cannot be written to.
        BusyError: files that are in use occupy the space for now.
    """
    with reserved_file(destination, expected_bytes + TRAILER_BYTES) as file:
        write(file)
        size = file.trim()
        file.write(_TRAILER.pack(_MAGIC, size, _checksum(file.fileno(), destination.name, size)))
        file.trim()
        destination.partial.replace(destination.path)


def bytes_or_file(
    expected_bytes: int,
    above_bytes: int,
    destination: SpoolDestination | None,
    encode: Callable[[], bytes],
    write: Callable[[IO[bytes]], None],
) -> bytes | None:
    """Return an answer, or write it to a file if it is large. For worker processes.

    Args:
        expected_bytes: estimated size of the answer.
        above_bytes: size above which the answer is written to a file.
        destination: destination of the file; None if no file can be written, whatever the size.
        encode: returns the encoded answer.
        write: writes the encoded answer into a file, without holding all of it in memory.

    Returns:
        The encoded answer, or None if it was written to the file.

    Raises:
        NoRoomError, BusyError: as of `write_atomically`.
    """
    if destination is not None and expected_bytes > above_bytes:
        write_atomically(destination, expected_bytes, write)
        return None
    body = encode()
    if destination is not None and len(body) > above_bytes:
        write_atomically(destination, len(body), lambda file: file.writelines([body]))
        return None
    return body


def is_intact(descriptor: int, name: str, size: int) -> bool:
    """Return whether an open file holds an answer of this name and size with a valid trailer."""
    if size < 0:
        return False
    magic, length, checksum = _TRAILER.unpack(os.pread(descriptor, TRAILER_BYTES, size))
    return magic == _MAGIC and length == size and checksum == _checksum(descriptor, name, size)


def _checksum(descriptor: int, name: str, size: int) -> int:
    checksum = zlib.crc32(name.encode())
    for offset in range(0, size, CHUNK_BYTES):
        checksum = zlib.crc32(os.pread(descriptor, min(CHUNK_BYTES, size - offset), offset), checksum)
    return checksum
