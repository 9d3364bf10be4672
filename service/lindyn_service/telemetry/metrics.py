"""What Prometheus can ask: latencies, caches, the queue, workers, jobs."""

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

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")


class Metrics:
    """The metrics of this process, or, with a folder, of all that share the folder.

    Args:
        folder: where several processes that serve one address keep their numbers; None for one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.registry = CollectorRegistry()
        if folder is None:
            ProcessCollector(registry=self.registry)
        self._count_requests(partial(Histogram, buckets=SECONDS, registry=self.registry))
        self._count_work(partial(Gauge, registry=self.registry))

    def _count_requests(self, histogram: Callable[..., Histogram]) -> None:
        requests = histogram(
            "lindyn_request_seconds",
            "From a request's head to the end of its answer.",
            ("route", "method", "status"),
        )
        stages = histogram(
            "lindyn_stage_seconds",
            "Parts of the way of a request: read (body), lookup (shared cache), queue (for a worker), compute.",
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
            "How much later than it was asked to the event loop goes on, ten times a second: so long others wait.",
        )
        # finding these by their labels costs more than counting
        self._of_route = cache(requests.labels)
        self._of_stage = cache(stages.labels)
        self._of_answer = cache(answers.labels)

    def _count_work(self, gauge: Callable[..., Gauge]) -> None:
        self.workers_ended = Counter(
            "lindyn_workers_ended",
            "Worker processes that ended: crashed, killed at a deadline or when their client left.",
            registry=self.registry,
        )
        self.worker_crashes = Counter(
            "lindyn_worker_crashes", "Worker processes that died at a computation.", registry=self.registry
        )
        own, everywhere = partial(gauge, multiprocess_mode="livesum"), partial(gauge, multiprocess_mode="livemax")
        self.computations = own("lindyn_computations", "Computations that run, and that wait for a worker.", ("state",))
        self.workers = own("lindyn_workers", "Worker processes alive.")
        self.shared_cache = gauge(
            "lindyn_shared_cache_up", "1 while the shared cache answers.", multiprocess_mode="livemin"
        )
        self.jobs = everywhere("lindyn_jobs", "Jobs that wait or run.", ("state",))
        self.jobs_ended = everywhere(
            "lindyn_jobs_ended", "Jobs that ended, ever, by how; counted in Redis.", ("state",)
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note a request; `route` is a template, so that there are few of them."""
        known = method if method in _METHODS else "other"
        self._of_route(route, known, str(status)).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Note how long a part of a request took."""
        self._of_stage(name).observe(seconds)

    def answer(self, operation: str, source: str, solver: str) -> None:
        """Note where an answer came from."""
        self._of_answer(operation, source, solver).inc()

    def render(self) -> bytes:
        """The numbers in Prometheus' text format."""
        if self._folder is None:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, str(self._folder))
        return generate_latest(together)


def share(process: int) -> None:
    """Keep the numbers in files, by the place of this process among several and not by its id.

    So one that is started again goes on with the files of the one that died, and they do not become more. Call it
    before metrics are made; the folder is where the environment variable PROMETHEUS_MULTIPROC_DIR says.
    """
    values.ValueClass = values.MultiProcessValue(lambda: process)  # pyright: ignore[reportUnknownMemberType]
