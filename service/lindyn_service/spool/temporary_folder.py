"""Temporary folders of one process, which are removed when it ends, or after it was killed by the next one."""

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
    """A folder for the length of the block, which no other user can enter.

    Folders with this prefix that killed processes of this user left are removed. A folder of somebody else, a link or a
    file that is no regular one is left alone, whatever its name.

    Args:
        prefix: of its name.
        parent: where it is; None: where temporary files are.
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
        with suppress(OSError):  # somebody else's, or removed by another process
            found = path.lstat()
            if not is_own(found) or path.is_symlink():
                continue
            lock = open_own(path / _LOCK, os.O_RDWR)
            try:
                if try_lock(lock):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
