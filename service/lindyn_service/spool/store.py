"""Answers in files of a folder, found by their names.

The time of the last use is the file's access time, which is set by hand, since systems do not.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from cachetools import LRUCache

from lindyn_service.spool.format import TRAILER_BYTES, is_whole
from lindyn_service.spool.locks import open_own
from lindyn_service.spool.space import SpoolFolder

PREFIX = "lindyn-spool-"
"""Of the temporary folders of services that have no other."""

_HEAD_BYTES = 65_536
_MOST_REMEMBERED = 10_000

_Version = tuple[int, int, int]


@dataclass(frozen=True)
class StoredFile:
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
        # files whose checksum was found right
        self._whole: LRUCache[Path, _Version] = LRUCache(_MOST_REMEMBERED)

    def path(self, name: str) -> Path:
        """Where an answer of this name is, or would be."""
        return self._folder / name.replace(":", "-")

    @contextmanager
    def place(self, name: str) -> Generator[SpoolFolder]:
        """Where a worker may write an answer; what a killed one leaves is removed."""
        place = SpoolFolder.of(name, self.path(name), self.max_bytes)
        try:
            yield place
        finally:
            with suppress(OSError):  # the folder is gone, or something else
                place.part.unlink(missing_ok=True)

    async def find(self, name: str) -> StoredFile | None:
        """The file of this name, now the one used last; a damaged one is deleted."""
        return await to_thread.run_sync(self._find, name) if self.path(name).exists() else None

    def _find(self, name: str) -> StoredFile | None:
        path = self.path(name)
        try:
            descriptor = open_own(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            found = os.fstat(descriptor)
            version = found.st_ino, found.st_size, found.st_mtime_ns
            size = found.st_size - TRAILER_BYTES
            if self._whole.get(path) != version and not is_whole(descriptor, name, size):
                path.unlink(missing_ok=True)
                return None
            self._whole[path] = version
            os.utime(descriptor, ns=(time.time_ns(), found.st_mtime_ns))
            return StoredFile(path, size, os.pread(descriptor, min(_HEAD_BYTES, size), 0))
        except OSError:
            return None
        finally:
            os.close(descriptor)
