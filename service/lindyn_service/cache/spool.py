"""Answers that are too large for memory and Redis: files in a folder of bounded size, served as they are.

The time of the last use is the file's access time, which is set by hand, since systems do not.
"""

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anyio import to_thread

from lindyn_service.sealed_file import TRAILER_BYTES, Place, is_whole

PREFIX = "lindyn-spool-"

_HEAD_BYTES = 65_536
_PART = ".part"
_LOCK = "lock"
_STALE_SECONDS = 86_400.0

_Version = tuple[int, int, int]


@dataclass(frozen=True)
class Filed:
    """An answer in a file.

    Attributes:
        path: of the file, which may be evicted at any time.
        size: of the answer, from the file's beginning.
        head: the first bytes of it.
    """

    path: Path
    size: int
    head: bytes

    def read(self) -> bytes:
        """All of the answer. Blocks; raises FileNotFoundError if the file was evicted."""
        with self.path.open("rb") as file:
            return file.read(self.size)


class Spool:
    """The files of a folder, which several processes may share.

    Args:
        folder: where they are; made if it is not there.
        max_bytes: of all files together; those that were not used for longest go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.max_bytes = max_bytes
        self._whole: dict[Path, _Version] = {}  # files whose checksum was found right

    def path(self, name: str) -> Path:
        """Where an answer of this name is, or would be."""
        return self._folder / name.replace(":", "-")

    @contextmanager
    def place(self, name: str) -> Generator[Place]:
        """Where to write an answer; what is left of it when it is not finished is removed."""
        path = self.path(name)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_PART}")
        try:
            yield Place(name, part, path)
        finally:
            part.unlink(missing_ok=True)

    async def find(self, name: str) -> Filed | None:
        """The file of this name, now the one used last; a damaged one is deleted."""
        return await to_thread.run_sync(self._find, name) if self.path(name).exists() else None

    async def make_room(self, size: int) -> None:
        """Delete the files unused for longest until there is room for so many bytes."""
        await to_thread.run_sync(self._make_room, size)

    def _find(self, name: str) -> Filed | None:
        path = self.path(name)
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                version = found.st_ino, found.st_size, found.st_mtime_ns
                size = found.st_size - TRAILER_BYTES
                if self._whole.get(path) != version and not is_whole(file.fileno(), name, size):
                    self._forget(path)
                    return None
                self._whole[path] = version
                os.utime(file.fileno(), ns=(time.time_ns(), found.st_mtime_ns))
                return Filed(path, size, os.pread(file.fileno(), min(_HEAD_BYTES, size), 0))
        except OSError:
            return None

    def _forget(self, path: Path) -> None:
        self._whole.pop(path, None)
        path.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        files: list[tuple[int, int, Path]] = []
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):  # evicted by another process
                found = entry.stat()
                if entry.name.endswith(_PART):
                    if time.time() - found.st_mtime > _STALE_SECONDS:  # of a service that was killed
                        Path(entry.path).unlink()
                elif entry.name != _LOCK and not entry.is_dir():
                    files.append((found.st_atime_ns, found.st_size, Path(entry.path)))
        excess = sum(each for _, each, _ in files) + size - self.max_bytes
        for _, each, path in sorted(files):
            if excess <= 0:
                break
            self._forget(path)
            excess -= each


@contextmanager
def private_folder() -> Generator[Path]:
    """A temporary folder for the length of the block; those that killed services left are removed, too."""
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder,
        Path(folder, _LOCK).open("wb") as lock,
    ):
        _try_lock(lock)
        _sweep()
        yield Path(folder)


def _sweep() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{_LOCK}"):
        with suppress(OSError), path.open("wb") as lock:  # another user's, or swept by another process
            if _try_lock(lock):
                shutil.rmtree(path.parent, ignore_errors=True)


def _try_lock(file: IO[bytes]) -> bool:
    """Locks end with the process that has them, however that ends."""
    if sys.platform == "win32":  # pragma: no cover
        return False
    import fcntl  # noqa: PLC0415 (not on Windows)

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
