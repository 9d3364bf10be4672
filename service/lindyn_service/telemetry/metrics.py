"""The Prometheus metrics: latencies, caches, the queue, workers and jobs."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

BUCKET_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")


class Metrics:
    """The metrics of this process or, with a folder, of all processes that share the folder.

    Args:
        folder: folder in which processes that share an address keep their metrics; None for a single process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.registry = CollectorRegistry()
        if folder is None:
            ProcessCollector(registry=self.registry)
        self._create_request_metrics(partial(Histogram, buckets=BUCKET_SECONDS, registry=self.registry))
        self._create_work_metrics(partial(Gauge, registry=self.registry))

    def _create_request_metrics(self, histogram: Callable[..., Histogram]) -> None:
        requests = histogram(
            "lindyn_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("route", "method", "status"),
        )
        stages = histogram(
            "lindyn_stage_seconds",
            "Time of the stages of a request: read (body), lookup (shared cache), queue (for a worker), compute.",
            ("stage",),
        )
        answers = Counter(
            "lindyn_answers",
            "Answers by kind of request, source (hit, miss, coalesced) and method that solved it.",
            ("operation", "source", "solver"),
            registry=self.registry,
        )
        self.loop_lag = histogram(
            "lindyn_loop_lag_seconds",
            "Lag of the event loop, measured ten times per second: the delay that it adds to each request.",
        )
        # looking up a metric by its labels takes longer than counting
        self._requests_by_label = cache(requests.labels)
        self._stages_by_label = cache(stages.labels)
        self._answers_by_label = cache(answers.labels)

    def _create_work_metrics(self, gauge: Callable[..., Gauge]) -> None:
        self.workers_ended = Counter(
            "lindyn_workers_ended",
            "Worker processes that ended: crashed, killed at a deadline or after the client disconnected.",
            registry=self.registry,
        )
        self.worker_crashes = Counter(
            "lindyn_worker_crashes", "Worker processes that crashed during a computation.", registry=self.registry
        )
        # gauges of one process are added; gauges that each process reads from Redis are not
        summed, shared = partial(gauge, multiprocess_mode="livesum"), partial(gauge, multiprocess_mode="livemax")
        self.computations = summed("lindyn_computations", "Computations that run or wait for a worker.", ("state",))
        self.workers = summed("lindyn_workers", "Living worker processes.")
        self.shared_cache = gauge(
            "lindyn_shared_cache_up",
            "1 if the last call to the shared cache succeeded, otherwise 0.",
            multiprocess_mode="livemin",
        )
        self.jobs = shared("lindyn_jobs", "Jobs that are queued or running.", ("state",))
        self.jobs_ended = shared(
            "lindyn_jobs_ended", "Total of ended jobs by final state; counted in Redis.", ("state",)
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Record the duration of a request; `route` is a path template, which keeps the number of labels small."""
        label = method if method in _METHODS else "other"
        self._requests_by_label(route, label, str(status)).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Record the duration of a stage of a request."""
        self._stages_by_label(name).observe(seconds)

    def answer(self, operation: str, source: str, solver: str) -> None:
        """Count an answer by operation, source and solver."""
        self._answers_by_label(operation, source, solver).inc()

    def render(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        if self._folder is None:
            return generate_latest(self.registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged, str(self._folder))
        return generate_latest(merged)


def store_in_files(number: int) -> None:
    """Store metrics in files, named by the number of this process among several instead of by its process id.

    A restarted process then continues the files of its predecessor, so that their number does not grow. Call this
    function before metrics are created; the environment variable PROMETHEUS_MULTIPROC_DIR names the folder.
    """
    values.ValueClass = values.MultiProcessValue(lambda: number)  # pyright: ignore[reportUnknownMemberType]
