"""How many processors this process may use, which may be fewer than the machine has."""

import math
import os
from pathlib import Path

from lindyn_service.configuration import cgroups


def usable_processors(root: Path = Path("/")) -> int:
    """The processors that its affinity allows, or fewer where a cgroup has a quota; a part of one counts as one.

    Args:
        root: where `proc` and the file systems of cgroups are.
    """
    return max(1, math.ceil(min([_allowed(), *cgroups.cgroup_limits(root, "cpu", _quota)])))


def _allowed() -> int:
    """Those that `taskset`, a batch system or a cpuset leaves."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover -- Windows and macOS


def _quota(kind: str, folder: Path) -> float:
    """Processors' worth of time that a cgroup may have."""
    if kind == cgroups.V2:
        time, period = (folder / "cpu.max").read_text().split()  # "max 100000" where there is none
        return float(time.replace("max", "inf")) / float(period)
    time, period = (float((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    return time / period if time > 0 else math.inf
