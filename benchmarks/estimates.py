"""Estimated and measured seconds of random requests of every operation, of points of sweeps and cells of experiments.

Each request is computed in this process after a warm-up, with one thread as in a worker, and its processor time is
measured, so that other programs on the machine do not count. Estimates are in seconds of one worker (flops divided by
`FLOPS_PER_SECOND`). The table has quantiles of the ratio of estimated to measured seconds, for requests that took more
than 50 ms, and the share of ratios within a factor of 5. A request that reaches the time limit counts with its time so
far if its estimate is below this time, and is omitted otherwise. The table is followed by the worst requests of each
group and the time of estimation. Refused requests count as well, since their work is charged, too.
"""

import argparse
import json
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from draws import GROUPS, Drawn, drawn
from threadpoolctl import threadpool_limits

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.document import read
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.engine.worker import timed
from lindyn_service.errors import ServiceError
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.operations import registry
from lindyn_service.operations.costs import point_cost
from lindyn_service.server.warmup import WarmUp
from lindyn_service.translate.encode import encode
from lindyn_service.translate.experiment import compute_cells
from lindyn_service.translate.sweep import PointReader, compute_points
from lindyn_service.worker_speed import FLOPS_PER_SECOND

FACTOR = 5
MIN_SECONDS = 0.05
MODELS: dict[str, tuple[Any, registry.Operation[Any]]] = {
    "trajectories": (TrajectoryRequest, registry.TRAJECTORY),
    "initializations": (InitializationRequest, registry.INITIALIZATION),
    "balance": (BalanceRequest, registry.BALANCE),
    "balance-statistics": (StatisticsRequest, registry.STATISTICS),
    "limits": (LimitsRequest, registry.LIMITS),
    "continual": (ContinualRequest, registry.CONTINUAL),
    "ensembles": (EnsembleRequest, registry.ENSEMBLE),
}


class TimeLimitReached(BaseException):
    """The time limit is reached."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitReached` when the block has used a number of seconds of processor time."""

    def stop(*_: object) -> None:
        raise TimeLimitReached

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def prepared(request_drawn: Drawn) -> tuple[Any, Any]:
    """Functions that estimate the flops of a request and that compute it."""
    if request_drawn.operation == "cell":
        name, values, number = (request_drawn.document[part] for part in ("name", "values", "number"))
        return lambda: FLOPS_PER_SECOND * EXPERIMENTS[name].seconds(values), lambda: list(
            compute_cells(name, values, [number])
        )
    if request_drawn.operation == "point":
        sweep = read(SweepRequest, request_drawn.document)
        point = PointReader(sweep).read((0,))
        return lambda: point_cost(point, sweep.collect).flops, lambda: list(
            compute_points(sweep, [(0,)], lambda _point: None)
        )
    model, operation = MODELS[request_drawn.operation]
    request = read(model, request_drawn.document)
    return lambda: operation.cost(request).flops, lambda: encode(operation.compute(request, ""), "npz")


def measured(request_drawn: Drawn, max_seconds: float) -> dict[str, Any]:
    """Estimated and measured seconds of a request, and its outcome."""
    estimate, compute = prepared(request_drawn)
    estimated, took = estimate() / FLOPS_PER_SECOND, min(timed(estimate, ())[0] for _ in range(3))
    began, end = time.process_time(), "answered"
    try:
        with bounded(max_seconds):
            compute()
    except ServiceError as error:
        end = error.code
    except TimeLimitReached:
        end = "stopped"
    seconds = time.process_time() - began
    return {"group": request_drawn.group, "estimated": estimated, "seconds": seconds, "end": end, "estimating": took}


def ratios(rows: list[dict[str, Any]]) -> np.ndarray:
    """Ratios of estimated to measured seconds, for the requests that count."""
    kept = [row for row in rows if row["seconds"] > MIN_SECONDS and not is_censored(row)]
    return np.array([row["estimated"] / row["seconds"] for row in kept])


def is_censored(row: dict[str, Any]) -> bool:
    """Whether a request was stopped before its estimated time."""
    return row["end"] == "stopped" and row["estimated"] > row["seconds"]


def line(name: str, rows: list[dict[str, Any]]) -> str:
    """One line of the table."""
    values = ratios(rows)
    start = f"{name:24} {len(rows):5d} {len(values):9d}"
    if not len(values):
        return start
    minimum, low, median, high, maximum = np.quantile(values, [0, 0.1, 0.5, 0.9, 1])
    share = np.mean((values <= FACTOR) & (values >= 1 / FACTOR))
    return f"{start} {minimum:9.3g} {low:7.2f} {median:7.2f} {high:7.2f} {maximum:9.3g} {share:8.1%}"


def row_text(row: dict[str, Any]) -> str:
    """Short description of a request."""
    start = f"  {row['group']:22} seed {row['seed']:<6d}"
    return f"{start} {row['estimated']:9.3g} s for {row['seconds']:8.3g} s, {row['end']}"


def print_tables(rows: list[dict[str, Any]], max_worst: int) -> None:
    """Print the tables."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    heads = ["all", "over-50ms", "least", "10%", "median", "90%", "largest", "share"]
    print(" " * 24, "{:>5} {:>9} {:>9} {:>7} {:>7} {:>7} {:>9} {:>8}".format(*heads))
    for name in sorted(groups):
        print(line(name, groups[name]))
    print(line("all", rows))
    print("\nworst of each, estimated and measured:")
    for name in sorted(groups):
        kept = [row for row in groups[name] if row["seconds"] > MIN_SECONDS and not is_censored(row)]
        far = sorted(kept, key=lambda row: -abs(np.log(row["estimated"] / row["seconds"])))
        for row in far[:max_worst]:
            print(row_text(row))
    estimating = np.array([row["estimating"] for row in rows])
    print(f"\nestimating takes {1e3 * np.median(estimating):.3f} ms, at most {1e3 * np.max(estimating):.2f} ms")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of each request")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests and of the time limit")
    parser.add_argument("--only", choices=list(GROUPS), default="", help="one group of requests")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first request")
    parser.add_argument("--worst", type=int, default=2, help="number of worst requests shown for each group")
    parser.add_argument("--rows", type=Path, help="file for the rows, one line of JSON each")
    options = parser.parse_args()
    fraction = 0.1 if options.quick else 1.0
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        WarmUp(2**34)()
        for seed in range(options.seed, options.seed + max(1, int(fraction * options.requests))):
            request_drawn = drawn(np.random.default_rng(seed), options.only)
            rows.append({"seed": seed, **measured(request_drawn, fraction * options.seconds)})
            if options.rows is not None:
                with options.rows.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print_tables(rows, options.worst)


if __name__ == "__main__":
    main()
