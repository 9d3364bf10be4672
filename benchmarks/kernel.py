"""The exact solution against ODE solvers on the same flow: seconds and ratios, taken side by side in one run.

Each row is one problem: equal widths n, weights lambda-balanced with scale 0.5 / sqrt(n), sigma_yx Gaussian with
singular values up to about 2, `loss` and `output` at evenly spaced times up to the horizon. All solvers run in turn,
several times, with one BLAS thread; the table shows medians. Diffrax is compared where it is installed (the dependency
group `bench`); compilation is not counted.

`products` is the time of the exact solution over that of the matrix products of a direct evaluation at all times.
`error` is the largest relative deviation (Frobenius, over times) of the exact output from DOP853 at tolerance 2.3e-14,
so it holds the integrator's error too. A ratio above 1 says how many times faster the exact solution is.
"""

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from solvers import LSODA_LARGEST_STATE, Case, case, exact, products, scipy_solver, solvers
from threadpoolctl import threadpool_limits

SLOW_SECONDS = 3.0
CHECKED_SECONDS = 1.0  # of DOP853 at 1e-10, up to which a tight integration is worth its time
TIGHTEST = 2.3e-14  # the smallest tolerance that scipy accepts


def measure(problem: Case, repeats: int) -> dict[str, float]:
    """Median seconds of each solver, and of the products, taken in turns; slow ones run once."""
    timed: dict[str, Callable[[Case], Any]] = {**solvers(), "products": products}
    if 2 * problem.w1.size > LSODA_LARGEST_STATE:
        del timed["LSODA 1e-10"]
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(-1, repeats):
        for name, run in timed.items():
            if turn > 0 and seconds[name][0] > SLOW_SECONDS:
                continue
            started = time.perf_counter()
            run(problem)
            if turn >= 0:  # the first turn compiles
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def error(problem: Case) -> float:
    """Largest relative deviation of the exact output from a tight integration."""
    _, expected = scipy_solver("DOP853", TIGHTEST)(problem)
    _, got = exact(problem)
    return float(np.max(np.linalg.norm(got - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))))


def row(key: tuple[float, ...], seconds: dict[str, float], deviation: float | None, others: list[str]) -> str:
    """One line of the table."""
    base = seconds["exact"]
    n, lam, horizon, n_times = key
    shown = f"{deviation:8.0e}" if deviation is not None else f"{'':>8}"
    cells = [f"{seconds[name] / base:13.1f} x" if name in seconds else f"{'too large':>15}" for name in others]
    floor = base / seconds["products"]
    return f"{n:4d} {lam:7g} {horizon:8g} {n_times:6d} {1000 * base:8.2f} ms {floor:8.2f} x {shown}" + "".join(cells)


def summary(rows: list[dict[str, float]], others: list[str]) -> str:
    """Geometric mean and least of the ratios to each solver, and to the fastest."""
    lines: list[str] = []
    for name in others:
        ratios = [seconds[name] / seconds["exact"] for seconds in rows if name in seconds]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            lines.append(f"{name:>14}: geometric mean {mean:6.1f} x, least {min(ratios):5.2f} x in {len(ratios)} cells")
    least = [min(seconds[name] for name in others if name in seconds) / seconds["exact"] for seconds in rows]
    lines.append(f"the fastest of them is beaten in {sum(ratio > 1 for ratio in least)} of {len(least)} cells")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="The exact solution against ODE solvers.")
    several = partial(options.add_argument, nargs="+")
    several("--sizes", type=int, default=[5, 10, 25, 50, 100, 200])
    several("--lambdas", type=float, default=[0, 1, 50])
    several("--horizons", type=float, default=[10, 1000])
    several("--times", type=int, default=[200, 1000])
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    others = [name for name in solvers() if name != "exact"]
    print(f"medians of {chosen.repeats}, one BLAS thread\n")
    header = "   n  lambda  horizon  times       exact   products    error"
    print(header + "".join(f"{name:>15}" for name in others))
    rows: list[dict[str, float]] = []
    with threadpool_limits(1):
        for key in itertools.product(chosen.sizes, chosen.lambdas, chosen.horizons, chosen.times):
            problem = case(*key)
            rows.append(measure(problem, chosen.repeats))
            checked = rows[-1]["DOP853 1e-10"] < CHECKED_SECONDS
            print(row(key, rows[-1], error(problem) if checked else None, others), flush=True)
    print("\n" + summary(rows, others))


if __name__ == "__main__":
    main()
