"""The exact solution against ODE solvers on the same flow: seconds and ratios, taken side by side in one run.

Each row is one problem: equal widths n, weights lambda-balanced with scale 0.5 / sqrt(n), sigma_yx Gaussian with
singular values up to about 2, `loss` and `output` at evenly spaced times up to the horizon. All solvers run in turn,
several times, with one BLAS thread; the table shows medians. `error` is the largest relative deviation (Frobenius, over
times) of the exact output from DOP853 at tolerance 2.3e-14, so it holds the integrator's error too. A ratio above 1
says how many times faster the exact solution is.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits

from lindyn_service.dynamics.exact import solve
from lindyn_service.dynamics.frame import Frame
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.objective import WhiteTask, white_objective
from lindyn_service.dynamics.observables import excess_loss, output

LSODA_LARGEST_STATE = 5_000  # it factorises a dense Jacobian of the state: minutes at n = 100, 50 GB at n = 200

SLOW_SECONDS = 3.0
TIGHTEST = 2.3e-14  # the smallest tolerance that scipy accepts


@dataclass(frozen=True)
class Case:
    """One problem."""

    w1: np.ndarray
    w2: np.ndarray
    sigma_yx: np.ndarray
    lam: float
    times: np.ndarray


Solver = Callable[[Case], tuple[np.ndarray, np.ndarray]]


def case(n: int, lam: float, horizon: float, n_times: int) -> Case:
    """Draw the problem of a row."""
    rng = np.random.default_rng(n)
    w1, w2 = balanced_weights((n, n, n), lam, 0.5 / np.sqrt(n), rng)
    return Case(w1, w2, rng.standard_normal((n, n)) / np.sqrt(n), lam, np.linspace(0, horizon, n_times))


def exact(problem: Case) -> tuple[np.ndarray, np.ndarray]:
    """Loss and output by the closed form."""
    solution = solve(problem.w1, problem.w2, problem.sigma_yx, problem.lam)
    found = white_objective(WhiteTask(problem.sigma_yx, 1.0, None, None, 0.0), solution.modes, None)
    loss = np.empty(len(problem.times))
    outputs = np.empty((len(problem.times), *problem.sigma_yx.shape))
    for part, factors in solution.batches(problem.times):
        frame = Frame(found, (factors.into.transpose(0, 2, 1), factors.out), (len(problem.w1),), 1.0)
        loss[part], outputs[part] = excess_loss(frame), output(frame)
    return loss, outputs


def integrator(method: str, tolerance: float) -> Solver:
    """Loss and output by integration of the two layers."""

    def run(problem: Case) -> tuple[np.ndarray, np.ndarray]:
        n, size = len(problem.w1), problem.w1.size

        def velocity(_: float, state: np.ndarray) -> np.ndarray:
            w1, w2 = state[:size].reshape(n, -1), state[size:].reshape(-1, n)
            error = problem.sigma_yx - w2 @ w1
            return np.concatenate([(w2.T @ error).ravel(), (error @ w1.T).ravel()])

        start = np.concatenate([problem.w1.ravel(), problem.w2.ravel()])
        span = (0.0, float(problem.times[-1]))
        flow = solve_ivp(velocity, span, start, method, problem.times, rtol=tolerance, atol=tolerance)
        states = np.ascontiguousarray(flow.y.T)
        outputs = states[:, size:].reshape(-1, n, n) @ states[:, :size].reshape(-1, n, n)
        return 0.5 * np.sum((problem.sigma_yx - outputs) ** 2, axis=(1, 2)), outputs

    return run


SOLVERS: dict[str, Solver] = {
    "exact": exact,
    "RK45 1e-6": integrator("RK45", 1e-6),
    "DOP853 1e-10": integrator("DOP853", 1e-10),
    "LSODA 1e-10": integrator("LSODA", 1e-10),
}


def measure(problem: Case, repeats: int) -> dict[str, float]:
    """Median seconds of each solver, taken in turns; slow ones run once."""
    solvers = {name: run for name, run in SOLVERS.items() if name[:5] != "LSODA" or fits_lsoda(problem)}
    seconds: dict[str, list[float]] = {name: [] for name in solvers}
    for turn in range(repeats):
        for name, run in solvers.items():
            if turn and seconds[name][0] > SLOW_SECONDS:
                continue
            started = time.perf_counter()
            run(problem)
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def fits_lsoda(problem: Case) -> bool:
    """Whether LSODA can factorise its Jacobian in reasonable time."""
    return 2 * problem.w1.size <= LSODA_LARGEST_STATE


def error(problem: Case) -> float:
    """Largest relative deviation of the exact output from a tight integration."""
    _, expected = integrator("DOP853", TIGHTEST)(problem)
    _, got = exact(problem)
    return float(np.max(np.linalg.norm(got - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))))


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="The exact solution against ODE solvers.")
    options.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 25, 50, 100, 200])
    options.add_argument("--lambdas", type=float, nargs="+", default=[0, 1, 50])
    options.add_argument("--horizon", type=float, default=10)
    options.add_argument("--times", type=int, default=200)
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    others = [name for name in SOLVERS if name != "exact"]
    print(f"{chosen.times} times up to {chosen.horizon:g}; medians of {chosen.repeats}, one BLAS thread\n")
    print("   n  lambda     exact       error" + "".join(f"{name:>24}" for name in others))
    with threadpool_limits(1):
        for n in chosen.sizes:
            for lam in chosen.lambdas:
                problem = case(n, lam, chosen.horizon, chosen.times)
                seconds = measure(problem, chosen.repeats)
                print(row(n, lam, seconds, error(problem), others), flush=True)


def row(n: int, lam: float, seconds: dict[str, float], deviation: float, others: list[str]) -> str:
    """One line of the table."""
    base = seconds["exact"]
    cells = [
        f"{1000 * seconds[name]:12.1f} ms {seconds[name] / base:6.1f} x" if name in seconds else f"{'too large':>24}"
        for name in others
    ]
    return f"{n:4d} {lam:7g} {1000 * base:7.1f} ms {deviation:11.0e}" + "".join(cells)


if __name__ == "__main__":
    main()
