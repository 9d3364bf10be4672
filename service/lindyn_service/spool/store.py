"""A store of answers as files in a folder, addressed by name.

The time of last use is the access time of the file, which is set explicitly, since file systems may not update it.
"""

import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from cachetools import LRUCache

from lindyn_service.spool.format import is_intact, read_layout
from lindyn_service.spool.locks import open_own
from lindyn_service.spool.space import SpoolDestination

PREFIX = "lindyn-spool-"
"""Prefix of the temporary folder of a service for which no other folder is set."""

log = logging.getLogger(__name__)

_MAX_VERIFIED = 10_000

_Version = tuple[int, int, int]


@dataclass(frozen=True)
class StoredFile:
    """An answer that is stored in a file.

    Attributes:
        path: path of the file, which may be evicted at any time.
        size: size of the answer, which is at the start of the file.
        note: note about the answer.
    """

    path: Path
    size: int
    note: str

    def read(self) -> bytes:
        """Read the whole answer; blocks, and raises FileNotFoundError if the file was evicted."""
        with self.path.open("rb") as file:
            return file.read(self.size)


class Spool:
    """A folder of answers, which several processes may share.

    Args:
        folder: path of the folder, which is created if it does not exist.
        max_bytes: limit on the total size of its files; the least recently used ones are evicted.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.max_bytes = max_bytes
        # files whose checksum was verified, with the version that was verified
        self._verified: LRUCache[Path, _Version] = LRUCache(_MAX_VERIFIED)
        self._blocked: set[Path] = set()

    def path(self, name: str) -> Path:
        """Return the path of the answer of this name, whether it exists or not."""
        return self._folder / name.replace(":", "-")

    @contextmanager
    def destination(self, name: str) -> Generator[SpoolDestination]:
        """Yield the destination of an answer that a worker may write; on exit, a partial file is removed."""
        destination = SpoolDestination.of(name, self.path(name), self.max_bytes)
        try:
            yield destination
        finally:
            with suppress(OSError):  # the folder was removed or replaced
                destination.partial.unlink(missing_ok=True)

    @contextmanager
    def free_destination(self, name: str) -> Generator[SpoolDestination | None]:
        """Yield the destination of an answer, or None if a folder is in the place of its file.

        The folder is not one of this service, so it is left there, and reported once.
        """
        path = self.path(name)
        if path.is_dir() and not path.is_symlink():
            if path not in self._blocked:
                self._blocked.add(path)
                log.warning("%s is a folder where the file of an answer belongs; the answer is not kept", path)
            yield None
            return
        with self.destination(name) as destination:
            yield destination

    async def find(self, name: str) -> StoredFile | None:
        """Return the file of this name, or None, and mark it as the most recently used; a damaged file is deleted."""
        return await to_thread.run_sync(self._find, name) if self.path(name).exists() else None

    def _find(self, name: str) -> StoredFile | None:
        path = self.path(name)
        try:
            descriptor = open_own(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            version = status.st_ino, status.st_size, status.st_mtime_ns
            layout = read_layout(descriptor)
            if layout is None or (self._verified.get(path) != version and not is_intact(descriptor, name, layout)):
                path.unlink(missing_ok=True)
                return None
            self._verified[path] = version
            os.utime(descriptor, ns=(time.time_ns(), status.st_mtime_ns))
            return StoredFile(path, layout.answer_bytes, layout.note)
        except OSError:
            return None
        finally:
            os.close(descriptor)
