"""What jobs are done with."""

from dataclasses import dataclass

from anyio import Lock

from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.base import Engine
from lindyn_service.jobs.charges import Charges
from lindyn_service.jobs.fair_shares import FairShares
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.store import Spool


@dataclass(frozen=True)
class JobResources:
    """What jobs are done with.

    Attributes:
        store: is told how far they are.
        cache: of their points.
        engine: computes points.
        here: reads requests and puts results together, on this machine.
        shares: who may use the engine next.
        charges: what their owners pay.
        results: where they go.
        points: where those of a job are while its result is put together.
        most_record_bytes: of all points of a job.
        assembling: held while a result is put together, so that the points of one job at a time are in that folder.
    """

    store: JobStore
    cache: RedisCache
    engine: Engine
    here: Engine
    shares: FairShares
    charges: Charges
    results: Results
    points: Spool
    most_record_bytes: int
    assembling: Lock
