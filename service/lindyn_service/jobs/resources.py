"""Resources that all jobs of a scheduler share."""

from dataclasses import dataclass, field

from anyio import Lock

from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.base import Engine
from lindyn_service.jobs.charges import Charges
from lindyn_service.jobs.fair_shares import FairShares
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.store import Spool


class PointMemory:
    """Memory for points of all jobs, which need not be read from the cache again.

    Args:
        max_bytes: size of the memory.
    """

    def __init__(self, max_bytes: int = 2**25) -> None:
        self._left = max_bytes

    def take(self, n_bytes: int) -> bool:
        """Take some bytes, if there are as many, and return whether there are."""
        if n_bytes > self._left:
            return False
        self._left -= n_bytes
        return True

    def release(self, n_bytes: int) -> None:
        """Return bytes that were taken."""
        self._left += n_bytes


@dataclass(frozen=True)
class JobResources:
    """Resources that all jobs of a scheduler share.

    Attributes:
        store: job store, for states and small results.
        cache: cache of points.
        engine: engine that computes points, perhaps on other machines.
        local_engine: engine on this machine that parses requests and assembles results.
        shares: turns of the jobs at the engines.
        charges: charges to the quotas of the owners.
        results: store of the results.
        point_spool: files of all points of a job, while its result is assembled.
        max_record_bytes: largest total size of the points of a job.
        assembly_lock: held while a result is assembled, so that the spool has the points of one job at a time.
        point_memory: memory for points.
    """

    store: JobStore
    cache: RedisCache
    engine: Engine
    local_engine: Engine
    shares: FairShares
    charges: Charges
    results: Results
    point_spool: Spool
    max_record_bytes: int
    assembly_lock: Lock
    point_memory: PointMemory = field(default_factory=PointMemory)
