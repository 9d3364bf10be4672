"""The resource limits of the cgroups of this process, for both versions of cgroups.

The `admin-guide` of the Linux kernel describes both versions; `man 5 proc` describes the files that are read.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

V1, V2 = "cgroup", "cgroup2"  # file system types


def cgroup_limits(root: Path, controller: str, read: Callable[[str, Path], float]) -> Iterator[float]:
    """Yield the limits of the cgroup of this process and of all its ancestors.

    Args:
        root: folder that contains `proc` and the file systems of cgroups.
        controller: name of the controller in version 1, such as `cpu`.
        read: reads the limit from the folder of a cgroup, given the version; raises OSError if there is no limit.
    """
    with suppress(OSError, ValueError):  # not Linux, or an unknown format
        groups = dict(_groups((root / "proc/self/cgroup").read_text(), controller))
        for kind, mount_root, mount_point in _mounts((root / "proc/self/mountinfo").read_text(), controller):
            group = groups.get(kind, "/")
            # a container may see only its own part of the hierarchy while its cgroup has a path in the whole one
            inner = Path(group).relative_to(mount_root) if Path(group).is_relative_to(mount_root) else Path()
            folder = root / mount_point.lstrip("/")
            for path in (inner, *inner.parents):
                with suppress(OSError):  # the root cgroup has no limit, nor has one without this controller
                    yield read(kind, folder / path)


def _groups(text: str, controller: str) -> Iterator[tuple[str, str]]:
    """Yield version and path of the cgroup of this process, from lines `hierarchy:controllers:path`."""
    for line in text.splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            yield V2, path
        elif controller in controllers.split(","):
            yield V1, path


def _mounts(text: str, controller: str) -> Iterator[tuple[str, str, str]]:
    """Yield version, root and mount point of the cgroup file systems that may hold limits."""
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        if kind == V2 or (kind == V1 and controller in options.split(",")):
            mount_root, mount_point = fields.split(" ")[3:5]
            yield kind, mount_root, mount_point
