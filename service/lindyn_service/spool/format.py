"""Files of answers: written whole by worker processes, and told from damaged ones by the service.

A file holds the answer and after it a trailer: magic, length, and a checksum of name and answer. It is written under
another name and renamed when it is whole. Like a seal, the trailer guards against accidents, not against whoever can
write to the folder.
"""

import os
import struct
import zlib
from collections.abc import Callable
from typing import IO

from lindyn_service.spool.space import SpoolFolder, reserved

PIECE_BYTES = 2**20

_TRAILER = struct.Struct("<4sQI")
_MAGIC = b"LDF1"  # the last byte is the version of this layout

TRAILER_BYTES = _TRAILER.size


def write_whole(place: SpoolFolder, expected_bytes: int, write: Callable[[IO[bytes]], None]) -> None:
    """Write an answer, seal it, and rename it. For worker processes.

    Args:
        place: where to.
        expected_bytes: for which room is made before anything is written; it may turn out to be another number.
        write: writes the answer into a file that can be sought in.

    Raises:
        NoRoomError: the folder, or its disk, has no room for the answer, or cannot be written.
        BusyError: other answers take the room now.
    """
    with reserved(place, expected_bytes + TRAILER_BYTES) as file:
        write(file)
        size = file.cut()
        file.write(_TRAILER.pack(_MAGIC, size, _checksum(file.fileno(), place.name, size)))
        file.cut()
        place.part.replace(place.path)


def bytes_or_file(
    expected_bytes: int,
    above_bytes: int,
    place: SpoolFolder | None,
    encode: Callable[[], bytes],
    write: Callable[[IO[bytes]], None],
) -> bytes | None:
    """Hand an answer over, in its file if it is large. For worker processes.

    Args:
        expected_bytes: of the answer.
        above_bytes: what is larger is large.
        place: of the file; None: there is none, however large the answer is.
        encode: makes the answer.
        write: writes it into a file, without holding all of it.

    Returns:
        The answer, or None if it is in its file.

    Raises:
        NoRoomError, BusyError: as `write_whole`.
    """
    if place is not None and expected_bytes > above_bytes:
        write_whole(place, expected_bytes, write)
        return None
    body = encode()
    if place is not None and len(body) > above_bytes:
        write_whole(place, len(body), lambda file: file.writelines([body]))
        return None
    return body


def is_whole(descriptor: int, name: str, size: int) -> bool:
    """Whether an open file is an answer of this name and size with its trailer."""
    if size < 0:
        return False
    magic, length, checksum = _TRAILER.unpack(os.pread(descriptor, TRAILER_BYTES, size))
    return magic == _MAGIC and length == size and checksum == _checksum(descriptor, name, size)


def _checksum(descriptor: int, name: str, size: int) -> int:
    checksum = zlib.crc32(name.encode())
    for at in range(0, size, PIECE_BYTES):
        checksum = zlib.crc32(os.pread(descriptor, min(PIECE_BYTES, size - at), at), checksum)
    return checksum
