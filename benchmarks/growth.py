"""Growth of time and memory of the exact solution with the width n and with the number of times.

Each row is one process, which computes `loss` and `output` of a problem of `kernel.py` with lambda = 1 and horizon 10.
It shows the processor time of the fastest of three runs, and the peak of resident memory minus the memory before and
the size of the result. `exponent` is that of n, or of the number of times, relative to the row above. Linux only.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from history import record
from solvers import case, exact
from threadpoolctl import threadpool_limits

WIDTHS = [(n, 1000) for n in (25, 50, 100, 200, 400)]
TIMES = [(50, n_times) for n_times in (1000, 10_000, 100_000)] + [(200, 500), (200, 2000)]
MEGABYTE = 2**20


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="Growth of time and memory.")
    options.add_argument("--record", action="store_true", help="append the figures to benchmarks/history/growth.jsonl")
    options.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(measure(*chosen.one)))
        return
    print("   n   times        time   each time  exponent      result      beyond it")
    rows: list[dict[str, Any]] = []
    for n, n_times in WIDTHS + TIMES:
        command = [sys.executable, __file__, "--one", str(n), str(n_times)]
        process = subprocess.run(
            command, capture_output=True, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        )
        rows.append(json.loads(process.stdout))
        print(line(rows[-1], rows[-2] if len(rows) > 1 else None), flush=True)
    if chosen.record:
        print(f"recorded in {record('growth', rows)}")


def measure(n: int, n_times: int) -> dict[str, Any]:
    """Seconds, megabytes of the result, and peak megabytes beyond it."""
    problem = case(n, 1.0, 10.0, n_times)
    seconds: list[float] = []
    with threadpool_limits(1):
        exact(case(5, 1.0, 10.0, 100))  # loads lazily imported modules
        before = _resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        for _ in range(3):
            started = time.process_time()
            answer = exact(problem)
            seconds.append(time.process_time() - started)
            result = sum(array.nbytes for array in answer) / MEGABYTE
            del answer
    beyond = _resident("VmHWM") - before - result
    return {"n": n, "times": n_times, "seconds": min(seconds), "result": result, "beyond": beyond}


def line(row: dict[str, Any], above: dict[str, Any] | None) -> str:
    """One line of the table."""
    n, n_times, seconds = row["n"], row["times"], row["seconds"]
    exponent = ""
    if above is not None and (n == above["n"]) != (n_times == above["times"]):
        grown = n / above["n"] * n_times / above["times"]
        exponent = f"{math.log(seconds / above['seconds']) / math.log(grown):.2f}"
    start = f"{n:4d} {n_times:7d} {1000 * seconds:8.1f} ms {1e6 * seconds / n_times:8.1f} us"
    return f"{start} {exponent:>9} {row['result']:8.1f} MB {row['beyond']:10.1f} MB"


def _resident(what: str) -> float:
    """Resident memory of this process as Linux reports it, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


if __name__ == "__main__":
    main()
