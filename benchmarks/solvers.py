"""One learning problem, and the solvers that compute its loss and output at given times."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import blas

from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.interpolation import network_functions
from lindyn_service.dynamics.modal_loss import white_objective
from lindyn_service.dynamics.riccati import Solution
from lindyn_service.dynamics.white_inputs import WhiteTask
from lindyn_service.methods.exact_observables import observe

Answer = tuple[np.ndarray, np.ndarray]
"""Loss, (time,), and output, (time, out, in)."""

Solver = Callable[["Case"], Answer]

LSODA_MAX_STATE = 5_000  # it factorises a dense Jacobian of the state: minutes at n = 100, 50 GB at n = 200
MAX_STEPS = 10**6


class TooLongError(Exception):
    """A solver exceeded its time limit."""


@dataclass(frozen=True)
class Case:
    """Problem with equal widths n, lambda-balanced weights of scale 0.5 / sqrt(n), and a Gaussian task."""

    w1: np.ndarray
    w2: np.ndarray
    sigma_yx: np.ndarray
    lam: float
    times: np.ndarray


def case(n: int, lam: float, horizon: float, n_times: int) -> Case:
    rng = np.random.default_rng(n)
    w1, w2 = balanced_weights((n, n, n), lam, 0.5 / np.sqrt(n), rng)
    return Case(w1, w2, rng.standard_normal((n, n)) / np.sqrt(n), lam, np.linspace(0, horizon, n_times))


def exact(case: Case) -> Answer:
    """Loss and output by the closed form, as the service computes them."""
    solution = closed_form(case.w1, case.w2, case.sigma_yx, case.lam)
    objective = white_objective(WhiteTask(case.sigma_yx, 1.0, None, None, 0.0), solution.modes, None)
    names = ("loss", "output")
    quantities = observe(solution, objective, case.times, names, hidden=len(case.w1), time_constant=1.0).quantities()
    return quantities["loss"], quantities["output"]


def scipy_solver(method: str, tolerance: float, max_seconds: float = np.inf) -> Solver:
    """Solver that integrates both layers with scipy; it raises TooLongError after `max_seconds`."""

    def run(case: Case) -> Answer:
        n, size = len(case.w1), case.w1.size
        deadline = time.process_time() + max_seconds

        def velocity(_: float, state: np.ndarray) -> np.ndarray:
            if time.process_time() > deadline:
                raise TooLongError(method)
            w1, w2 = state[:size].reshape(n, -1), state[size:].reshape(-1, n)
            error = case.sigma_yx - w2 @ w1
            return np.concatenate([(w2.T @ error).ravel(), (error @ w1.T).ravel()])

        start = np.concatenate([case.w1.ravel(), case.w2.ravel()])
        span = (0.0, float(case.times[-1]))
        flow = solve_ivp(velocity, span, start, method, case.times, rtol=tolerance, atol=tolerance)
        states = np.ascontiguousarray(flow.y.T)
        outputs = states[:, size:].reshape(-1, n, n) @ states[:, :size].reshape(-1, n, n)
        return 0.5 * np.sum((case.sigma_yx - outputs) ** 2, axis=(1, 2)), outputs

    return run


def diffrax_solver(method: str, tolerance: float) -> Solver:
    """Solver that integrates both layers with diffrax; the first run for each shape compiles it."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import diffrax  # noqa: PLC0415 (optional, and slow to import)
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)

    def velocity(_: Any, state: Any, sigma_yx: Any) -> Any:
        w1, w2 = state
        error = sigma_yx - w2 @ w1
        return w2.T @ error, error @ w1.T

    @jax.jit
    def integrate(w1: Any, w2: Any, sigma_yx: Any, times: Any) -> Any:
        flow = diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            getattr(diffrax, method)(),
            t0=0.0,
            t1=times[-1],
            dt0=None,
            y0=(w1, w2),
            args=sigma_yx,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=MAX_STEPS,
        )
        outputs = flow.ys[1] @ flow.ys[0]
        return 0.5 * jnp.sum((sigma_yx - outputs) ** 2, axis=(1, 2)), outputs

    def run(case: Case) -> Answer:
        loss, outputs = integrate(case.w1, case.w2, case.sigma_yx, case.times)
        return np.asarray(loss), np.asarray(outputs)

    return run


def products(evaluations: int, between: Sequence[tuple[int, int]]) -> Solver:
    """Matrix products that the exact solution needs, as a lower bound of its time.

    Each evaluation needs a symmetric product for the Gram matrix of 2n rows, a triangular one for the 2n rows of both
    layers, one for the network function, and two that transform it to the coordinates of inputs and outputs: 10 n^3
    floating-point operations. The Cholesky factor and its inverse, 2/3 n^3 more, are not included. Interpolation needs
    a product of its weights with the n^2 entries at the nodes.

    Args:
        evaluations: number of times at which the solution is evaluated.
        between: numbers of times and of nodes of each interval of interpolation.
    """

    def run(case: Case) -> Answer:
        n = len(case.w1)
        rows = np.concatenate([case.w1.T, case.w2])
        lower, into, out = np.eye(n), case.w1.T.copy(), case.w2.copy()
        for _ in range(evaluations):
            blas.dsyrk(1.0, rows.T)
            blas.dtrmm(1.0, lower.T, rows.T, lower=0, trans_a=1, overwrite_b=1)
            out @ (out @ into.T) @ into
        outputs = [np.ones((n_times, n_nodes)) @ np.ones((n_nodes, n * n)) for n_times, n_nodes in between]
        return np.empty(0), np.concatenate(outputs) if outputs else np.empty(0)

    return run


def products_of(problem: Case) -> Solver:
    """Matrix products for the times at which the exact solution of a problem is evaluated."""
    solution = closed_form(problem.w1, problem.w2, problem.sigma_yx, problem.lam)
    if not isinstance(solution, Solution):
        raise TypeError("the weights are aligned")
    parts = [part for part, _ in network_functions(solution, problem.times)]
    between = [(part.times.stop - part.times.start, part.n_nodes) for part in parts if part.interval is not None]
    return products(sum(part.n_nodes for part in parts), between)


@cache
def solvers(max_seconds: float) -> dict[str, Solver]:
    """All installed solvers by name, the exact one first; those of scipy stop after `max_seconds`."""
    by_name: dict[str, Solver] = {
        "exact": exact,
        "RK45 1e-6": scipy_solver("RK45", 1e-6, max_seconds),
        "DOP853 1e-10": scipy_solver("DOP853", 1e-10, max_seconds),
        "LSODA 1e-10": scipy_solver("LSODA", 1e-10, max_seconds),
    }
    if find_spec("diffrax") is not None:
        by_name["Tsit5 1e-6"] = diffrax_solver("Tsit5", 1e-6)
        by_name["Dopri8 1e-10"] = diffrax_solver("Dopri8", 1e-10)
    return by_name
