"""Background tasks that sample gauges at intervals and measure the lag of the event loop."""

import logging

from anyio import Event, current_time, move_on_after

from lindyn_service.cache.redis_cache import RedisCache
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.store import JobStore
from lindyn_service.telemetry.metrics import Metrics

SAMPLE_SECONDS = 1.0
LAG_SECONDS = 0.1

log = logging.getLogger(__name__)


async def sample_gauges(
    metrics: Metrics, engine: ProcessEngine, shared: RedisCache | None, store: JobStore | None, stopping: Event
) -> None:
    """Update the gauges at intervals until the service stops."""
    ended, crashes = 0, 0
    while not stopping.is_set():
        metrics.computations.labels("running").set(engine.running)
        metrics.computations.labels("waiting").set(engine.waiting)
        metrics.workers.set(engine.workers_alive)
        metrics.workers_ended.inc(engine.ended - ended)
        metrics.worker_crashes.inc(engine.crashes - crashes)
        ended, crashes = engine.ended, engine.crashes
        metrics.shared_cache.set(shared is not None and shared.state == "ok")
        if store is not None:
            await _sample_jobs(metrics, store)
        with move_on_after(SAMPLE_SECONDS):
            await stopping.wait()


async def watch_loop(metrics: Metrics, stopping: Event) -> None:
    """Measure how late the event loop wakes a sleeping task, until the service stops."""
    while not stopping.is_set():
        due = current_time() + LAG_SECONDS
        with move_on_after(LAG_SECONDS):
            await stopping.wait()
            return
        metrics.loop_lag.observe(max(0.0, current_time() - due))


async def _sample_jobs(metrics: Metrics, store: JobStore) -> None:
    try:
        active, ended = await store.counts()
    except JobsUnavailableError as error:
        log.debug("%s", error)
        return
    for state, count in active.items():
        metrics.jobs.labels(state).set(count)
    for state, count in ended.items():
        metrics.jobs_ended.labels(state).set(count)
