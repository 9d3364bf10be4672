"""A sweep of 10,000 points through the service against one process, and what it does to interactive requests.

The grid is 25 values of lambda by 400 seeds (`--seeds`) of a 5-5-5 network, 200 times each. Rates are points a second:
of bare blocks in this process (coordinates and loss of the networks of one lambda together, one BLAS thread), which are
the floor, of the same points validated, drawn, computed and encoded in this process, and of jobs through a service with
two worker processes and with a Dask cluster of two, by the job's own clock from its start to its end. All are measured
in turn, several times; the table shows medians, and efficiency as the share of twice the rate of one process. Other
work on the machine makes rates smaller but not the processor time, so that is shown too: of all processes together,
services and clients, and as the share of the time of one process. Each run has seeds of its own, so that nothing is
answered from the cache.

Interactive latency is of uncached 5-5-5 requests, one at a time, with and without a sweep running.
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
from lindyn_service.dynamics.block_coordinates import block_coordinates, block_modes
from lindyn_service.dynamics.block_dense import dense_losses
from lindyn_service.dynamics.block_solution import BlockSolution
from lindyn_service.dynamics.initialization import many_balanced_weights
from lindyn_service.translate.sweep import compute_points, indices

LAMBDAS = np.linspace(-6, 6, 25).tolist()
HORIZON, N_TIMES = 10.0, 200
SIGMA_YX = np.random.default_rng(5).standard_normal((5, 5))
LONG = 4  # times the seeds: the sweep behind interactive requests


def grid(seeds: Iterator[int], n_seeds: int) -> dict[str, object]:
    """A sweep that nobody has asked for."""
    return {
        "base": {
            "network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": 0.0, "scale": 0.5},
            "task": {"kind": "correlation", "sigma_yx": SIGMA_YX.tolist()},
            "times": {"start": 0, "stop": HORIZON, "num": N_TIMES},
        },
        "axes": {"network.lambda": LAMBDAS, "network.seed": list(itertools.islice(seeds, n_seeds))},
        "collect": ["loss"],
    }


def bare_blocks(seeds: Iterator[int], n_seeds: int) -> float:
    """Points a second of blocks alone, without networks that end at a saddle."""
    times, cases = np.linspace(0, HORIZON, N_TIMES), []
    own = list(itertools.islice(seeds, n_seeds))
    for lam in LAMBDAS:
        lams, rngs = np.full(n_seeds, lam), [np.random.default_rng(seed) for seed in own]
        cases.append((lams, *many_balanced_weights((5, 5, 5), lams, np.full(n_seeds, 0.5), rngs)))
    started, n_points = time.perf_counter(), 0
    for lams, w1, w2 in cases:
        start, generic = block_coordinates(block_modes(SIGMA_YX, lams), w1, w2)
        which = np.flatnonzero(generic)
        dense_losses(BlockSolution(start[which]), times)
        n_points += len(which)
    return n_points / (time.perf_counter() - started)


def one_process(seeds: Iterator[int], n_seeds: int) -> float:
    """Points a second of what a worker does, here."""
    asked = grid(seeds, n_seeds)
    axes = [{"path": path, "values": values} for path, values in asked["axes"].items()]
    request = SweepRequest.model_validate({**asked, "axes": axes})
    places = list(indices(request))
    started = time.perf_counter()
    list(compute_points(request, places))
    return len(places) / (time.perf_counter() - started)


def job(client: lindyn.Client) -> Callable[[Iterator[int], int], float]:
    """Points a second of a job, by its own clock."""

    def run(seeds: Iterator[int], n_seeds: int) -> float:
        handle = client.sweep(**grid(seeds, n_seeds))
        handle.result(progress=False)
        found = handle.status()
        return found.total / (found.finished - found.started)

    return run


def latencies(client: lindyn.Client, seeds: Iterator[int], n: int) -> list[float]:
    """Seconds of uncached requests, one after the other."""
    base = grid(seeds, 1)["base"]
    found = []
    for seed in itertools.islice(seeds, n):
        started = time.perf_counter()
        client.trajectory(**{**base, "network": {**base["network"], "seed": seed}})
        found.append(time.perf_counter() - started)
        time.sleep(0.01)
    return found


def processor_seconds() -> float:
    """Of this process and all that it has started."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def percentiles(seconds: list[float]) -> str:
    p50, p95 = np.percentile(seconds, [50, 95])
    return f"p50 {1e3 * p50:6.2f} ms, p95 {1e3 * p95:6.2f} ms"


def rates(repeats: int, seeds: Iterator[int], n_seeds: int) -> None:
    """Print the table of rates."""
    with ExitStack() as stack:
        local = stack.enter_context(lindyn.Client.local(workers=2, job_workers=2))
        dask = stack.enter_context(lindyn.Client.local(workers=1, dask_local=2))
        ways = {"blocks": bare_blocks, "one process": one_process, "two workers": job(local), "Dask": job(dask)}
        for way in ways.values():  # starts processes, loads libraries
            way(seeds, n_seeds)
        found = {name: [] for name in ways}
        used = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                before = processor_seconds()
                found[name].append(way(seeds, n_seeds))
                used[name].append(processor_seconds() - before)
    rate = {name: statistics.median(each) for name, each in found.items()}
    seconds = {name: statistics.median(each) for name, each in used.items()}
    print(f"{'':12} {'points/s':>9} {'of 2 x blocks':>14} {'of 2 x one process':>19} {'CPU s':>6} {'efficiency':>11}")
    for name in ways:
        shares = [rate[name] / (2 * rate[base]) for base in ("blocks", "one process")]
        share = seconds["one process"] / seconds[name]
        print(f"{name:12} {rate[name]:9.0f} {shares[0]:14.0%} {shares[1]:19.0%} {seconds[name]:6.2f} {share:11.0%}")


def interactive(n: int, seeds: Iterator[int], n_seeds: int) -> None:
    """Print latencies with and without a sweep, and the service's memory before and after."""
    with lindyn.Client.local(workers=2, job_workers=2) as client:
        latencies(client, seeds, 50)
        service = psutil.Process().children()[0]
        client.sweep(**grid(seeds, n_seeds)).result(progress=False)
        before = service.memory_info().rss
        alone = latencies(client, seeds, n)
        running = client.sweep(**grid(seeds, n_seeds * LONG))
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
    parser.add_argument("--seeds", type=int, default=400)
    chosen = parser.parse_args()
    seeds = itertools.count(os.getpid() << 16)
    with threadpool_limits(1):
        rates(chosen.repeats, seeds, chosen.seeds)
        interactive(chosen.requests, seeds, chosen.seeds)


if __name__ == "__main__":
    main()
