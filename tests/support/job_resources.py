"""Resources of jobs with a real Valkey server, for tests of the jobs package without a service."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from anyio import Lock

from lindyn.wire.job import Job
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.jobs.charges import Charges
from lindyn_service.jobs.fair_shares import FairShares
from lindyn_service.jobs.plan import SWEEP
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.store import JobStore
from lindyn_service.spool.store import Spool


class InlineEngine:
    """An engine that computes in the event loop."""

    async def run(self, function: Any, *args: Any, report_seconds: Any = None) -> Any:
        result = function(*args)
        if report_seconds is not None:
            report_seconds(0.0)
        return result


def job_store(url: str, **changes: Any) -> JobStore:
    """Create a store whose limits suffice for a test."""
    options = {
        "max_active": 99,
        "max_active_per_owner": 0,
        "max_bytes": 2**27,
        "keep_seconds": 60,
        "timeout_seconds": 60,
    }
    return JobStore(url, namespace="test", **{**options, **changes})


@asynccontextmanager
async def job_resources(
    url: str,
    engine: Any = None,
    *,
    here: Any = None,
    folder: Spool | None = None,
    large_bytes: int = 2**22,
    max_record_bytes: float = math.inf,
    flops_per_hour: float = 0.0,
    **changes: Any,
) -> AsyncGenerator[JobResources]:
    """Yield the resources of jobs; `changes` are options of the store."""
    rates = RateLimits(0, 0, None, 60, flops_per_hour)
    store = job_store(url, **changes)
    cache = RedisCache(url, namespace="test", max_value_bytes=2**22, time_to_live_seconds=600, timeout_seconds=60)
    results = Results(store, folder, None, large_bytes)
    try:
        with TemporaryDirectory(prefix="lindyn-points-") as points:
            yield JobResources(
                store,
                cache,
                engine or InlineEngine(),
                here or engine or InlineEngine(),
                FairShares(lambda: 1),
                Charges(rates),
                results,
                Spool(Path(points), 2**30),
                max_record_bytes,
                Lock(),
            )
    finally:
        await cache.aclose()
        await store.aclose()


async def stored_sweep(store: JobStore, body: dict[str, Any], owner: str | None = None) -> tuple[Job, bytes]:
    """Store a sweep without a service, and return the job and its request."""
    request = orjson.dumps(body)
    total = math.prod(len(axis["values"]) for axis in body["axes"])
    return await store.create(SWEEP, request, total, owner), request
