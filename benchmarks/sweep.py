"""A sweep of 1,000 points through the service compared with one process, and its effect on interactive requests.

The grid is 25 values of lambda by 40 seeds of a 5-5-5 network, with 200 times each. Rates are points per second: of the
closed form in this process (solution and loss, one BLAS thread), of the same points validated, computed and encoded in
this process, and of jobs through a service with two worker processes and with a Dask cluster of two, between the times
of start and end that the job reports. All are measured in turn, several times. The table shows medians, and the rates
relative to twice the rate of one process. Other programs reduce rates but hardly change processor time, which is
therefore shown, too: that of all processes, services and clients, and that of one process relative to it. Each run has
new seeds, so that nothing comes from the cache.

Interactive latency is that of uncached 5-5-5 requests, one at a time, with and without a running sweep.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

import lindyn
from lindyn.wire.sweep import SweepRequest
from lindyn_service.dynamics.convergence import excess_loss_at
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.riccati import solve
from lindyn_service.translate.sweep import compute_points, indices

LAMBDAS = np.linspace(-6, 6, 25).tolist()
SEEDS = 40
HORIZON, N_TIMES = 10.0, 200
SIGMA_YX = np.random.default_rng(5).standard_normal((5, 5))
LONG = 40  # factor of the number of seeds, for the sweep during interactive requests


def grid(seeds: Iterator[int], factor: int = 1) -> dict[str, object]:
    """A sweep with new seeds."""
    return {
        "base": {
            "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": 0.0, "scale": 0.5},
            "task": {"kind": "correlation", "sigma_yx": SIGMA_YX.tolist()},
            "times": {"start": 0, "stop": HORIZON, "num": N_TIMES},
        },
        "axes": {"network.lambda": LAMBDAS, "network.seed": list(itertools.islice(seeds, SEEDS * factor))},
        "collect": ["loss"],
    }


def bare_kernel(seeds: Iterator[int]) -> float:
    """Points per second of the closed form."""
    times = np.linspace(0, HORIZON, N_TIMES)
    cases = [
        (lam, *balanced_weights((5, 5, 5), lam, 0.5, np.random.default_rng(seed)))
        for lam, seed in itertools.product(LAMBDAS, itertools.islice(seeds, SEEDS))
    ]
    started = time.perf_counter()
    for lam, w1, w2 in cases:
        excess_loss_at(solve(w1, w2, SIGMA_YX, lam), times)
    return len(cases) / (time.perf_counter() - started)


def one_process(seeds: Iterator[int]) -> float:
    """Points per second of the worker function in this process."""
    sweep = grid(seeds)
    axes = [{"path": path, "values": values} for path, values in sweep["axes"].items()]
    request = SweepRequest.model_validate({**sweep, "axes": axes})
    points = list(indices(request))
    started = time.perf_counter()
    list(compute_points(request, points))
    return len(points) / (time.perf_counter() - started)


def job(client: lindyn.Client) -> Callable[[Iterator[int]], float]:
    """Function that returns the points per second of a job, by the times that the job reports."""

    def run(seeds: Iterator[int]) -> float:
        handle = client.sweep(**grid(seeds))
        handle.result(progress=False)
        status = handle.status()
        return status.total / (status.finished - status.started)

    return run


def latencies(client: lindyn.Client, seeds: Iterator[int], n: int) -> list[float]:
    """Seconds of uncached requests, one at a time."""
    base = grid(seeds)["base"]
    durations = []
    for seed in itertools.islice(seeds, n):
        started = time.perf_counter()
        client.trajectory(**{**base, "network": {**base["network"], "seed": seed}})
        durations.append(time.perf_counter() - started)
        time.sleep(0.01)
    return durations


def processor_seconds() -> float:
    """Processor time of this process and its descendants, in seconds."""
    this_process = psutil.Process()
    times = [process.cpu_times() for process in (this_process, *this_process.children(recursive=True))]
    return sum(cpu.user + cpu.system for cpu in times)


def percentiles(seconds: list[float]) -> str:
    p50, p95 = np.percentile(seconds, [50, 95])
    return f"p50 {1e3 * p50:6.2f} ms, p95 {1e3 * p95:6.2f} ms"


def rates(repeats: int, seeds: Iterator[int]) -> None:
    """Print the table of rates."""
    with ExitStack() as stack:
        local = stack.enter_context(lindyn.Client.local(workers=2, job_workers=2))
        dask = stack.enter_context(lindyn.Client.local(workers=1, dask_local=2))
        cases = {"closed form": bare_kernel, "one process": one_process, "two workers": job(local), "Dask": job(dask)}
        for case in cases.values():  # starts processes, loads libraries
            case(seeds)
        rates_by_case = {name: [] for name in cases}
        cpu_by_case = {name: [] for name in cases}
        for _ in range(repeats):
            for name, case in cases.items():
                before = processor_seconds()
                rates_by_case[name].append(case(seeds))
                cpu_by_case[name].append(processor_seconds() - before)
    rate = {name: statistics.median(each) for name, each in rates_by_case.items()}
    seconds = {name: statistics.median(each) for name, each in cpu_by_case.items()}
    print(
        f"{'':12} {'points/s':>9} {'of 2 x closed form':>19} {'of 2 x one process':>19} {'CPU s':>6} {'efficiency':>11}"
    )
    for name in cases:
        shares = [rate[name] / (2 * rate[base]) for base in ("closed form", "one process")]
        share = seconds["one process"] / seconds[name]
        print(f"{name:12} {rate[name]:9.0f} {shares[0]:19.0%} {shares[1]:19.0%} {seconds[name]:6.2f} {share:11.0%}")


def interactive(n: int, seeds: Iterator[int]) -> None:
    """Print latencies with and without a sweep, and the memory of the service before and after."""
    with lindyn.Client.local(workers=2, job_workers=2) as client:
        latencies(client, seeds, 50)
        service = psutil.Process().children()[0]
        client.sweep(**grid(seeds)).result(progress=False)
        before = service.memory_info().rss
        alone = latencies(client, seeds, n)
        running = client.sweep(**grid(seeds, LONG))
        while running.status().completed == 0:
            time.sleep(0.02)
        beside = latencies(client, seeds, n)
        progress = running.status()
        running.cancel()
        print(f"interactive alone:        {percentiles(alone)}")
        print(f"interactive with a sweep: {percentiles(beside)}, which went on to {progress.completed} points")
        print(f"ratio of the p95: {np.percentile(beside, 95) / np.percentile(alone, 95):.2f}")
        print(f"memory of the service: {before / 1e6:.0f} MB before, {service.memory_info().rss / 1e6:.0f} MB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300)
    chosen = parser.parse_args()
    seeds = itertools.count(os.getpid() << 16)
    with threadpool_limits(1):
        rates(chosen.repeats, seeds)
        interactive(chosen.requests, seeds)


if __name__ == "__main__":
    main()
