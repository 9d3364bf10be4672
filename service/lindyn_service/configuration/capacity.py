"""Defaults of settings that depend on the memory and the disk of the machine."""

import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lindyn_service.configuration import cgroups

_MEBIBYTE = 2**20
_MAX_WORKER_BYTES = 8192 * _MEBIBYTE
MIN_WORKER_BYTES = 256 * _MEBIBYTE  # with less, a worker cannot load its libraries
_MAX_WORK_BYTES = 4096 * _MEBIBYTE
_MAX_SPOOL_BYTES = 4096 * _MEBIBYTE
_MAX_RESULTS_BYTES = 1024 * _MEBIBYTE


def memory(root: Path = Path("/")) -> float:
    """Return the memory limit of the cgroups of this process, such as that of `docker run --memory`; infinity if none.

    Args:
        root: folder that contains `proc` and the file systems of cgroups.

    Returns:
        The limit in bytes.
    """
    return min(cgroups.cgroup_limits(root, "memory", _limit), default=math.inf)


def workers(chosen: Mapping[str, Any]) -> int:
    """Return the number of workers for requests and jobs in all processes together, for the given settings."""
    request_workers = chosen.get("workers", 1)
    has_cluster = chosen.get("dask_scheduler") is not None or chosen.get("dask_local") is not None
    # beside a cluster, one local worker assembles results
    job_workers = 1 if has_cluster else chosen.get("job_workers") or request_workers
    return chosen.get("processes", 1) * (request_workers + job_workers)


def worker_memory(count: int, limit: float) -> int:
    """Return the memory of each worker; workers share half of all memory, caches, bodies and answers the other half.

    Args:
        count: number of workers in all processes.
        limit: memory limit of the service, in bytes.

    Returns:
        The memory limit of a worker, in bytes.
    """
    return int(max(MIN_WORKER_BYTES, min(_MAX_WORKER_BYTES, limit / 2 / count)))


def work(worker_memory_bytes: int) -> int:
    """Return the limit on the estimated working memory of a request: that of a worker, up to a maximum."""
    return min(_MAX_WORK_BYTES, worker_memory_bytes)


def spool(folder: Path | None) -> int:
    """Return the size limit of a folder for answers: half of its own and the free space, up to a maximum."""
    return min(_MAX_SPOOL_BYTES, _available_bytes(folder) // 2)


def results(folder: Path | None) -> int:
    """Return the size limit of a folder for job results: a quarter of its own and the free space, up to a maximum."""
    return min(_MAX_RESULTS_BYTES, _available_bytes(folder) // 4)


def _available_bytes(folder: Path | None) -> int:
    """Return the free space on the disk of a folder plus the size of the files in the folder."""
    try:
        chosen = Path(tempfile.gettempdir()) if folder is None else folder
    except OSError:
        return 2 * _MAX_SPOOL_BYTES  # no folder is usable, which start-up reports
    existing = next((path for path in (chosen, *chosen.parents) if os.path.isdir(path)), Path("/"))
    own_bytes = 0
    if folder is not None:
        with suppress(OSError):
            own_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return shutil.disk_usage(existing).free + own_bytes


def _limit(kind: str, folder: Path) -> float:
    """Read the memory limit of a cgroup, in bytes."""
    if kind == cgroups.V2:
        return float((folder / "memory.max").read_text().strip().replace("max", "inf"))
    return float((folder / "memory.limit_in_bytes").read_text())  # a huge number if there is no limit
