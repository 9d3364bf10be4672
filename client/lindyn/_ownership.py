"""What a process made and must remove: a fork of it has a copy, and must not."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class OwnedFolder:
    """A folder for temporary files, removed by the process that made it, at its end if not before.

    `tempfile.TemporaryDirectory` would also be removed by the first fork that ends.
    """

    def __init__(self, prefix: str, parent: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._remove = weakref.finalize(self, _remove, self.path, os.getpid())

    def cleanup(self) -> None:
        """Remove it now; does nothing the second time."""
        self._remove()


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)
