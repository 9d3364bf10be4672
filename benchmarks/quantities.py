"""Each quantity of the exact solution against `output` alone, in one run.

The problem has equal widths n, lambda-balanced weights of scale 0.5 / sqrt(n), a Gaussian sigma_yx with singular values
up to about 2, and evenly spaced times up to 10. The quantities are computed in turn as the service computes them, with
one BLAS thread, but without bounds of their errors, which need further solutions at few times. The table shows the
median processor time of `output`, and how many times longer each quantity takes.
"""

import argparse
import statistics
import time

import numpy as np
from solvers import case
from threadpoolctl import threadpool_limits

from lindyn.wire.method import ExactMethod
from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.base import LearningProblem, answer
from lindyn_service.translate.trajectory import candidates

MAX_NUMBERS = 10**8  # numbers of a quantity that is measured: 800 megabytes
METHODS = candidates(ExactMethod(kind="exact"))


def seconds(n: int, lam: float, n_times: int, quantity: str) -> float:
    """Processor time of one answer."""
    own = case(n, lam, 10.0, n_times)
    weights, moments = (own.w1, own.w2), Moments(own.sigma_yx, None, None, None)
    problem = LearningProblem(weights, moments, 1.0, own.times, (quantity,), lam=lam, estimate=False)
    started = time.process_time()
    answer(METHODS, problem)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 50])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--lambda", type=float, default=1.0, dest="lam")
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    found = {}
    for n in chosen.sizes:
        names = [name for name in QUANTITIES if name != "ntk" or n**4 * chosen.times <= MAX_NUMBERS]
        runs = [{name: seconds(n, chosen.lam, chosen.times, name) for name in names} for _ in range(chosen.repeats)]
        found[n] = {name: statistics.median(run[name] for run in runs) for name in names}
    print(f"{'':22}" + "".join(f"{f'n = {n}':>10}" for n in found))
    print(f"{'output':22}" + "".join(f"{1e3 * each['output']:7.2f} ms" for each in found.values()))
    for name in QUANTITIES:
        if name != "output":
            ratios = (each[name] / each["output"] if name in each else np.nan for each in found.values())
            print(f"{name:22}" + "".join("         -" if np.isnan(ratio) else f"{ratio:8.2f} x" for ratio in ratios))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
