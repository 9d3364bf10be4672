"""How many processors this process may use, which may be fewer than the machine has."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_V1, _V2 = "cgroup", "cgroup2"  # types of file systems


def usable(root: Path = Path("/")) -> int:
    """The processors that its affinity allows, or fewer where a cgroup has a quota; a part of one counts as one.

    Args:
        root: where `proc` and the file systems of cgroups are.
    """
    return max(1, math.ceil(min([_allowed(), *_quotas(root)])))


def _allowed() -> int:
    """Those that `taskset`, a batch system or a cpuset leaves."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover -- Windows and macOS


def _quotas(root: Path) -> Iterator[float]:
    """Processors' worth of time that this process's cgroup may have, and each of those that it is in.

    The kernel describes both versions of cgroups in its `admin-guide`; `man 5 proc` has the two files that are read.
    """
    with suppress(OSError, ValueError):  # another system, or a newer one that says it in other words
        groups = dict(_groups((root / "proc/self/cgroup").read_text()))
        for kind, above, mounted in _mounts((root / "proc/self/mountinfo").read_text()):
            group = groups.get(kind, "/")
            # a container may see its own part of the tree only, and still be told its place in the whole
            inner = Path(group).relative_to(above) if Path(group).is_relative_to(above) else Path()
            folder = root / mounted.lstrip("/")
            for each in (inner, *inner.parents):
                with suppress(OSError):  # the topmost has no quota, nor has one whose controller is off
                    yield _quota(kind, folder / each)


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """The cgroup that counts processor time, by version, from lines `hierarchy:controllers:path`."""
    for line in text.splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            yield _V2, path
        elif "cpu" in controllers.split(","):
            yield _V1, path


def _mounts(text: str) -> Iterator[tuple[str, str, str]]:
    """Version, what is mounted and where, of the file systems that may have quotas."""
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        if kind == _V2 or (kind == _V1 and "cpu" in options.split(",")):
            above, mounted = fields.split(" ")[3:5]
            yield kind, above, mounted


def _quota(kind: str, folder: Path) -> float:
    if kind == _V2:
        time, period = (folder / "cpu.max").read_text().split()  # "max 100000" where there is none
        return float(time.replace("max", "inf")) / float(period)
    time, period = (float((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    return time / period if time > 0 else math.inf
