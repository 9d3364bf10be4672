"""Estimated against measured seconds of random requests of every operation, points of sweeps and cells of experiments.

Each request is computed in this process, with one thread as in a worker, after a warm-up; its seconds are those of the
processor, so that other programs on the machine do not count. Estimates are in seconds of one worker (flops over
`FLOPS_PER_SECOND`). The table has quantiles of estimated over measured seconds of those that took over 50 ms, and the
share within a factor of 5; a request that is stopped at the bound of time counts with what it took until then, where
its estimate is below that, and not at all where it is above. Then the worst of each group, and how long estimating
takes. Requests that are refused count as others: what they took is charged, too.
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
from lindyn_service.server import warmup
from lindyn_service.translate.encode import encode
from lindyn_service.translate.experiment import compute_cells
from lindyn_service.translate.sweep import PointReader, compute_points
from lindyn_service.worker_speed import FLOPS_PER_SECOND

FACTOR = 5
LEAST_SECONDS = 0.05
MODELS: dict[str, tuple[Any, registry.Operation[Any]]] = {
    "trajectories": (TrajectoryRequest, registry.TRAJECTORY),
    "initializations": (InitializationRequest, registry.INITIALIZATION),
    "balance": (BalanceRequest, registry.BALANCE),
    "balance-statistics": (StatisticsRequest, registry.STATISTICS),
    "limits": (LimitsRequest, registry.LIMITS),
    "continual": (ContinualRequest, registry.CONTINUAL),
    "ensembles": (EnsembleRequest, registry.ENSEMBLE),
}


class Stopped(BaseException):
    """The bound of time is reached."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise `Stopped` when the block has taken so many seconds of the processor."""

    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def prepared(asked: Drawn) -> tuple[Any, Any]:
    """Functions that estimate the flops of a request, and that compute it."""
    if asked.operation == "cell":
        name, values, number = (asked.document[part] for part in ("name", "values", "number"))
        return lambda: FLOPS_PER_SECOND * EXPERIMENTS[name].seconds(values), lambda: list(
            compute_cells(name, values, [number])
        )
    if asked.operation == "point":
        sweep = read(SweepRequest, asked.document)
        point = PointReader(sweep).read((0,))
        return lambda: point_cost(point, sweep.collect).flops, lambda: list(
            compute_points(sweep, [(0,)], lambda _point: None)
        )
    model, operation = MODELS[asked.operation]
    request = read(model, asked.document)
    return lambda: operation.cost(request).flops, lambda: encode(operation.compute(request, ""), "npz")


def measured(asked: Drawn, most_seconds: float) -> dict[str, Any]:
    """Estimated and measured seconds of a request, and how it ended."""
    estimate, compute = prepared(asked)
    estimated, took = estimate() / FLOPS_PER_SECOND, min(timed(estimate, ())[0] for _ in range(3))
    began, end = time.process_time(), "answered"
    try:
        with bounded(most_seconds):
            compute()
    except ServiceError as error:
        end = error.code
    except Stopped:
        end = "stopped"
    seconds = time.process_time() - began
    return {"group": asked.group, "estimated": estimated, "seconds": seconds, "end": end, "estimating": took}


def ratios(rows: list[dict[str, Any]]) -> np.ndarray:
    """Estimated over measured seconds of those that count."""
    kept = [row for row in rows if row["seconds"] > LEAST_SECONDS and not unknown(row)]
    return np.array([row["estimated"] / row["seconds"] for row in kept])


def unknown(row: dict[str, Any]) -> bool:
    """Whether the request was stopped before it was as long as was estimated."""
    return row["end"] == "stopped" and row["estimated"] > row["seconds"]


def line(name: str, rows: list[dict[str, Any]]) -> str:
    """One line of the table."""
    found = ratios(rows)
    start = f"{name:24} {len(rows):5d} {len(found):9d}"
    if not len(found):
        return start
    least, low, middle, high, largest = np.quantile(found, [0, 0.1, 0.5, 0.9, 1])
    share = np.mean((found <= FACTOR) & (found >= 1 / FACTOR))
    return f"{start} {least:9.3g} {low:7.2f} {middle:7.2f} {high:7.2f} {largest:9.3g} {share:8.1%}"


def described(row: dict[str, Any]) -> str:
    """What a request is, in short."""
    start = f"  {row['group']:22} seed {row['seed']:<6d}"
    return f"{start} {row['estimated']:9.3g} s for {row['seconds']:8.3g} s, {row['end']}"


def shown(rows: list[dict[str, Any]], most_worst: int) -> None:
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
        kept = [row for row in groups[name] if row["seconds"] > LEAST_SECONDS and not unknown(row)]
        far = sorted(kept, key=lambda row: -abs(np.log(row["estimated"] / row["seconds"])))
        for row in far[:most_worst]:
            print(described(row))
    estimating = np.array([row["estimating"] for row in rows])
    print(f"\nestimating takes {1e3 * np.median(estimating):.3f} ms, at most {1e3 * np.max(estimating):.2f} ms")


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=500)
    options.add_argument("--seconds", type=float, default=20.0, help="bound of each request")
    options.add_argument("--quick", action="store_true", help="a tenth of the requests, and of the bound")
    options.add_argument("--only", choices=list(GROUPS), default="", help="one group of requests")
    options.add_argument("--seed", type=int, default=0, help="of the first request")
    options.add_argument("--worst", type=int, default=2, help="how many of each group are shown")
    options.add_argument("--rows", type=Path, help="file for the rows, one line of JSON each")
    chosen = options.parse_args()
    part = 0.1 if chosen.quick else 1.0
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        warmup.solve_small_problem(2**34)
        for seed in range(chosen.seed, chosen.seed + max(1, int(part * chosen.requests))):
            asked = drawn(np.random.default_rng(seed), chosen.only)
            rows.append({"seed": seed, **measured(asked, part * chosen.seconds)})
            if chosen.rows is not None:
                with chosen.rows.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    shown(rows, chosen.worst)


if __name__ == "__main__":
    main()
