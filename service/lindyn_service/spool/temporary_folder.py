"""Temporary folders of a process; those that a killed process leaves are removed by the next process."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from lindyn_service.spool.locks import is_own, open_own, try_lock

_LOCK = "lock"


@contextmanager
def private_folder(prefix: str, parent: str | None = None) -> Generator[Path]:
    """Create a folder for the duration of the block, which no other user can enter.

    Folders with this prefix that killed processes of this user left are removed. Folders of other users, links and
    special files are left alone, whatever their names.

    Args:
        prefix: prefix of the name of the folder.
        parent: folder in which it is created; None for the system's folder for temporary files.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        lock = open_own(Path(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            try_lock(lock)
            _remove_abandoned(prefix, Path(folder).parent)
            yield Path(folder)
        finally:
            os.close(lock)


def _remove_abandoned(prefix: str, parent: Path) -> None:
    for path in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # it belongs to another user, or another process removed it
            status = path.lstat()
            if not is_own(status) or path.is_symlink():
                continue
            lock = open_own(path / _LOCK, os.O_RDWR)
            try:
                if try_lock(lock):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
