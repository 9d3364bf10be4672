"""The lifespan of the application: the workers, caches and background tasks that start and stop with it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from anyio import TASK_STATUS_IGNORED, Event, create_task_group, to_thread
from anyio.abc import TaskStatus

from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.answers.encoded import EncodedAnswer
from lindyn_service.answers.service import AnswerService, RequestLimits
from lindyn_service.cache.memory_cache import MemoryCache
from lindyn_service.configuration.settings import Settings
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.http import assets
from lindyn_service.http.body_cache import BodyCache
from lindyn_service.http.event_streams import EventStreams
from lindyn_service.http.state import LifespanState, Resources
from lindyn_service.server import backends
from lindyn_service.server.fatal_error import FatalError
from lindyn_service.server.gauges import sample_gauges, watch_loop
from lindyn_service.server.warmup import WarmUp
from lindyn_service.telemetry.metrics import Metrics
from lindyn_service.telemetry.tracing import Tracing

_MIN_FILE_BYTES = 65_536  # smaller answers cost more as files than in memory, even if Redis does not store them


@dataclass(frozen=True)
class Parts:
    """The parts of the service that exist before it starts.

    Attributes:
        settings: settings of the service.
        tracing: exports spans, or None.
        metrics: metrics of this process.
        rates: rate limits and quotas of all keys.
        streams: limits on open event streams.
        fatal_error: records the error of a background task that fails, and stops the service.
        stopping: set when the service stops.
    """

    settings: Settings
    tracing: Tracing | None
    metrics: Metrics
    rates: RateLimits
    streams: EventStreams
    fatal_error: FatalError
    stopping: Event


@asynccontextmanager
async def lifespan(parts: Parts) -> AsyncGenerator[LifespanState]:
    """Run the service for the duration of the block."""
    settings, stopping, fatal_error = parts.settings, parts.stopping, parts.fatal_error
    stage = _stage_observer(parts.metrics, parts.tracing)
    engine = _engine(settings, stage)
    async with AsyncExitStack() as stack:
        if parts.tracing is not None:
            stack.push_async_callback(to_thread.run_sync, parts.tracing.shut_down)
        stack.push_async_callback(parts.rates.aclose)
        url = await backends.redis_url(settings, stack)
        shared = None if url is None else backends.redis_cache(settings, url)
        if shared is not None:
            stack.push_async_callback(shared.aclose)
        memory = MemoryCache[EncodedAnswer](settings.memory_cache_bytes)
        folder = backends.spool_folder(settings, stack)
        answers = AnswerService(engine, memory, shared, _limits(settings), stage, backends.spool(settings, folder))
        jobs = None
        if url is not None:
            jobs = await backends.jobs(settings, url, folder, parts.rates, fatal_error.record, stack)
        tasks = await stack.enter_async_context(create_task_group())
        stack.callback(stopping.set)
        await tasks.start(_run_engine, answers, engine, stopping, fatal_error)
        tasks.start_soon(fatal_error.watch, partial(watch_loop, parts.metrics, stopping))
        if jobs is not None:
            tasks.start_soon(fatal_error.watch, partial(jobs.watch.run, stopping))
        store = None if jobs is None else jobs.results.store
        tasks.start_soon(fatal_error.watch, partial(sample_gauges, parts.metrics, engine, shared, store, stopping))
        yield {
            "resources": Resources(
                settings=settings,
                assets=assets.load(),
                metrics=parts.metrics,
                stage=stage,
                rates=parts.rates,
                bodies=BodyCache(),
                streams=parts.streams,
                stopping=stopping,
                has_failed=fatal_error.has_occurred,
                engine=engine,
                shared=shared,
                answers=answers,
                sweep_limits=backends.sweep_limits(settings),
                jobs=jobs,
            )
        }


def _engine(settings: Settings, stage: Callable[[str, float], None]) -> ProcessEngine:
    return ProcessEngine(
        settings.workers,
        settings.queue,
        settings.deadline_seconds,
        queue_seconds=settings.queue_seconds,
        grace_seconds=settings.grace_seconds,
        warm_up=WarmUp(settings.worker_memory_bytes),
        observe=stage,
    )


def _limits(settings: Settings) -> RequestLimits:
    return RequestLimits(
        settings.max_answer_bytes,
        settings.max_work_bytes,
        settings.max_flops,
        settings.deadline_seconds,
        max(settings.cache_value_bytes, _MIN_FILE_BYTES),
    )


def _stage_observer(metrics: Metrics, tracing: Tracing | None) -> Callable[[str, float], None]:
    """Return the function that receives the name and the seconds of each stage of a request."""
    if tracing is None:
        return metrics.stage

    def stage(name: str, seconds: float) -> None:
        metrics.stage(name, seconds)
        tracing.stage(name, seconds)

    return stage


async def _run_engine(
    answers: AnswerService,
    engine: ProcessEngine,
    stopping: Event,
    fatal_error: FatalError,
    *,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """Run the workers until the service stops, which is before the last answers are sent and the lifespan ends."""
    started = False
    try:
        async with answers, engine:
            started = True
            task_status.started()
            await stopping.wait()
    except Exception as error:
        if not started:
            raise
        fatal_error.record(error)
