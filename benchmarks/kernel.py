"""The exact solution compared with ODE solvers on the same flow, in one run.

Each row is one problem: equal widths n, lambda-balanced weights of scale 0.5 / sqrt(n), a Gaussian sigma_yx with
singular values up to about 2, and `loss` and `output` at evenly spaced times up to the horizon. All solvers run in
turn, several times, with one BLAS thread. The table shows medians of processor time, which depends less than wall-clock
time on other programs. Diffrax is included if it is installed (dependency group `bench`); compilation is not counted.

`products` is the time of the exact solution divided by that of the matrix products that it needs.
`error` is the largest relative deviation (Frobenius norm, over times) of the exact output from DOP853 with tolerance
2.3e-14, and includes the error of the integrator. Ratios above 1 are speed-ups of the exact solution. `>` marks solvers
that reached the time limit, and `-` those that were not tried for this reason or because of their memory.
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
from solvers import LSODA_MAX_STATE, Case, TooLongError, case, exact, products_of, scipy_solver, solvers
from threadpoolctl import threadpool_limits

SLOW_SECONDS = 1.0  # slower solvers run once
TURN_SECONDS = 0.02  # faster solvers run repeatedly for this time in each turn
CHECKED_SECONDS = 1.0  # the error is measured if DOP853 with tolerance 1e-10 is faster
MIN_TOLERANCE = 2.3e-14  # the smallest one that scipy accepts

SIZES, LAMBDAS, HORIZONS, TIMES = [2, 5, 10, 25, 50, 100, 200], [0.0, 1.0, 50.0], [10.0, 1000.0], [200, 1000]
QUICK = {"sizes": [5, 50], "lambdas": [0.0, 50.0], "horizons": [10.0], "times": [200, 1000], "repeats": 2, "limit": 2.0}


@dataclass(frozen=True)
class Key:
    """Parameters of one row of the table."""

    n: int
    lam: float
    horizon: float
    n_times: int


@dataclass(frozen=True)
class Measured:
    """Median seconds of each solver (the limit for those that reached it), and the error of the exact output."""

    key: Key
    seconds: dict[str, float]
    given_up: frozenset[str]
    error: float | None

    def ratio(self, name: str) -> float:
        """Time of a solver, relative to the exact solution."""
        return self.seconds[name] / self.seconds["exact"]

    def row(self) -> dict[str, Any]:
        """Row for the history file."""
        return {**vars(self.key), "seconds": self.seconds, "given_up": sorted(self.given_up), "error": self.error}


def measure(key: Key, repeats: int, limit: float) -> Measured:
    """Run all solvers in turn."""
    problem = case(key.n, key.lam, key.horizon, key.n_times)
    timed: dict[str, Callable[[Case], Any]] = {**solvers(limit), "products": products_of(problem)}
    if 2 * problem.w1.size > LSODA_MAX_STATE:
        del timed["LSODA 1e-10"]
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    given_up: set[str] = set()
    for turn in range(-1, repeats):
        for name, run in timed.items():
            if name in given_up or (turn > 0 and seconds[name] and seconds[name][0] > SLOW_SECONDS):
                continue
            if {"RK45 1e-6", "DOP853 1e-10"} & given_up and name in ("Tsit5 1e-6", "Dopri8 1e-10"):
                continue  # these take as many steps and cannot be interrupted
            try:
                durations = _seconds(run, problem)
            except TooLongError:
                given_up.add(name)
                durations = [limit]
            if turn >= 0 or name in given_up:  # the first turn compiles
                seconds[name] += durations
    medians = {name: statistics.median(durations) for name, durations in seconds.items() if durations}
    checked = medians["DOP853 1e-10"] < CHECKED_SECONDS
    return Measured(key, medians, frozenset(given_up), _error(problem) if checked else None)


def _seconds(run: Callable[[Case], Any], problem: Case) -> list[float]:
    durations: list[float] = []
    while sum(durations) < TURN_SECONDS:
        started = time.process_time()
        run(problem)
        durations.append(time.process_time() - started)
    return durations


def _error(problem: Case) -> float:
    """Largest relative deviation of the exact output from a tight integration."""
    _, expected = scipy_solver("DOP853", MIN_TOLERANCE)(problem)
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
    """Geometric mean and minimum of the ratios for each solver, for the fastest one, and for the matrix products."""
    lines: list[str] = []
    for name in others:
        ratios = [one.ratio(name) for one in rows if name in one.seconds]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            lines.append(f"{name:>14}: geometric mean {mean:6.1f} x, least {min(ratios):5.2f} x in {len(ratios)} cells")
    least = [min(one.ratio(name) for name in others if name in one.seconds) for one in rows]
    lines.append(f"faster than all of them in {sum(ratio > 1 for ratio in least)} of {len(least)} cells")
    large = [1 / one.ratio("products") for one in rows if one.key.n >= 25]
    if large:
        lines.append(f"n >= 25: {min(large):.2f} to {max(large):.2f} times the time of the products")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="The exact solution against ODE solvers.")
    several = partial(parser.add_argument, nargs="+")
    several("--sizes", type=int, default=SIZES)
    several("--lambdas", type=float, default=LAMBDAS)
    several("--horizons", type=float, default=HORIZONS)
    several("--times", type=int, default=TIMES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=20.0, help="time limit of scipy's solvers, in seconds")
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
        print(
            f"recorded in {record('kernel', [one.row() for one in rows], repeats=chosen.repeats, limit=chosen.limit)}"
        )


if __name__ == "__main__":
    main()
