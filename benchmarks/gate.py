"""Speed of two commits side by side in one run: which cases got slower by more than 5 %.

The other commit is checked out into a temporary worktree. Fresh processes of both versions, with the same interpreter,
the same packages and one BLAS thread, measure all cases in turn. The figure of a case is the median, over the rounds,
of the ratio of both processor times in the same round; each of these times is the median of several runs. Cases that
seem slower are measured again in as many rounds, and count as slower only if they are slower in both measurements.

The exit status is 1 if a case is slower, so that a script can stop there. A case that one of the commits does not know
is left out with a remark. `python benchmarks/gate.py --against COMMIT`, or `make bench-gate AGAINST=COMMIT`.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
LIMIT, ROUNDS = 1.05, 5
TURN_SECONDS, TURN_RUNS = 0.1, 5  # each case runs at least this long and this often in a process

Seconds = dict[str, float]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", default="HEAD~1", help="commit to compare with")
    options.add_argument("--limit", type=float, default=LIMIT, help="largest accepted ratio of the times")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--only", default="", help="part of the names of the cases to measure")
    options.add_argument("--measure", nargs="*", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure is not None:
        print(json.dumps(measure(chosen.measure)))
        return
    sys.exit(1 if compare(chosen) else 0)


def compare(chosen: argparse.Namespace) -> list[str]:
    """Print the table, and return the names of the cases that are slower than the limit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the worktree is removed
    names = [name for name in cases() if chosen.only in name]
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        _git("worktree", "add", "--quiet", "--detach", str(other), chosen.against)
        try:
            first = rounds(other, names, chosen.rounds)
            doubtful = [name for name, ratio in first.items() if ratio > chosen.limit]
            second = rounds(other, doubtful, chosen.rounds) if doubtful else {}
        finally:
            _git("worktree", "remove", "--force", str(other))
    slower = [name for name in doubtful if second[name] > chosen.limit]
    print(f"\ntime of the working tree / time of {chosen.against}, medians of {chosen.rounds} rounds\n")
    for name, ratio in first.items():
        again = f"  measured again: {second[name]:5.2f}" if name in second else ""
        print(f"{name:44s} {ratio:5.2f}{again}{'  SLOWER' if name in slower else ''}")
    for name in set(names) - first.keys():
        print(f"{name:44s} left out: one of the commits does not know it")
    return slower


def rounds(other: Path, names: list[str], count: int) -> dict[str, float]:
    """Median ratio of the times of both versions for each case."""
    ratios: dict[str, list[float]] = {}
    for turn in range(count):
        order = (HERE, other) if turn % 2 else (other, HERE)
        seconds = {folder: measured(folder, names) for folder in order}
        for name in seconds[HERE].keys() & seconds[other].keys():
            ratios.setdefault(name, []).append(seconds[HERE][name] / seconds[other][name])
    return {name: statistics.median(ratios[name]) for name in names if name in ratios}


def measured(folder: Path, names: list[str]) -> Seconds:
    """Times of the cases in a process that imports the packages in a folder."""
    paths = os.pathsep.join(str(folder / part) for part in ("client", "service"))
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    environment = {**os.environ, **single, "PYTHONPATH": paths}
    command = [sys.executable, __file__, "--measure", str(folder), *names]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def measure(arguments: list[str]) -> Seconds:
    """Median processor times of some cases by the packages in the folder that is the first argument."""
    import lindyn_service  # noqa: PLC0415 (only here, since the process that compares needs neither version)

    folder, *names = arguments
    if Path(folder) not in Path(lindyn_service.__file__).parents:
        raise SystemExit(f"{lindyn_service.__file__} was imported, which is not in {folder}")
    known, seconds = cases(), {}
    for name in names:
        try:
            run = known[name]()
            run()
        except (ImportError, ValueError) as error:  # the version has no such function or quantity
            print(f"{name}: {error}", file=sys.stderr)
            continue
        seconds[name] = median_seconds(run)
    return seconds


def median_seconds(run: Callable[[], Any]) -> float:
    """Median processor time of one run."""
    durations: list[float] = []
    while sum(durations) < TURN_SECONDS or len(durations) < TURN_RUNS:
        started = time.process_time()
        run()
        durations.append(time.process_time() - started)
    return statistics.median(durations)


def cases() -> dict[str, Callable[[], Callable[[], Any]]]:
    """Functions that prepare each case and return what is measured."""
    found = {
        f"exact n={n} lambda={lam:g} horizon={horizon:g} times={times}": _kernel(n, lam, horizon, times)
        for n in (2, 5, 10, 25, 50)
        for lam, horizon, times in ((0.0, 10.0, 200), (1.0, 10.0, 1000), (50.0, 10.0, 200), (1.0, 1000.0, 200))
    }
    few = [_request("exact", 5, 200, names) for names in QUANTITIES]
    found |= {f"{'+'.join(names)} n=5": case for names, case in zip(QUANTITIES, few, strict=True)}
    found |= {f"{method} n=5": _request(method, 5, 200, ["loss", "output"]) for method in ("flow", "descent")}
    found["sweep of 200 points n=5"] = _sweep
    return found


QUANTITIES: Iterable[list[str]] = (
    ["loss", "output"],
    ["output"],
    ["loss_rate"],
    ["qqt"],
    ["ntk_norm"],
    ["ntk_distance"],
    ["singular_values"],
    ["mode_strengths"],
    ["weights"],
)


def _kernel(n: int, lam: float, horizon: float, times: int) -> Callable[[], Callable[[], Any]]:
    def prepare() -> Callable[[], Any]:
        from solvers import case, exact  # noqa: PLC0415

        problem = case(n, lam, horizon, times)
        return lambda: exact(problem)

    return prepare


def _request(method: str, n: int, times: int, quantities: list[str]) -> Callable[[], Callable[[], Any]]:
    def prepare() -> Callable[[], Any]:
        from lindyn.wire.trajectory import TrajectoryRequest  # noqa: PLC0415
        from lindyn_service.translate.trajectory import solve  # noqa: PLC0415

        of_method = {"kind": method, "learning_rate": 0.01} if method == "descent" else {"kind": method}
        grid = {"stop": 10, "num": times}
        document = {**_network_and_task(n), "times": grid, "quantities": quantities, "method": of_method}
        request = TrajectoryRequest.model_validate(document)
        return lambda: solve(request)

    return prepare


def _sweep() -> Callable[[], Any]:
    from lindyn.wire.sweep import SweepRequest  # noqa: PLC0415
    from lindyn_service.translate.sweep import compute_points, indices  # noqa: PLC0415

    base = {**_network_and_task(5), "times": {"stop": 10, "num": 200}}
    axes = [{"path": "network.seed", "values": list(range(200))}]
    request = SweepRequest.model_validate({"base": base, "axes": axes, "collect": ["loss"]})
    return lambda: list(compute_points(request, indices(request)))


def _network_and_task(n: int) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    task = (np.random.default_rng(n).standard_normal((n, n)) / np.sqrt(n)).tolist()
    network = {"kind": "balanced", "dims": [n, n, n], "lambda": 1.0, "scale": 0.5 / n**0.5, "seed": 0}
    return {"network": network, "task": task}


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=HERE, check=True)


if __name__ == "__main__":
    main()
