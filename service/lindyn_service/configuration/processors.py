"""The number of processors that this process may use, which may be smaller than that of the machine."""

import math
import os
from pathlib import Path

from lindyn_service.configuration import cgroups


def usable_processors(root: Path = Path("/")) -> int:
    """Return the number of processors by CPU affinity or by cgroup quota, whichever is smaller, rounded up.

    Args:
        root: folder that contains `proc` and the file systems of cgroups.
    """
    return max(1, math.ceil(min([_affinity(), *cgroups.cgroup_limits(root, "cpu", _quota)])))


def _affinity() -> int:
    """Return the number of processors that `taskset`, a batch system or a cpuset allows."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover -- Windows and macOS


def _quota(kind: str, folder: Path) -> float:
    """Read the CPU quota of a cgroup, in processors."""
    if kind == cgroups.V2:
        time, period = (folder / "cpu.max").read_text().split()  # "max 100000" if there is no quota
        return float(time.replace("max", "inf")) / float(period)
    time, period = (float((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    return time / period if time > 0 else math.inf
