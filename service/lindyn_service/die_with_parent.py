"""Ties a child process to its parent: the kernel kills the child when the parent dies (Linux only).

As a script, `python die_with_parent.py PARENT_ID PROGRAM ARGUMENTS` executes a program that is tied to its parent. The
script is a process of its own since Python code between fork and exec may deadlock in a parent that has threads.
On other systems the program outlives a parent that is killed.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends; the request survives an exec.

    Raises:
        SystemExit: the parent has ended already.
    """
    if sys.platform == "linux":  # pragma: no branch
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the call of prctl
        raise SystemExit(f"process {parent} is gone")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
