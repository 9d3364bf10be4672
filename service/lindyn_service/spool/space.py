"""Room in a folder of bounded size: taken before it is written to, and made by those unused for longest.

What is reserved is a file that has its size already, so all processes that share the folder see it. Whoever writes a
part holds its lock, so one without is left of a process that died. Whoever reads an answer holds its lock, too: it is
not deleted, since its bytes would still be on the disk. Scanning and reserving is done by one process at a time, which
holds the lock of the folder.
"""

import errno
import io
import os
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lindyn_service.errors import BusyError, NoRoomError
from lindyn_service.spool.locks import is_own, open_own, try_lock

PART = ".part"

T = TypeVar("T")

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOT = 0
_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.002


@dataclass(frozen=True)
class SpoolFolder:
    """Where an answer is to be written.

    Attributes:
        name: of the answer.
        part: path for the time being.
        path: the final one.
        max_bytes: of all files of the folder together.
    """

    name: str
    part: Path
    path: Path
    max_bytes: int

    @classmethod
    def of(cls, name: str, path: Path, max_bytes: int) -> "SpoolFolder":
        """A place with a path for the time being that nobody else has."""
        return cls(name, path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}"), path, max_bytes)

    @property
    def folder(self) -> Path:
        """That of both paths."""
        return self.path.parent


@contextmanager
def reserved(place: SpoolFolder, size: int) -> Generator["ReservedFile"]:
    """Open a new file for which there is room; it is deleted if it still has its first path at the end.

    Raises:
        NoRoomError: there is no room, or nothing can be written there.
        BusyError: files that are being written and read take the room.
    """
    try:
        with _alone(place.folder):
            _delete_unread(place.part)  # of a worker that died at the same answer
            descriptor = _with_room(place.folder, lambda: open_own(place.part, os.O_RDWR | os.O_CREAT | os.O_EXCL))
            try_lock(descriptor)
        with ReservedFile(descriptor, place) as file:
            file.reserve(size)
            yield file
    except OSError as error:
        raise NoRoomError(
            f"the answer could not be written to the spool ({error.strerror or error}); ask for fewer times or "
            "quantities, or tell whoever runs the service"
        ) from error
    finally:
        with suppress(OSError):  # the folder is gone, or something else
            place.part.unlink(missing_ok=True)


class ReservedFile(io.BufferedRandom):
    """A file that reserves what is written to it, at first for an expected size, then for more if it is needed."""

    def __init__(self, descriptor: int, place: SpoolFolder) -> None:
        self._own = _Counted(descriptor, place)
        super().__init__(self._own)

    def reserve(self, size: int) -> None:
        """Make room for so many bytes in all."""
        self._own.reserve(size)

    def cut(self) -> int:
        """Give back what was reserved and not written; returns how much was, and goes there."""
        self.flush()
        self.truncate(self._own.written)
        return self.seek(self._own.written)


class _Counted(io.FileIO):
    def __init__(self, descriptor: int, place: SpoolFolder) -> None:
        super().__init__(descriptor, "r+b")
        self.written = 0
        self._reserved = 0
        self._place = place

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        start = self.tell()
        end = start + memoryview(data).nbytes
        if end > self._reserved:
            self.reserve(max(end, min(end + end // 4, self._place.max_bytes)))
        written = super().write(data)
        self.written = max(self.written, start + written)
        return written

    def reserve(self, size: int) -> None:
        with _alone(self._place.folder):
            _make_room(self._place, size, size - self._reserved)
            _allocate(self.fileno(), size, self._place.folder)
        self._reserved = size


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the lock of a folder, which is made again if a cleaner of temporary files removed it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not is_own(found) and found.st_uid != _ROOT:
            raise PermissionError(f"{folder} belongs to another user")
        deadline = time.monotonic() + _WAIT_SECONDS
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise BusyError("another process makes room for an answer; ask again")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _make_room(place: SpoolFolder, size: int, more: int) -> None:
    """Delete the files unused for longest until a file of this size fits, to which so many bytes are added now."""
    if size > place.max_bytes:
        raise NoRoomError(
            f"the answer takes {size} bytes, and all large answers together may take {place.max_bytes} here; ask for "
            "fewer times or quantities"
        )
    others, finished = _files(place.folder)
    needed = others + sum(its for _, its, _ in finished) + more - place.max_bytes
    for _, its, path in finished:
        if needed <= 0:
            return
        if _delete_unread(path):
            needed -= its
    if needed > 0:
        raise BusyError("large answers that are being written and sent take all the room that there is; ask again")


def _files(folder: Path) -> tuple[int, list[tuple[int, int, Path]]]:
    """The bytes of parts that are being written, and the finished files, those unused for longest first.

    Parts of processes that died are deleted.
    """
    writing = 0
    finished: list[tuple[int, int, Path]] = []
    for entry in os.scandir(folder):
        path = Path(entry.path)
        with suppress(OSError):  # deleted meanwhile
            found = entry.stat(follow_symlinks=False)
            if not entry.is_file(follow_symlinks=False):
                continue
            if not entry.name.endswith(PART):
                finished.append((found.st_atime_ns, found.st_size, path))
            elif not _delete_unread(path):
                writing += found.st_size
    return writing, sorted(finished)


def _delete_unread(path: Path) -> bool:
    """Delete a file, unless somebody reads or writes it."""
    try:
        descriptor = open_own(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # none of ours
    try:
        if not try_lock(descriptor):
            return False
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def _allocate(descriptor: int, size: int, folder: Path) -> None:
    """Take room on the disk."""
    if not size:
        return
    if hasattr(os, "posix_fallocate"):
        _with_room(folder, lambda: os.posix_fallocate(descriptor, 0, size))
    else:  # pragma: no cover (macOS)
        os.ftruncate(descriptor, size)


def _with_room(folder: Path, take: Callable[[], T]) -> T:
    """Take something of the disk; where that is full, other answers give way."""
    while True:
        try:
            return take()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _, finished = _files(folder)
            if not any(_delete_unread(path) for _, _, path in finished):
                raise
