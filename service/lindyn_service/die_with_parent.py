"""Becomes a program that the kernel kills with its parent: `python leash.py PARENT_ID PROGRAM ARGUMENTS`.

A process of its own, since Python code between fork and exec may deadlock in a parent that has threads.
Linux only: elsewhere the program outlives a parent that is killed.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have this process killed when the thread that started it ends, also after it becomes another program.

    Raises:
        SystemExit: the parent is gone already.
    """
    if sys.platform == "linux":  # pragma: no branch
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel knew
        raise SystemExit(f"process {parent} is gone")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
