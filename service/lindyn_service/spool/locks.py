"""Advisory locks on files and folders, which end with the process that holds them, and safe opening of files."""

import os
import stat
import sys
from pathlib import Path

_SAFE_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if sys.platform != "win32" else 0


def open_own(path: Path, flags: int) -> int:
    """Open a regular file that belongs to the user of this process.

    Symbolic links are not followed, and opening a FIFO does not block.

    Returns:
        A file descriptor.

    Raises:
        OSError: the file does not exist, is not a regular file, or belongs to another user.
    """
    descriptor = os.open(path, flags | _SAFE_FLAGS, 0o600)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and is_own(status):
        return descriptor
    os.close(descriptor)
    raise PermissionError(f"{path} is not a regular file of this user")


def is_own(status: os.stat_result) -> bool:
    """Return whether a file belongs to the user of this process."""
    return sys.platform == "win32" or status.st_uid == os.geteuid()


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Try to lock an open file or folder without blocking, and return whether that succeeded.

    On systems without `flock` the result is always False.
    """
    if sys.platform == "win32":  # pragma: no cover
        return False
    import fcntl  # noqa: PLC0415 (not on Windows)

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
