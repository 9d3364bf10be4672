"""Folders that are removed by the process that made them, but not by its forks."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class OwnedFolder:
    """A folder for temporary files. The process that made it removes it, at the latest when it exits.

    A fork that exits would also remove a `tempfile.TemporaryDirectory`.
    """

    def __init__(self, prefix: str, parent: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._remove = weakref.finalize(self, _remove, self.path, os.getpid())

    def cleanup(self) -> None:
        """Remove the folder; a second call does nothing."""
        self._remove()


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)
