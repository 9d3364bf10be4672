"""What the cgroups of this process allow it, by both versions of them.

The kernel describes both in its `admin-guide`; `man 5 proc` has the two files that are read.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

V1, V2 = "cgroup", "cgroup2"  # types of file systems


def cgroup_limits(root: Path, controller: str, read: Callable[[str, Path], float]) -> Iterator[float]:
    """The limits of this process's cgroup, and of each of those that it is in.

    Args:
        root: where `proc` and the file systems of cgroups are.
        controller: of the first version, such as `cpu`.
        read: reads a limit, given the version and the folder of a cgroup; raises OSError where there is none.
    """
    with suppress(OSError, ValueError):  # another system, or a newer one that says it in other words
        groups = dict(_groups((root / "proc/self/cgroup").read_text(), controller))
        for kind, above, mounted in _mounts((root / "proc/self/mountinfo").read_text(), controller):
            group = groups.get(kind, "/")
            # a container may see its own part of the tree only, and still be told its place in the whole
            inner = Path(group).relative_to(above) if Path(group).is_relative_to(above) else Path()
            folder = root / mounted.lstrip("/")
            for each in (inner, *inner.parents):
                with suppress(OSError):  # the topmost has no limit, nor has one whose controller is off
                    yield read(kind, folder / each)


def _groups(text: str, controller: str) -> Iterator[tuple[str, str]]:
    """The cgroup that counts, by version, from lines `hierarchy:controllers:path`."""
    for line in text.splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            yield V2, path
        elif controller in controllers.split(","):
            yield V1, path


def _mounts(text: str, controller: str) -> Iterator[tuple[str, str, str]]:
    """Version, what is mounted and where, of the file systems that may have limits."""
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        if kind == V2 or (kind == V1 and controller in options.split(",")):
            above, mounted = fields.split(" ")[3:5]
            yield kind, above, mounted
