"""Advisory locks on open files and folders, which end with the process that holds them, and files opened with care."""

import os
import stat
import sys
from pathlib import Path

_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if sys.platform != "win32" else 0


def open_own(path: Path, flags: int) -> int:
    """Open a regular file of this user, and nothing else that may have been put in its place.

    Links are not followed, and a FIFO is not waited for.

    Returns:
        A descriptor.

    Raises:
        OSError: there is no such file, or it is something else, or somebody else's.
    """
    descriptor = os.open(path, flags | _SAFELY, 0o600)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and is_own(found):
        return descriptor
    os.close(descriptor)
    raise PermissionError(f"{path} is not a regular file of this user")


def is_own(found: os.stat_result) -> bool:
    """Whether a file belongs to the user of this process."""
    return sys.platform == "win32" or found.st_uid == os.geteuid()


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file or folder, if nobody else holds a lock that excludes this one.

    On systems without `flock` nothing is locked.
    """
    if sys.platform == "win32":  # pragma: no cover
        return False
    import fcntl  # noqa: PLC0415 (not on Windows)

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
