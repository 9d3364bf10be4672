"""The exact solution against ODE solvers on the same flow: seconds and ratios, taken side by side in one run.

Each row is one problem: equal widths n, weights lambda-balanced with scale 0.5 / sqrt(n), sigma_yx Gaussian with
singular values up to about 2, `loss` and `output` at evenly spaced times up to the horizon. All solvers run in turn,
several times, with one BLAS thread; the table shows medians of processor time, which depends less than the clock on
what else the machine does. Diffrax is compared where it is installed (the dependency group `bench`); compilation is
not counted.

`products` is the time of the exact solution over that of the matrix products of a direct evaluation at all times.
`error` is the largest relative deviation (Frobenius, over times) of the exact output from DOP853 at tolerance 2.3e-14,
so it holds the integrator's error too. A ratio above 1 says how many times faster the exact solution is. `>` stands
before solvers that were given up, `-` for those that were not tried because of it, or for their memory.
"""

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from history import record
from solvers import LSODA_LARGEST_STATE, Case, TooLongError, case, exact, products, scipy_solver, solvers
from threadpoolctl import threadpool_limits

SLOW_SECONDS = 1.0  # from which on a solver runs once
TURN_SECONDS = 0.02  # that a fast one fills in each turn
CHECKED_SECONDS = 1.0  # of DOP853 at 1e-10, up to which a tight integration is worth its time
TIGHTEST = 2.3e-14  # the smallest tolerance that scipy accepts

SIZES, LAMBDAS, HORIZONS, TIMES = [5, 10, 25, 50, 100, 200], [0.0, 1.0, 50.0], [10.0, 1000.0], [200, 1000]
QUICK = {"sizes": [5, 50], "lambdas": [0.0, 50.0], "horizons": [10.0], "times": [200, 1000], "repeats": 2, "limit": 2.0}


@dataclass(frozen=True)
class Key:
    """One cell of the table."""

    n: int
    lam: float
    horizon: float
    n_times: int


@dataclass(frozen=True)
class Measured:
    """Median seconds of each solver, those that were given up with the limit, and the error of the exact output."""

    key: Key
    seconds: dict[str, float]
    given_up: frozenset[str]
    error: float | None

    def ratio(self, name: str) -> float:
        """How many times longer it takes."""
        return self.seconds[name] / self.seconds["exact"]

    def row(self) -> dict[str, Any]:
        """As it is kept."""
        return {**vars(self.key), "seconds": self.seconds, "given_up": sorted(self.given_up), "error": self.error}


def measure(key: Key, repeats: int, limit: float) -> Measured:
    """Run all solvers in turns."""
    problem = case(key.n, key.lam, key.horizon, key.n_times)
    timed: dict[str, Callable[[Case], Any]] = {**solvers(limit), "products": products}
    if 2 * problem.w1.size > LSODA_LARGEST_STATE:
        del timed["LSODA 1e-10"]
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    given_up: set[str] = set()
    for turn in range(-1, repeats):
        for name, run in timed.items():
            if name in given_up or (turn > 0 and seconds[name] and seconds[name][0] > SLOW_SECONDS):
                continue
            if {"RK45 1e-6", "DOP853 1e-10"} & given_up and name in ("Tsit5 1e-6", "Dopri8 1e-10"):
                continue  # they take as many steps and cannot be stopped
            try:
                taken = _seconds(run, problem)
            except TooLongError:
                given_up.add(name)
                taken = [limit]
            if turn >= 0 or name in given_up:  # the first turn compiles
                seconds[name] += taken
    medians = {name: statistics.median(taken) for name, taken in seconds.items() if taken}
    checked = medians["DOP853 1e-10"] < CHECKED_SECONDS
    return Measured(key, medians, frozenset(given_up), _error(problem) if checked else None)


def _seconds(run: Callable[[Case], Any], problem: Case) -> list[float]:
    taken: list[float] = []
    while sum(taken) < TURN_SECONDS:
        started = time.process_time()
        run(problem)
        taken.append(time.process_time() - started)
    return taken


def _error(problem: Case) -> float:
    """Largest relative deviation of the exact output from a tight integration."""
    _, expected = scipy_solver("DOP853", TIGHTEST)(problem)
    _, got = exact(problem)
    return float(np.max(np.linalg.norm(got - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))))


def line(one: Measured, others: Sequence[str]) -> str:
    """One line of the table."""
    key, shown = one.key, f"{'':>8}" if one.error is None else f"{one.error:8.0e}"
    cells = [f"{one.ratio(o):12.1f} x" if o in one.seconds else f"{'-':>14}" for o in others]
    marked = [cell.replace(" ", ">", 1) if o in one.given_up else cell for o, cell in zip(others, cells, strict=True)]
    floor = one.seconds["exact"] / one.seconds["products"]
    start = f"{key.n:4d} {key.lam:7g} {key.horizon:8g} {key.n_times:6d} {1000 * one.seconds['exact']:8.2f} ms"
    return f"{start} {floor:8.2f} x {shown}" + "".join(marked)


def summary(rows: Sequence[Measured], others: Sequence[str]) -> str:
    """Geometric mean and least of the ratios to each solver, to the fastest, and to the products."""
    lines: list[str] = []
    for name in others:
        ratios = [one.ratio(name) for one in rows if name in one.seconds]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            lines.append(f"{name:>14}: geometric mean {mean:6.1f} x, least {min(ratios):5.2f} x in {len(ratios)} cells")
    least = [min(one.ratio(name) for name in others if name in one.seconds) for one in rows]
    lines.append(f"the fastest of them is beaten in {sum(ratio > 1 for ratio in least)} of {len(least)} cells")
    large = [1 / one.ratio("products") for one in rows if one.key.n >= 50]
    if large:
        lines.append(f"n >= 50: {min(large):.2f} to {max(large):.2f} times the time of the products")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description="The exact solution against ODE solvers.")
    several = partial(parser.add_argument, nargs="+")
    several("--sizes", type=int, default=SIZES)
    several("--lambdas", type=float, default=LAMBDAS)
    several("--horizons", type=float, default=HORIZONS)
    several("--times", type=int, default=TIMES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds after which a solver of scipy is given up")
    parser.add_argument("--quick", action="store_true", help="a few cells in half a minute")
    parser.add_argument("--record", action="store_true", help="append the figures to benchmarks/history/kernel.jsonl")
    chosen = parser.parse_args()
    if chosen.quick:
        vars(chosen).update(QUICK)
    return chosen


def main() -> None:
    """Print the table."""
    chosen = options()
    others = [name for name in solvers(chosen.limit) if name != "exact"]
    print(f"medians of {chosen.repeats} turns, one BLAS thread\n")
    header = "   n  lambda  horizon  times       exact   products    error"
    print(header + "".join(f"{name:>14}" for name in others))
    rows: list[Measured] = []
    with threadpool_limits(1):
        for cell in itertools.product(chosen.sizes, chosen.lambdas, chosen.horizons, chosen.times):
            rows.append(measure(Key(*cell), chosen.repeats, chosen.limit))
            print(line(rows[-1], others), flush=True)
    print("\n" + summary(rows, others))
    if chosen.record:
        print(f"kept in {record('kernel', [one.row() for one in rows], repeats=chosen.repeats, limit=chosen.limit)}")


if __name__ == "__main__":
    main()
