"""How much memory and disk there is, for settings that are not chosen."""

import math
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lindyn_service.configuration import cgroups

_MEBIBYTE = 2**20
_MOST_OF_WORKER = 8192 * _MEBIBYTE
LEAST_OF_WORKER = 128 * _MEBIBYTE
_MOST_OF_WORK = 4096 * _MEBIBYTE
_MOST_OF_SPOOL = 4096 * _MEBIBYTE
_MOST_OF_RESULTS = 1024 * _MEBIBYTE


def memory(root: Path = Path("/")) -> float:
    """Bytes that the cgroups of this process may use, as `docker run --memory` sets it; infinity without a limit.

    Args:
        root: where `proc` and the file systems of cgroups are.
    """
    return min(cgroups.cgroup_limits(root, "memory", _limit), default=math.inf)


def workers(chosen: Mapping[str, Any]) -> int:
    """How many workers of requests and of jobs all processes have together, by the settings that are chosen."""
    of_requests = chosen.get("workers", 1)
    on_cluster = chosen.get("dask_scheduler") is not None or chosen.get("dask_local") is not None
    of_jobs = 1 if on_cluster else chosen.get("job_workers") or of_requests  # one puts results together
    return chosen.get("processes", 1) * (of_requests + of_jobs)


def worker_memory(count: int, limit: float) -> int:
    """Bytes of each worker: half of all memory is for them, the rest for caches, bodies and answers.

    Args:
        count: workers of all processes.
        limit: bytes that all of them may use.
    """
    return int(max(LEAST_OF_WORKER, min(_MOST_OF_WORKER, limit / 2 / count)))


def work(worker_memory_bytes: int) -> int:
    """Bytes of working memory that a request may be estimated to need: what a worker has, within reason."""
    return min(_MOST_OF_WORK, worker_memory_bytes)


def spool(folder: Path | None) -> int:
    """Bytes of answers that a folder may have: half of what is free or its own, within reason."""
    return min(_MOST_OF_SPOOL, _disk(folder) // 2)


def results(folder: Path | None) -> int:
    """Bytes of results of jobs that a folder may have beside its answers: a quarter of that, within reason."""
    return min(_MOST_OF_RESULTS, _disk(folder) // 4)


def _disk(folder: Path | None) -> int:
    try:
        chosen = Path(tempfile.gettempdir()) if folder is None else folder
    except OSError:
        return 2 * _MOST_OF_SPOOL  # there is none, as the start of the service says
    there = next((each for each in (chosen, *chosen.parents) if each.is_dir()), Path("/"))
    own = 0
    if folder is not None:
        with suppress(OSError):
            own = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return shutil.disk_usage(there).free + own


def _limit(kind: str, folder: Path) -> float:
    if kind == cgroups.V2:
        return float((folder / "memory.max").read_text().strip().replace("max", "inf"))
    return float((folder / "memory.limit_in_bytes").read_text())  # a huge number where there is none
