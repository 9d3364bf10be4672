"""Space in a folder of limited size: reserved before writing, and freed by evicting the least recently used files.

A reservation is a partial file that is already allocated in full, so all processes that share the folder see it. A
process that writes a partial file holds a lock on it, so a partial file without a lock is left of a process that died.
A process that reads an answer holds a lock on it as well, and the file is not evicted, since its bytes would remain on
the disk. Only the process that holds the lock of the folder scans it and reserves space.
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

PARTIAL_SUFFIX = ".part"

T = TypeVar("T")

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOT_USER = 0
_LOCK_SECONDS = 5.0
_POLL_SECONDS = 0.002


@dataclass(frozen=True)
class SpoolDestination:
    """The destination to which an answer is to be written.

    Attributes:
        name: name of the answer.
        partial: path of the file while it is being written.
        path: path of the complete file.
        max_bytes: limit on the total size of all files in the folder.
    """

    name: str
    partial: Path
    path: Path
    max_bytes: int

    @classmethod
    def of(cls, name: str, path: Path, max_bytes: int) -> "SpoolDestination":
        """Create a destination with a unique path for the partial file."""
        return cls(name, path.with_name(f"{path.name}.{secrets.token_hex(8)}{PARTIAL_SUFFIX}"), path, max_bytes)

    @property
    def folder(self) -> Path:
        """The folder of both paths."""
        return self.path.parent


@contextmanager
def reserved_file(destination: SpoolDestination, size: int) -> Generator["ReservedFile"]:
    """Open a new partial file with reserved space; it is deleted on exit unless it has been renamed.

    Raises:
        NoRoomError: the file does not fit, or the folder cannot be written to.
        BusyError: files that are being written or read occupy the space.
    """
    try:
        with _folder_lock(destination.folder):
            _delete_unused(destination.partial)  # left by a worker that died while it wrote the same answer
            descriptor = _evicting_if_full(
                destination.folder, lambda: open_own(destination.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            )
            try_lock(descriptor)
        with ReservedFile(descriptor, destination) as file:
            file.reserve(size)
            yield file
    except OSError as error:
        raise NoRoomError(
            f"the answer could not be written to the spool ({error.strerror or error}); ask for fewer times or "
            "quantities, or contact the operator of the service"
        ) from error
    finally:
        with suppress(OSError):  # the folder was removed or replaced
            destination.partial.unlink(missing_ok=True)


def publish(destination: SpoolDestination) -> None:
    """Rename a partial file that is complete.

    The folder is locked, since a scan of it may find a file that is renamed meanwhile under neither name.

    Raises:
        BusyError: another process holds the lock of the folder for long.
    """
    with _folder_lock(destination.folder):
        destination.partial.replace(destination.path)


class ReservedFile(io.BufferedRandom):
    """A file that reserves disk space before it is written to, first the expected size and later more if needed."""

    def __init__(self, descriptor: int, destination: SpoolDestination) -> None:
        self._raw_file = _ReservingFile(descriptor, destination)
        super().__init__(self._raw_file)

    def reserve(self, size: int) -> None:
        """Reserve space for a total of `size` bytes."""
        self._raw_file.reserve(size)

    def seek_written(self) -> int:
        """Move to the end of what was written, and return the number of bytes before it."""
        self.flush()
        return self.seek(self._raw_file.written)

    def trim(self) -> None:
        """Release reserved space that was not written; nothing may be written afterwards."""
        self.truncate(self.seek_written())


class _ReservingFile(io.FileIO):
    def __init__(self, descriptor: int, destination: SpoolDestination) -> None:
        super().__init__(descriptor, "r+b")
        self.written = 0
        self._reserved = 0
        self._destination = destination

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        start = self.tell()
        end = start + memoryview(data).nbytes
        if end > self._reserved:
            self.reserve(max(end, min(end + end // 4, self._destination.max_bytes)))
        written = super().write(data)
        self.written = max(self.written, start + written)
        return written

    def reserve(self, size: int) -> None:
        with _folder_lock(self._destination.folder):
            _make_room(self._destination, size, size - self._reserved)
            _allocate(self.fileno(), size, self._destination.folder)
        self._reserved = size


@contextmanager
def _folder_lock(folder: Path) -> Generator[None]:
    """Hold the lock of a folder, which is created again if a cleaner of temporary files has removed it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not is_own(status) and status.st_uid != _ROOT_USER:
            raise PermissionError(f"{folder} belongs to another user")
        deadline = time.monotonic() + _LOCK_SECONDS
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise BusyError("another process is reserving space for an answer; send the request again")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _make_room(destination: SpoolDestination, size: int, added: int) -> None:
    """Evict the least recently used files until a file fits.

    Args:
        destination: destination of the file.
        size: size of the file.
        added: bytes of that size that are not reserved yet.
    """
    if size > destination.max_bytes:
        raise NoRoomError(
            f"the answer takes {size} bytes, and all large answers together may take {destination.max_bytes}; ask for "
            "fewer times or quantities"
        )
    partial_bytes, complete = _scan(destination.folder)
    excess = partial_bytes + sum(file_bytes for _, file_bytes, _ in complete) + added - destination.max_bytes
    for _, file_bytes, path in complete:
        if excess <= 0:
            return
        if _delete_unused(path):
            excess -= file_bytes
    if excess > 0:
        raise BusyError("large answers that are being written and sent take all the space; send the request again")


def _scan(folder: Path) -> tuple[int, list[tuple[int, int, Path]]]:
    """Return the bytes of partial files, and access time, size and path of complete ones, least recently used first.

    Partial files of processes that died are deleted.
    """
    partial_bytes = 0
    complete: list[tuple[int, int, Path]] = []
    for entry in os.scandir(folder):
        path = Path(entry.path)
        with suppress(OSError):  # another process has deleted it
            status = entry.stat(follow_symlinks=False)
            if not entry.is_file(follow_symlinks=False):
                continue
            if not entry.name.endswith(PARTIAL_SUFFIX):
                complete.append((status.st_atime_ns, status.st_size, path))
            elif not _delete_unused(path):
                partial_bytes += status.st_size
    return partial_bytes, sorted(complete)


def _delete_unused(path: Path) -> bool:
    """Delete a file unless a process reads or writes it, and return whether it is gone."""
    try:
        descriptor = open_own(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # not a file of this service
    try:
        if not try_lock(descriptor):
            return False
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def _allocate(descriptor: int, size: int, folder: Path) -> None:
    """Allocate disk space for a file."""
    if not size:
        return
    if hasattr(os, "posix_fallocate"):
        _evicting_if_full(folder, lambda: os.posix_fallocate(descriptor, 0, size))
    else:  # pragma: no cover (macOS)
        os.ftruncate(descriptor, size)


def _evicting_if_full(folder: Path, allocate: Callable[[], T]) -> T:
    """Call a function that needs disk space; while the disk is full, evict answers and call it again."""
    while True:
        try:
            return allocate()
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            _, complete = _scan(folder)
            if not any(_delete_unused(path) for _, _, path in complete):
                raise
